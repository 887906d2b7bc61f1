# Detectors and corrections of small-study effects by metafor: regtest, ranktest, trimfill and
# selmodel on its packaged data and on random sets; p-uniform* and the limit meta-analysis by the
# code of the packages puniform and metasens.
#
#   Rscript tests/reference/smallstudy.R PUNIFORM METASENS
#
# PUNIFORM and METASENS are folders with the sources of CRAN's puniform 0.2.7 and metasens 1.5-2
# (neither has to be installed: only R functions of theirs are used). Their documented examples are
# in documented.R.

suppressMessages({
  library(metafor)
  library(jsonlite)
})

SEED <- 20974
arguments <- commandArgs(FALSE)
folder <- dirname(sub("--file=", "", grep("--file=", arguments, value = TRUE)))
folders <- commandArgs(TRUE)
TIGHT <- list(threshold = 1e-13, maxiter = 10000, tol = 1e-13)

sources <- function(path, files) {
  space <- new.env()
  for (file in files) sys.source(file.path(path, "R", paste0(file, ".R")), space)
  space
}
puniform <- sources(folders[1], c("puni_star", "escompute", "esest_nsig", "ml_star", "ml_star_est",
  "ml_star_tau", "testeffect_nsig", "testhetero", "transform_nsig"))
metasens <- sources(folders[2], c("radialregression"))

# limitmeta(method.adjust = "beta0") takes a meta object; these are its lines for numbers.
limit_beta0 <- function(yi, vi, tau2) {
  w <- 1 / (vi + tau2)
  k <- length(yi)
  line <- metasens$radialregression(yi, sqrt(1 / w), k)
  tau <- sqrt(tau2)
  estimate <- as.vector(line$slope + tau * line$intercept)
  variance <- (1 / var(sqrt(w)) + tau2 * mean(w) / var(sqrt(w)) -
    2 * tau * mean(sqrt(w)) / var(sqrt(w))) / (k - 1)
  list(estimate = unbox(estimate), se = unbox(sqrt(variance)), alpha = unbox(as.vector(line$intercept)))
}

selection <- function(yi, vi) {
  # The highest of several optimisers; the log-likelihood that metafor's default finds is kept too.
  fit <- rma(yi, vi, method = "ML", control = TIGHT)
  run <- function(...) tryCatch(suppressWarnings(
    selmodel(fit, type = "stepfun", steps = 0.025, alternative = "greater", control = list(...))),
    error = function(e) NULL)
  runs <- list(run(), run(optimizer = "nlminb", rel.tol = 1e-14, x.tol = 1e-12, eval.max = 5000,
    iter.max = 5000), run(optimizer = "BFGS", reltol = 1e-15, maxit = 5000))
  runs <- Filter(Negate(is.null), runs)
  if (length(runs) == 0) return(NULL)
  ll <- sapply(runs, function(fit) as.numeric(fit$fit.stats["ll", "ML"]))
  best <- runs[[which.max(ll)]]
  list(mu = unbox(as.numeric(best$beta)), se = unbox(best$se), tau2 = unbox(best$tau2),
    weight = unbox(best$delta[2]), se_tau2 = unbox(best$se.tau2), se_weight = unbox(best$se.delta[2]),
    loglik = unbox(max(ll)))
}

uniform <- function(yi, vi) {
  out <- tryCatch(suppressWarnings(puniform$puni_star(yi = yi, vi = vi, side = "right", method = "ML",
    control = list(tau.int = c(0, 10), int = c(-20, 20), est.ci = c(20, 20)))), error = function(e) NULL)
  if (is.null(out)) return(NULL)
  # The package stops optim early; its likelihood is taken to the end.
  cut <- qnorm(.975) * sqrt(vi)
  polished <- optim(c(out$est, sqrt(out$tau2)), puniform$ml_star, yi = yi, vi = vi, ycv = cut,
    method = "L-BFGS-B", lower = c(-Inf, 0), control = list(fnscale = -1, factr = 1, maxit = 10000))
  list(estimate = unbox(polished$par[1]), tau2 = unbox(polished$par[2]^2),
    loglik = unbox(polished$value), package_estimate = unbox(out$est),
    package_tau2 = unbox(out$tau2), ci_lb = unbox(out$ci.lb), ci_ub = unbox(out$ci.ub),
    L0 = unbox(out$L.0), pval = unbox(out$pval.0))
}

line <- function(fit, row) {
  x <- coef(summary(fit))[row, ]
  list(estimate = unbox(x[[1]]), se = unbox(x[[2]]), stat = unbox(x[[3]]), pval = unbox(x[[4]]))
}

trimmed <- function(yi, vi, method, kind, side = NULL) {
  fit <- suppressWarnings(rma(yi, vi, method = method, control = TIGHT))
  out <- tryCatch(suppressWarnings(
    if (is.null(side)) trimfill(fit, estimator = kind, control = TIGHT)
    else trimfill(fit, estimator = kind, side = side, control = TIGHT)), error = function(e) NULL)
  if (is.null(out)) return(NULL)
  list(method = unbox(method), kind = unbox(kind), side = unbox(out$side), given = unbox(!is.null(side)),
    filled = unbox(out$k0), mu = unbox(as.numeric(out$b)), se = unbox(out$se), tau2 = unbox(out$tau2))
}

