# Subgroups at a common tau2 by metafor's mixed-effects model.
#
#   Rscript tests/reference/subgroups.R
#
# `means` and `pairs` are rows of estimate, se, ci_lb, ci_ub, pval, the pairs in the order (1, 2),
# (1, 3), ..., (2, 3), ...; QM, QMp test that the subgroups are equal (chi-square with "z", F
# with "knha" and "adhoc"); `confint` is the Q-profile interval of tau2.

suppressMessages({
  library(metafor)
  library(jsonlite)
})

SEED <- 20211
CONTROL <- list(threshold = 1e-13, maxiter = 100000, tol = 1e-300, tau2.max = 1e9)
arguments <- commandArgs(FALSE)
folder <- dirname(sub("--file=", "", grep("--file=", arguments, value = TRUE)))

fit_means <- function(yi, vi, mods, estimator, test) {
  # Fisher scoring can swing about the maximum for ever; shorter steps end that.
  for (stepadj in c(1, 0.5, 0.25, 0.1)) {
    fit <- tryCatch(
      suppressWarnings(rma(yi, vi, mods = mods, intercept = FALSE, method = estimator, test = test,
                           control = c(CONTROL, list(stepadj = stepadj)))),
      error = function(e) NULL)
    if (!is.null(fit)) return(fit)
  }
  stop("does not converge")
}

compared <- function(source, yi, vi, group) {
  yi <- signif(as.numeric(yi), 12)
  vi <- signif(as.numeric(vi), 12)
  group <- match(group, unique(group))
  G <- max(group)
  f <- factor(group)
  fits <- list()
  for (estimator in c("FE", "DL", "PM", "REML")) {
    for (test in c("z", "knha", "adhoc")) {
      fit <- fit_means(yi, vi, model.matrix(~ f - 1), estimator, test)
      centred <- fit_means(yi, vi, model.matrix(~ f), estimator, test)
      contrasts <- t(combn(G, 2, function(ij) replace(replace(numeric(G), ij[1], 1), ij[2], -1)))
      crit <- if (test == "z") qnorm(0.975) else qt(0.975, fit$k - fit$p)
      pairs <- t(apply(contrasts, 1, function(x) {
        difference <- sum(x * coef(fit))
        se <- sqrt(c(t(x) %*% vcov(fit) %*% x))
        stat <- abs(difference / se)
        p <- if (test == "z") 2 * pnorm(-stat) else 2 * pt(-stat, fit$k - fit$p)
        c(difference, se, difference - crit * se, difference + crit * se, p)
      }))
      profile <- c(NA, NA)
      if (estimator != "FE" && test == "z") {
        profile <- suppressWarnings(confint(
          fit, control = list(tol = 1e-300, tau2.max = 1e12, maxiter = 100000)))
        profile <- as.numeric(profile$random["tau^2", c("ci.lb", "ci.ub")])
      }
      fits[[length(fits) + 1]] <- list(
        estimator = unbox(estimator), test = unbox(test), tau2 = unbox(fit$tau2),
        means = cbind(as.numeric(fit$b), fit$se, fit$ci.lb, fit$ci.ub, fit$pval), pairs = pairs,
        QM = unbox(centred$QM), QMp = unbox(centred$QMp), confint = profile)
    }
  }
  list(source = unbox(source), yi = yi, vi = vi, group = group, fits = fits)
}

bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
curtis <- escalc("ROM", m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i, n2i = n2i,
                 data = dat.curtis1998)
bornmann <- escalc("OR", ai = waward, n1i = wtotal, ci = maward, n2i = mtotal,
                   data = dat.bornmann2007)
sets <- list(
  compared("dat.bcg by allocation, log risk ratio", bcg$yi, bcg$vi, bcg$alloc),
  compared("dat.curtis1998 by functional group, log ratio of means", curtis$yi, curtis$vi,
           curtis$fungrp),
  compared("dat.bornmann2007 by type, log odds ratio", bornmann$yi, bornmann$vi, bornmann$type)
)
RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(SEED)
for (i in 1:25) {
  G <- sample(2:5, 1)
  group <- sample(rep(seq_len(G), sample(3:8, G, replace = TRUE)))
  k <- length(group)
  vi <- exp(rnorm(k, -1.5, if (i %% 5 == 0) 2 else 0.8))
  tau <- sample(c(0, 0.3, 1, 2.5), 1)
  yi <- rnorm(G, 1, 0.5)[group] + rnorm(k, 0, sqrt(vi + tau^2))
  sets[[length(sets) + 1]] <- compared(paste("random", i), yi, vi, group)
}
cat(length(sets), "sets\n")

output <- list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor"))),
  call = unbox("rma(yi, vi, mods = ~ factor(group) - 1, method, test)"),
  script = unbox("subgroups.R"),
  seed = unbox(SEED),
  sets = sets
)
write(toJSON(output, digits = NA, na = "null", pretty = FALSE), file.path(folder, "subgroups.json"))
