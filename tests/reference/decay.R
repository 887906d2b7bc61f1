# Repeated measures of two groups by nlme: unstructured, compound symmetry, random intercept and
# continuous AR(1), complete and with animals lost. Satterthwaite's degrees of freedom from the
# Hessian of an independently written REML criterion. Meta-regression of effects on delays by
# metafor.
#
#   Rscript tests/reference/decay.R

suppressMessages({
  library(nlme)
  library(metafor)
  library(numDeriv)
  library(jsonlite)
})

SEED <- 24015
set.seed(SEED)
arguments <- commandArgs(FALSE)
folder <- dirname(sub("--file=", "", grep("--file=", arguments, value = TRUE)))

draw <- function(n1, n2, days, rho, kind, half_life, delta0, lost) {
  m <- length(days)
  R <- if (kind == "cs") matrix(rho, m, m) + diag(1 - rho, m) else rho^(abs(outer(days, days, "-")) / 7)
  L <- t(chol(R))
  y <- t(L %*% matrix(rnorm(m * (n1 + n2)), m))
  y[seq_len(n1), ] <- sweep(y[seq_len(n1), , drop = FALSE], 2, delta0 * 2^(-days / half_life), "+")
  if (lost > 0) for (i in seq_len(n1 + n2)) if (runif(1) < lost) {
    last <- sample(seq_len(m - 1), 1)
    y[i, (last + 1):m] <- NA
  }
  signif(y, 12)
}

long <- function(y, n1, days) {
  n <- nrow(y)
  d <- data.frame(
    y = as.vector(t(y)), id = factor(rep(seq_len(n), each = length(days))),
    week = rep(days / 7, n), day = factor(rep(days, n)),
    group = factor(rep(c("treated", "control"), c(n1, n - n1) * length(days)),
                   levels = c("control", "treated")),
    visit = rep(seq_along(days), n)
  )
  d[!is.na(d$y), ]
}

# Means of both groups on every day as the parameters: the contrast is c'(treated - control).
contrast <- function(fit, days, c) {
  b <- if (inherits(fit, "lme")) fixef(fit) else coef(fit)
  V <- vcov(fit)
  m <- length(days)
  treated <- grep("grouptreated", names(b)); control <- grep("groupcontrol", names(b))
  w <- numeric(length(b)); w[treated] <- c; w[control] <- -c
  difference <- b[treated] - b[control]
  list(estimate = unbox(sum(w * b)), se = unbox(sqrt(drop(t(w) %*% V %*% w))),
       difference = unname(difference), sigma = unbox(fit$sigma), logLik = unbox(as.numeric(logLik(fit))))
}

satterthwaite <- function(d, kind, days, c, sigma2, rho) {
  ids <- split(d, d$id)
  X <- model.matrix(~ 0 + group:day, d)
  rows <- split(seq_len(nrow(d)), d$id)
  w <- ifelse(grepl("grouptreated", colnames(X)), 1, -1)
  day <- sub(".*:day", "", colnames(X))
  w <- w * c[match(day, as.character(days))]
  corr <- function(week, rho) {
    lag <- abs(outer(week, week, "-"))
    if (kind == "cs") ifelse(lag == 0, 1, rho) else rho^lag
  }
  information <- function(p) Reduce(`+`, lapply(rows, function(r) {
    x <- X[r, , drop = FALSE]
    t(x) %*% solve(exp(p[1]) * corr(d$week[r], p[2]), x)
  }))
  deviance <- function(p) {
    M <- information(p)
    right <- Reduce(`+`, lapply(rows, function(r)
      t(X[r, , drop = FALSE]) %*% solve(exp(p[1]) * corr(d$week[r], p[2]), d$y[r])))
    b <- solve(M, right)
    total <- as.numeric(determinant(M)$modulus)
    for (r in rows) {
      V <- exp(p[1]) * corr(d$week[r], p[2])
      e <- d$y[r] - X[r, , drop = FALSE] %*% b
      total <- total + as.numeric(determinant(V)$modulus) + drop(t(e) %*% solve(V, e))
    }
    total
  }
  p <- optim(c(log(sigma2), rho), deviance, method = "BFGS", control = list(reltol = 1e-15))$par
  A <- 2 * solve(hessian(deviance, p))
  v <- function(p) drop(t(w) %*% solve(information(p), w))
  g <- grad(v, p)
  unbox(2 * v(p)^2 / drop(t(g) %*% A %*% g))
}

