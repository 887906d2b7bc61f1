# Simulates the four matched truths again from raw data: a normal number for every animal.
#
# Shares nothing with the engine: R's random numbers, means and SDs of the animals themselves,
# and metafor's DerSimonian-Laird for a part of the syntheses.
#
#   Rscript tests/reference/matched_truths.R
#
# reads matched_truths_input.json, which the calibrations gave:
#
#   python3 - <<'PY' > tests/reference/matched_truths_input.json
#   import json, planner
#   out = {}
#   for name in ("single-early", "single-late", "chronic-during", "chronic-after"):
#       a = planner.analysis(name)
#       c = planner.calibrate(a)
#       out[name] = {"k": a.k, "mu": c.mu, "tau": c.tau,
#                    "n": a.sizes.n.tolist(), "p": a.sizes.p.tolist()}
#   print(json.dumps(out, indent=1))
#   PY

suppressMessages({
  library(metafor)
  library(jsonlite)
})

SEED <- 20211
N_SIM <- 100000
N_METAFOR <- 2000

arguments <- commandArgs(FALSE)
folder <- dirname(sub("--file=", "", grep("--file=", arguments, value = TRUE)))

# Hedges g and its variance of single studies, as Comprehensive Meta-Analysis computes them.
raw_studies <- function(theta, size) {
  g <- v <- numeric(length(theta))
  for (n in unique(size)) {
    at <- which(size == n)
    treated <- matrix(rnorm(length(at) * n, theta[at], 1), ncol = n)
    control <- matrix(rnorm(length(at) * n), ncol = n)
    m1 <- rowMeans(treated)
    m2 <- rowMeans(control)
    df <- 2 * n - 2
    pooled <- sqrt((rowSums((treated - m1)^2) + rowSums((control - m2)^2)) / df)
    d <- (m1 - m2) / pooled
    J <- 1 - 3 / (4 * df - 1)
    g[at] <- J * d
    v[at] <- J^2 * (1 / n + 1 / n + d^2 / (2 * (n + n)))
  }
  list(g = g, v = v)
}

# DerSimonian-Laird over rows.
pool_rows <- function(y, v) {
  k <- ncol(y)
  w <- 1 / v
  sum_w <- rowSums(w)
  q <- rowSums(w * (y - rowSums(w * y) / sum_w)^2)
  tau2 <- pmax(0, (q - (k - 1)) / (sum_w - rowSums(w^2) / sum_w))
  w <- 1 / (v + tau2)
  cbind(g = rowSums(w * y) / rowSums(w), se = 1 / sqrt(rowSums(w)), tau2 = tau2, QE = q,
        I2 = 100 * pmax(0, (q - (k - 1)) / q))
}

# Standard error of a median: a quarter of the distance between the order statistics that lie
# two binomial standard errors away on either side.
median_error <- function(x) {
  x <- sort(x)
  half <- length(x) / 2
  (x[ceiling(half + sqrt(length(x)))] - x[floor(half - sqrt(length(x)))]) / 4
}

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(SEED)
truths <- fromJSON(file.path(folder, "matched_truths_input.json"))
results <- list()
for (name in names(truths)) {
  truth <- truths[[name]]
  k <- truth$k
  size <- sample(truth$n, N_SIM * k, replace = TRUE, prob = truth$p)
  theta <- rnorm(N_SIM * k, truth$mu, truth$tau)
  studies <- raw_studies(theta, size)
  y <- matrix(studies$g, ncol = k)
  v <- matrix(studies$v, ncol = k)
  pooled <- pool_rows(y, v)
  largest <- 0
  for (i in seq_len(N_METAFOR)) {
    fit <- rma(y[i, ], v[i, ], method = "DL")
    q <- fit$QE
    reference <- c(fit$b, fit$se, fit$tau2, q, 100 * max(0, (q - (k - 1)) / q))
    largest <- max(largest, abs(reference - pooled[i, ]) / (1 + abs(reference)))
  }
  stopifnot(largest < 1e-10)
  statistics <- c("g", "se", "I2")
  results[[name]] <- c(
    lapply(truth[c("k", "mu", "tau")], unbox),
    truth[c("n", "p")],
    list(
      median = lapply(as.list(apply(pooled[, statistics], 2, median)), unbox),
      mcse = lapply(as.list(apply(pooled[, statistics], 2, median_error)), unbox),
      largest_difference_from_metafor = unbox(largest)
    )
  )
  cat(sprintf("%-15s g %.4f (%.4f)  se %.4f (%.4f)  I2 %.3f (%.3f)  metafor %.1e\n", name,
              results[[name]]$median$g, results[[name]]$mcse$g,
              results[[name]]$median$se, results[[name]]$mcse$se,
              results[[name]]$median$I2, results[[name]]$mcse$I2, largest))
}

output <- list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor"))),
  call = unbox("rma(yi, vi, method = \"DL\")"),
  script = unbox("matched_truths.R"),
  seed = unbox(SEED),
  n_sim = unbox(N_SIM),
  n_metafor = unbox(N_METAFOR),
  truths = results
)
write(toJSON(output, digits = NA, pretty = TRUE), file.path(folder, "matched_truths.json"))