case <- function(source, yi, vi, ni) {
  yi <- signif(as.numeric(yi), 12)
  vi <- signif(as.numeric(vi), 12)
  ni <- as.numeric(ni)
  k <- length(yi)
  sei <- sqrt(vi)
  test <- regtest(yi, vi, model = "lm", predictor = "sei")
  egger <- line(lm(yi ~ sei, weights = 1 / vi), 2)
  stopifnot(abs(test$zval - egger$stat) < 1e-9)
  varies <- diff(range(ni)) > 0
  rank <- suppressWarnings(ranktest(yi, vi))
  fills <- list()
  for (method in c("DL", "REML", "FE", "PM")) for (kind in c("L0", "R0")) {
    fills[[length(fills) + 1]] <- trimmed(yi, vi, method, kind)
    for (side in c("left", "right")) fills[[length(fills) + 1]] <- trimmed(yi, vi, method, kind, side)
  }
  dl <- rma(yi, vi, method = "DL")
  list(
    source = unbox(source), yi = yi, vi = vi, ni = ni,
    egger_se = egger,
    egger_n = if (varies) line(lm(yi ~ I(1 / sqrt(ni)), weights = ni), 2) else NULL,
    egger_n_vi = if (varies) line(lm(yi ~ I(1 / sqrt(ni)), weights = 1 / vi), 2) else NULL,
    begg = list(tau = unbox(as.numeric(rank$tau)), pval = unbox(rank$pval)),
    pet = line(lm(yi ~ sei, weights = 1 / vi), 1),
    peese = line(lm(yi ~ vi, weights = 1 / vi), 1),
    trimfill = Filter(Negate(is.null), fills),
    sel3 = selection(yi, vi),
    p_uniform_star = uniform(yi, vi),
    limit = c(limit_beta0(yi, vi, dl$tau2), tau2 = unbox(dl$tau2))
  )
}

normand <- escalc("SMD", m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i, n2i = n2i,
  data = dat.normand1999)
bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
curtis <- escalc("ROM", m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i, n2i = n2i,
  data = dat.curtis1998)
li <- escalc("RR", ai = ai, n1i = n1i, ci = ci, n2i = n2i, data = dat.li2007)
raudenbush <- dat.raudenbush1985
egger2001 <- escalc("OR", ai = ai, n1i = n1i, ci = ci, n2i = n2i, data = dat.egger2001)

cases <- list(
  case("dat.hackshaw1998, log odds ratio", dat.hackshaw1998$yi, dat.hackshaw1998$vi,
    dat.hackshaw1998$cases),
  case("dat.bcg, minus log risk ratio", -bcg$yi, bcg$vi, with(dat.bcg, tpos + tneg + cpos + cneg)),
  case("dat.normand1999, minus SMD", -normand$yi, normand$vi, normand$n1i + normand$n2i),
  case("dat.raudenbush1985, SMD", raudenbush$yi, raudenbush$vi, raudenbush$n1i + raudenbush$n2i),
  case("dat.curtis1998, log ratio of means", curtis$yi, curtis$vi, curtis$n1i + curtis$n2i),
  case("dat.li2007, minus log risk ratio", -li$yi, li$vi, li$n1i + li$n2i),
  case("dat.egger2001, minus log odds ratio", -egger2001$yi, egger2001$vi,
    egger2001$n1i + egger2001$n2i)
)

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(SEED)
for (i in 1:24) {
  # Hedges g of small groups with selection by the one-sided p, as the planner simulates them.
  k <- sample(c(4, 6, 7, 9, 19, 40), 1)
  mu <- runif(1, 0, 2)
  tau <- sample(c(0, 0.3, 1), 1)
  weight <- sample(c(1, 0.3, 0.1), 1)
  yi <- vi <- ni <- numeric(0)
  while (length(yi) < k) {
    n <- sample(4:12, 1)
    d <- rnorm(1, mu, sqrt(tau^2 + 2 / n)) / sqrt(rchisq(1, 2 * n - 2) / (2 * n - 2))
    j <- 1 - 3 / (4 * (2 * n - 2) - 1)
    if (runif(1) < weight || pt(d / sqrt(2 / n), 2 * n - 2, lower.tail = FALSE) < .025) {
      yi <- c(yi, j * d)
      vi <- c(vi, j^2 * (2 / n + d^2 / (4 * n)))
      ni <- c(ni, 2 * n)
    }
  }
  cases[[length(cases) + 1]] <- case(paste("random", i), yi, vi, ni)
}
# Ties, and a predictor that does not vary.
cases[[length(cases) + 1]] <- case("ties", c(.1, .45, .4, .9, 1.3, .22), c(.2, .2, .3, .4, .4, .1),
  c(20, 20, 14, 10, 10, 40))

output <- list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor"))),
  puniform = unbox("0.2.7"), metasens = unbox("1.5-2"), script = unbox("smallstudy.R"),
  seed = unbox(SEED), cases = cases
)
cat(length(cases), "sets,", sum(sapply(cases, function(x) !is.null(x$sel3))), "with a selection model\n")
write(toJSON(output, digits = NA, pretty = FALSE, null = "null"), file.path(folder, "smallstudy.json"))