tight <- list(
  gls = glsControl(tolerance = 1e-12, msTol = 1e-14, opt = "optim", maxIter = 500, msMaxIter = 1000,
                   returnObject = TRUE),
  lme = lmeControl(tolerance = 1e-12, msTol = 1e-14, opt = "optim", maxIter = 500, msMaxIter = 1000,
                   returnObject = TRUE)
)

case <- function(n1, n2, days, rho, kind, lost, c) {
  y <- draw(n1, n2, days, rho, kind, 9, 3, lost)
  d <- long(y, n1, days)
  mean <- y ~ 0 + group:day
  out <- list(days = days, n1 = unbox(n1), n2 = unbox(n2), c = c,
              y = y, kind = unbox(kind), lost = unbox(lost))
  if (lost == 0) {
    fit <- gls(mean, d, correlation = corSymm(form = ~ visit | id), weights = varIdent(form = ~ 1 | visit),
               control = tight$gls)
    out$unstructured <- contrast(fit, days, c)
    fit <- lme(mean, d, random = ~ 1 | id, control = tight$lme)
    out$intercept <- contrast(fit, days, c)
  }
  fit <- if (kind == "cs") gls(mean, d, correlation = corCompSymm(form = ~ 1 | id), control = tight$gls)
         else gls(mean, d, correlation = corCAR1(form = ~ week | id), control = tight$gls)
  out$gls <- contrast(fit, days, c)
  out$gls$rho <- unbox(as.numeric(coef(fit$modelStruct$corStruct, unconstrained = FALSE)))
  out$gls$df <- satterthwaite(d, kind, days, c, fit$sigma^2, out$gls$rho)
  out
}

cases <- list(
  case(6, 6, c(0, 7, 14, 24), 0.5, "cs", 0, c(1, 0, 0, -1)),
  case(5, 8, c(0, 3, 10), 0.6, "cs", 0, c(0.5, 0.5, -1)),
  case(7, 7, c(0, 7, 14, 24), 0.5, "ar1", 0, c(1, 0, 0, -1)),
  case(8, 8, c(0, 7, 14, 24), 0.5, "cs", 0.4, c(1, 0, 0, -1)),
  case(9, 7, c(0, 5, 14, 28), 0.6, "ar1", 0.4, c(0, 0, 0, 1)),
  case(12, 12, c(1, 4, 9, 16, 25), 0.4, "ar1", 0.3, c(1, 0, 0, 0, -1))
)

regression <- function(k) {
  delay <- rep(c(1, 14, 7, 15, 34, 28), length.out = k)
  n <- sample(4:12, k, TRUE)
  yi <- signif(5 * 2^(-delay / 12) + rnorm(k, 0, 1), 12)
  vi <- signif(2 / n + yi^2 / (4 * n), 12)
  fit <- rma(yi, vi, mods = ~delay, method = "DL", test = "knha")
  list(delay = delay, yi = yi, vi = vi, slope = unbox(fit$beta[2]), se = unbox(fit$se[2]),
       tau2 = unbox(fit$tau2), pval = unbox(fit$pval[2]))
}

json <- list(
  version = unbox(paste("R", getRversion(), "nlme", packageVersion("nlme"), "metafor",
                        packageVersion("metafor"))),
  call = unbox("gls, lme (REML, y ~ 0 + group:day); rma(mods = ~delay, method = 'DL', test = 'knha')"),
  seed = unbox(SEED), cases = cases, regressions = lapply(c(6, 12, 24), regression)
)
writeLines(toJSON(json, digits = 15, na = "null", pretty = TRUE), file.path(folder, "decay.json"))
