# R's versions of the planner's work; called by benchmarks/peers.py.
#   Rscript benchmarks/peers.R time           processor seconds per replicate, one line for each work
#   Rscript benchmarks/peers.R check FOLDER   its numbers for FOLDER/sets.csv and FOLDER/trial.csv
# Needs metafor and lme4 (made with R 4.2.2, metafor 3.8-1, lme4 1.1-31).
suppressMessages({ library(metafor); library(lme4) })
set.seed(1)
mu <- 1.4; tau <- 0.9
K <- 9; N <- 8       # a review
K_BATTERY <- 19      # a review of groups of 4 to 12
N_T <- 10            # an experiment
N_MIXED <- 8; M <- 5 # a trial: animals per group, measurements of each

draw <- function(reps, k, n) {
  # Hedges g of k studies of n animals per group, as matrices of reps rows; n may be a matrix.
  df <- 2 * n - 2
  factor <- exp(lgamma(df / 2) - 0.5 * log(df / 2) - lgamma((df - 1) / 2))
  d <- matrix(rnorm(reps * k, mu, sqrt(tau^2 + 2 / n)), reps)
  g <- factor * d / sqrt(matrix(rchisq(reps * k, df), reps) / df)
  list(y = g, v = 2 / n + g^2 / (4 * n))
}

rma_loop <- function(method) function(reps) {
  x <- draw(reps, K, N)
  for (i in seq_len(reps)) rma(x$y[i, ], x$v[i, ], method = method, test = "knha")
}

# Everything that is done with one review of 19.
battery <- function(y, v) {
  fits <- lapply(c("DL", "PM", "REML"), function(m) rma(y, v, method = m, test = "knha"))
  egger <- regtest(y, v, model = "lm")
  pet <- coef(summary(lm(y ~ sqrt(v), weights = 1 / v)))[1, ]
  peese <- coef(summary(lm(y ~ v, weights = 1 / v)))[1, ]
  switch <- pet[["t value"]] > qt(0.95, length(y) - 2)
  filled <- trimfill(rma(y, v, method = "DL"), side = "left")
  model <- tryCatch(
    selmodel(rma(y, v, method = "ML"), type = "stepfun", steps = 0.025, alternative = "greater"),
    error = function(e) NULL)
  c(unlist(lapply(fits, function(f) c(f$tau2, f$beta, f$ci.lb))), egger$zval,
    (if (switch) peese else pet)[["Estimate"]], filled$beta,
    if (is.null(model)) NA else model$beta)
}
NAMES <- c(paste(rep(c("DL", "PM", "REML"), each = 3), c("tau2", "mu", "ci_lb")), "egger",
  "pet-peese", "trimfill", "sel3")

battery_loop <- function(reps) {
  x <- draw(reps, K_BATTERY, matrix(sample(4:12, reps * K_BATTERY, TRUE), reps))
  for (i in seq_len(reps)) suppressWarnings(battery(x$y[i, ], x$v[i, ]))
}

dl_matrix <- function(reps) {
  x <- draw(reps, K, N)
  w <- 1 / x$v
  sw <- rowSums(w)
  q <- rowSums(w * (x$y - rowSums(w * x$y) / sw)^2)
  tau2 <- pmax(0, (q - (K - 1)) / (sw - rowSums(w^2) / sw))
  w <- 1 / (x$v + tau2)
  m <- rowSums(w * x$y) / rowSums(w)
  hk <- sqrt(rowSums(w * (x$y - m)^2) / (K - 1) / rowSums(w))
  mean(abs(m) > qt(0.975, K - 1) * hk)
}

t_matrix <- function(reps) {
  a <- matrix(rnorm(reps * N_T, mu), reps); b <- matrix(rnorm(reps * N_T), reps)
  ma <- rowMeans(a); mb <- rowMeans(b)
  s2 <- (rowSums((a - ma)^2) + rowSums((b - mb)^2)) / (2 * N_T - 2)
  mean(abs(ma - mb) > qt(0.975, 2 * N_T - 2) * sqrt(s2 * 2 / N_T))
}

t_loop <- function(reps) {
  for (i in seq_len(reps)) t.test(rnorm(N_T, mu), rnorm(N_T), var.equal = TRUE)$p.value
}

lmer_loop <- function(reps) {
  x <- data.frame(animal = factor(rep(seq_len(2 * N_MIXED), each = M)),
    group = rep(0:1, each = N_MIXED * M))
  for (i in seq_len(reps)) {
    x$y <- mu * x$group + rnorm(2 * N_MIXED)[x$animal] + rnorm(nrow(x))
    coef(summary(lmer(y ~ group + (1 | animal), x)))
  }
}

time_per <- function(reps, work) {
  # Of this process: other programs on the machine do not count.
  now <- function() sum(proc.time()[c("user.self", "sys.self")])
  start <- now()
  work(reps)
  (now() - start) / reps
}

arguments <- commandArgs(TRUE)
if (arguments[1] == "check") {
  x <- read.csv(file.path(arguments[2], "sets.csv"))
  for (i in unique(x$set)) {
    own <- x[x$set == i, ]
    cat(sprintf("%d\t%s\t%.15g\n", i, NAMES, suppressWarnings(battery(own$y, own$v))), sep = "")
  }
  trial <- read.csv(file.path(arguments[2], "trial.csv"))
  fit <- lmer(y ~ group + (1 | animal), trial,
    control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12)))
  cat(sprintf("0\tlmer\t%.15g\n", coef(summary(fit))["group", "t value"]))
} else {
  cat(sprintf("%s\t%.6g\n",
    c("REML metafor", "DL metafor", "DL R matrices", "t R matrices", "t R t.test", "mixed lmer",
      "battery metafor"),
    c(time_per(150, rma_loop("REML")), time_per(150, rma_loop("DL")), time_per(30000, dl_matrix),
      time_per(50000, t_matrix), time_per(2000, t_loop), time_per(40, lmer_loop),
      time_per(8, battery_loop))), sep = "")
}
