# Pooling by metafor: packaged data sets of several effect sizes, and random small ones.
#
#   Rscript tests/reference/pooling.R
#
# Each set is pooled by four estimators, each with three tests. `fits` holds for every estimator
# b, tau2, I2, H2 and, in the order of `columns`, the numbers of each test; `confint` is the
# Q-profile interval of tau2. Numbers have 15 digits; null is what metafor does not give.

suppressMessages({
  library(metafor)
  library(jsonlite)
})

SEED <- 19861
ESTIMATORS <- c("FE", "DL", "PM", "REML")
TESTS <- c("z", "knha", "adhoc")
COLUMNS <- c("se", "ci_lb", "ci_ub", "pval", "pi_lb", "pi_ub", "riley_lb", "riley_ub")
# metafor's defaults leave tau2 up to 1e-5 off. `tol` is that of PM's and confint's uniroot.
CONTROL <- list(threshold = 1e-13, maxiter = 100000, tol = 1e-300, tau2.max = 1e9)

arguments <- commandArgs(FALSE)
folder <- dirname(sub("--file=", "", grep("--file=", arguments, value = TRUE)))
notes <- character()

fit_one <- function(yi, vi, estimator, test, source) {
  # Fisher scoring can swing about the maximum for ever; shorter steps end that.
  for (stepadj in c(1, 0.5, 0.25, 0.1, 0.02)) {
    fit <- tryCatch(
      suppressWarnings(rma(yi, vi, method = estimator, test = test,
                           control = c(CONTROL, list(stepadj = stepadj)))),
      error = function(e) NULL)
    if (!is.null(fit)) {
      if (stepadj < 1 && test == "z") notes <<- c(notes, paste(source, "stepadj", stepadj))
      return(fit)
    }
  }
  stop(paste(source, estimator, "does not converge"))
}

of_test <- function(fit) {
  default <- predict(fit)
  riley <- predict(fit, pi.type = "riley")
  pick <- function(p, name) if (is.null(p[[name]])) NA else as.numeric(p[[name]])
  c(fit$se, fit$ci.lb, fit$ci.ub, fit$pval, pick(default, "pi.lb"), pick(default, "pi.ub"),
    pick(riley, "pi.lb"), pick(riley, "pi.ub"))
}

pooled <- function(source, yi, vi) {
  # Twelve digits are what is stored, so they are also what is pooled.
  yi <- signif(as.numeric(yi), 12)
  vi <- signif(as.numeric(vi), 12)
  k <- length(yi)
  fits <- list()
  for (estimator in ESTIMATORS) {
    each <- lapply(TESTS, function(test) fit_one(yi, vi, estimator, test, source))
    names(each) <- TESTS
    fit <- each$z
    fits[[estimator]] <- c(
      list(b = unbox(as.numeric(fit$b)), tau2 = unbox(fit$tau2), I2 = unbox(fit$I2),
           H2 = unbox(fit$H2)),
      lapply(each, of_test))
  }
  dl <- fit_one(yi, vi, "DL", "z", source)
  profile <- c(NA, NA)
  if (k > 1) {
    profile <- suppressWarnings(confint(
      dl, control = list(tol = 1e-300, tau2.max = 1e12, maxiter = 100000)))
    profile <- as.numeric(profile$random["tau^2", c("ci.lb", "ci.ub")])
  }
  list(
    source = unbox(source), yi = yi, vi = vi, b = unbox(as.numeric(dl$b)), se = unbox(dl$se),
    tau2 = unbox(dl$tau2), QE = unbox(dl$QE), QEp = unbox(dl$QEp),
    I2 = unbox(if (k > 1) 100 * max(0, (dl$QE - (k - 1)) / dl$QE) else 0),
    confint = profile, fits = fits
  )
}

of_escalc <- function(name, data) {
  data <- data[!is.na(data$yi) & !is.na(data$vi), ]
  pooled(name, data$yi, data$vi)
}

sets <- list(
  of_escalc("dat.bcg, log risk ratio",
            escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)),
  of_escalc("dat.normand1999, standardized mean difference",
            escalc("SMD", m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i, n2i = n2i,
                   data = dat.normand1999)),
  of_escalc("dat.curtis1998, log ratio of means",
            escalc("ROM", m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i, n2i = n2i,
                   data = dat.curtis1998)),
  of_escalc("dat.raudenbush1985, standardized mean difference", dat.raudenbush1985),
  of_escalc("dat.hackshaw1998, log odds ratio", dat.hackshaw1998),
  of_escalc("dat.li2007, log risk ratio",
            escalc("RR", ai = ai, n1i = n1i, ci = ci, n2i = n2i, data = dat.li2007)),
  of_escalc("dat.molloy2014, transformed correlation",
            escalc("ZCOR", ri = ri, ni = ni, data = dat.molloy2014)),
  of_escalc("dat.pritz1997, transformed proportion",
            escalc("PFT", xi = xi, ni = ni, data = dat.pritz1997)),
  of_escalc("dat.nielweise2008, log incidence rate ratio",
            escalc("IRR", x1i = x1i, t1i = t1i, x2i = x2i, t2i = t2i, data = dat.nielweise2008)),
  of_escalc("dat.bonett2010, transformed alpha",
            escalc("ABT", ai = ai, mi = mi, ni = ni, data = dat.bonett2010)),
  of_escalc("dat.normand1999, mean difference",
            escalc("MD", m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i, n2i = n2i,
                   data = dat.normand1999)),
  pooled("one study", 0.7, 0.2),
  pooled("two equal studies", c(0.7, 0.7), c(0.2, 0.1)),
  # Fisher scoring ends at tau2 = 0; the restricted likelihood is higher by 18 at 0.146.
  pooled("two maxima", c(0.91, -0.01, -0.01, 0.69), c(1, 1e-4, 1e-4, 0.01)),
  # It ends at 1.56; metafor then finds that the likelihood is higher at 0.
  pooled("higher at zero", c(-0.01, 0, -3.21, -0.03), c(2e-4, 6e-4, 0.7, 4e-4)),
  pooled("equal variances", c(0.3, 1.9, 0.8, -0.4), rep(0.25, 4))
)

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(SEED)
for (i in 1:200) {
  k <- sample(2:20, 1)
  kind <- if (i <= 120) "small" else if (i <= 160) "wide" else "homogeneous"
  # wide: sampling variances over six orders of magnitude.
  vi <- if (kind == "wide") 10^runif(k, -5, 1) else exp(rnorm(k, -1.5, 0.8))
  tau <- if (kind == "homogeneous") 0 else sample(c(0, 0.2, 0.5, 1, 2.5, 50), 1)
  yi <- rnorm(k, runif(1, -1, 5), sqrt((if (kind == "homogeneous") 0.3 else 1) * vi + tau^2))
  sets[[length(sets) + 1]] <- pooled(paste(kind, i), yi, vi)
}
zero <- sum(sapply(sets, function(set) set$tau2 == 0))
cat(length(sets), "sets,", zero, "with tau2 = 0\n")
cat(notes, sep = "\n")
stopifnot(zero >= 40, length(sets) - zero >= 100)

output <- list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor"))),
  call = unbox("rma(yi, vi, method, test, control = list(threshold = 1e-13, tol = 1e-300, tau2.max = 1e9))"),
  script = unbox("pooling.R"),
  seed = unbox(SEED),
  columns = COLUMNS,
  short_steps = notes,
  sets = sets
)
write(toJSON(output, digits = NA, na = "null", pretty = FALSE), file.path(folder, "pooling.json"))
