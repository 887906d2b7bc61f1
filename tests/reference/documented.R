# The documented examples of limitmeta (metasens) and puni_star (puniform), called as their manuals
# call them, and the same data in the forms that the planner takes.
#
#   Rscript tests/reference/documented.R LIBRARY
#
# LIBRARY is a folder with CRAN's meta 6.5-0, metasens 1.5-2 and puniform 0.2.7 (and CompQuadForm,
# ADGofTest), installed from their sources: R CMD INSTALL -l LIBRARY meta ...

folder <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
.libPaths(c(commandArgs(TRUE)[1], .libPaths()))
suppressMessages({
  library(meta)
  library(metasens)
  library(puniform)
  library(jsonlite)
})
version <- function(name) unbox(as.character(packageVersion(name)))
number <- function(x) unbox(as.numeric(x))

limit <- function(fit) list(
  estimate = number(fit$TE.adjust), se = number(fit$seTE.adjust), ci_lb = number(fit$lower.adjust),
  ci_ub = number(fit$upper.adjust), pval = number(fit$pval.adjust), tau2 = number(fit$tau^2),
  alpha = number(fit$alpha.r), unadjusted = number(fit$TE.random),
  unadjusted_se = number(fit$seTE.random), Q = number(fit$Q), Q_small = number(fit$Q.small),
  Q_resid = number(fit$Q.resid))

# help(limitmeta): data(Moore1998); print(limitmeta(m1), digits = 2). metabin's default tau2 is REML.
data(Moore1998)
meta_of <- function(...) metabin(succ.e, nobs.e, succ.c, nobs.c, data = Moore1998, sm = "OR",
  method = "Inverse", ...)
m1 <- meta_of()
printed <- paste(capture.output(print(limitmeta(m1), digits = 2)), collapse = "\n")

# help(puni_star): generated one-sample means.
set.seed(123)
ni <- rep(50, 25)
sdi <- rep(1, 25)
ui <- rnorm(25, mean = 0.2, sd = 0.1)
mi <- rnorm(25, mean = ui, sd = sdi / sqrt(ni))
documented <- puni_star(mi = mi, ni = ni, sdi = sdi, alpha = 0.05, side = "right", method = "ML")
effects <- puniform:::escompute(mi = mi, ni = ni, sdi = sdi, alpha = 0.025, side = "right",
  measure = "M")
again <- puni_star(yi = effects$yi, vi = effects$vi, alpha = 0.05, side = "right", method = "ML")
star <- function(fit) list(estimate = number(fit$est), ci_lb = number(fit$ci.lb),
  ci_ub = number(fit$ci.ub), L0 = number(fit$L.0), pval = number(fit$pval.0),
  tau2 = number(fit$tau2))

output <- list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")), meta = version("meta"),
  metafor = version("metafor"), metasens = version("metasens"), puniform = version("puniform"),
  script = unbox("documented.R"),
  limitmeta = list(yi = m1$TE, vi = m1$seTE^2, printed = unbox(printed), REML = limit(limitmeta(m1)),
    DL = limit(limitmeta(meta_of(method.tau = "DL"))),
    PM = limit(limitmeta(meta_of(method.tau = "PM")))),
  puni_star = list(yi = effects$yi, vi = effects$vi,
    critical = effects$zcv * sqrt(effects$vi), documented = star(documented),
    normal = star(again))
)
write(toJSON(output, digits = NA, pretty = TRUE), file.path(folder, "documented.json"))
