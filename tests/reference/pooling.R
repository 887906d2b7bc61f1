# DerSimonian-Laird by metafor: packaged data sets of several effect sizes, and random small ones.
#
#   Rscript tests/reference/pooling.R

suppressMessages({
  library(metafor)
  library(jsonlite)
})

SEED <- 19861
arguments <- commandArgs(FALSE)
folder <- dirname(sub("--file=", "", grep("--file=", arguments, value = TRUE)))

pooled <- function(source, yi, vi) {
  # Twelve digits are what is stored, so they are also what is pooled.
  yi <- signif(as.numeric(yi), 12)
  vi <- signif(as.numeric(vi), 12)
  fit <- rma(yi, vi, method = "DL")
  k <- length(yi)
  list(
    source = unbox(source), yi = yi, vi = vi, b = unbox(as.numeric(fit$b)), se = unbox(fit$se),
    tau2 = unbox(fit$tau2), QE = unbox(fit$QE),
    I2 = unbox(100 * max(0, (fit$QE - (k - 1)) / fit$QE))
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
            escalc("RR", ai = ai, n1i = n1i, ci = ci, n2i = n2i, data = dat.li2007))
)

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(SEED)
for (i in 1:50) {
  k <- sample(2:20, 1)
  vi <- exp(rnorm(k, -1.5, 0.8))
  tau <- sample(c(0, 0.2, 0.5, 1, 2.5), 1)
  sets[[length(sets) + 1]] <- pooled(paste("random", i), rnorm(k, runif(1, -1, 5), sqrt(vi + tau^2)), vi)
}
zero <- sum(sapply(sets, function(set) set$tau2 == 0))
cat(length(sets), "sets,", zero, "with tau2 = 0\n")
stopifnot(zero >= 5, length(sets) - zero >= 30)

output <- list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor"))),
  call = unbox("rma(yi, vi, method = \"DL\")"),
  script = unbox("pooling.R"),
  seed = unbox(SEED),
  sets = sets
)
write(toJSON(output, digits = NA, pretty = FALSE), file.path(folder, "pooling.json"))
