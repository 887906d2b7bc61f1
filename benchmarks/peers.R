# Seconds per replicate of R's versions of the planner's work; called by benchmarks/peers.py.
# Rscript benchmarks/peers.R; needs metafor (made with R 4.2.2, metafor 3.8-1).
suppressMessages(library(metafor))
set.seed(1)
k <- 9; n <- 8; mu <- 1.4; tau <- 0.9

draw <- function(reps) {
  # Hedges g of k studies of n animals per group, as matrices of reps rows.
  df <- 2 * n - 2
  factor <- exp(lgamma(df / 2) - 0.5 * log(df / 2) - lgamma((df - 1) / 2))
  d <- matrix(rnorm(reps * k, mu, sqrt(tau^2 + 2 / n)), reps)
  g <- factor * d / sqrt(matrix(rchisq(reps * k, df), reps) / df)
  list(y = g, v = 2 / n + g^2 / (4 * n))
}

time_per <- function(reps, work) {
  start <- proc.time()[["elapsed"]]
  work(reps)
  (proc.time()[["elapsed"]] - start) / reps
}

rma_loop <- function(method) function(reps) {
  x <- draw(reps)
  for (i in seq_len(reps)) rma(x$y[i, ], x$v[i, ], method = method, test = "knha")
}

dl_matrix <- function(reps) {
  x <- draw(reps)
  w <- 1 / x$v
  sw <- rowSums(w)
  q <- rowSums(w * (x$y - rowSums(w * x$y) / sw)^2)
  tau2 <- pmax(0, (q - (k - 1)) / (sw - rowSums(w^2) / sw))
  w <- 1 / (x$v + tau2)
  m <- rowSums(w * x$y) / rowSums(w)
  hk <- sqrt(rowSums(w * (x$y - m)^2) / (k - 1) / rowSums(w))
  mean(abs(m) > qt(0.975, k - 1) * hk)
}

t_matrix <- function(reps) {
  a <- matrix(rnorm(reps * n, 1.4), reps); b <- matrix(rnorm(reps * n), reps)
  ma <- rowMeans(a); mb <- rowMeans(b)
  s2 <- (rowSums((a - ma)^2) + rowSums((b - mb)^2)) / (2 * n - 2)
  mean(abs(ma - mb) > qt(0.975, 2 * n - 2) * sqrt(s2 * 2 / n))
}

t_loop <- function(reps) {
  for (i in seq_len(reps)) t.test(rnorm(n, 1.4), rnorm(n), var.equal = TRUE)$p.value
}

cat(sprintf("%s\t%.6g\n",
  c("REML metafor", "DL metafor", "DL R matrices", "t R matrices", "t R t.test"),
  c(time_per(150, rma_loop("REML")), time_per(150, rma_loop("DL")), time_per(30000, dl_matrix),
    time_per(50000, t_matrix), time_per(2000, t_loop))), sep = "")
