# Two groups on several days, an unstructured covariance, animals lost for good: REML by nlme's gls
# (corSymm, varIdent) and by numerical maximization of an independently written restricted
# likelihood, which also gives Satterthwaite's degrees of freedom from its Hessian. In some cases
# treated animals respond individually, so that the groups' covariances differ.
#
#   Rscript tests/reference/decay_monotone.R

suppressMessages({
  library(nlme)
  library(numDeriv)
  library(jsonlite)
})

SEED <- 24116
set.seed(SEED)
arguments <- commandArgs(FALSE)
folder <- dirname(sub("--file=", "", grep("--file=", arguments, value = TRUE)))

draw <- function(n1, n2, days, cv, lost) {
  m <- length(days)
  n <- n1 + n2
  R <- 0.6^(abs(outer(days, days, "-")) / 7)
  y <- matrix(rnorm(n * m), n) %*% chol(R)
  curve <- 4 * 2^(-days / 9)
  y[seq_len(n1), ] <- y[seq_len(n1), ] + outer(1 + cv * rnorm(n1), curve)
  for (i in seq_len(n)) for (j in seq_len(m)[-1]) if (!is.na(y[i, j]) && runif(1) < lost) {
    y[i, j:m] <- NA
  }
  signif(y, 12)
}

deviance_of <- function(y, n1) {
  m <- ncol(y)
  group <- rep(1:2, c(n1, nrow(y) - n1))
  covariance <- function(p) {
    L <- matrix(0, m, m)
    L[lower.tri(L, diag = TRUE)] <- p
    tcrossprod(L)
  }
  parts <- function(p) {
    S <- covariance(p)
    information <- replicate(2, matrix(0, m, m), simplify = FALSE)
    right <- replicate(2, numeric(m), simplify = FALSE)
    total <- 0
    for (i in seq_len(nrow(y))) {
      seen <- which(!is.na(y[i, ]))
      W <- solve(S[seen, seen])
      g <- group[i]
      information[[g]][seen, seen] <- information[[g]][seen, seen] + W
      right[[g]][seen] <- right[[g]][seen] + W %*% y[i, seen]
      total <- total - as.numeric(determinant(W)$modulus) + drop(y[i, seen] %*% W %*% y[i, seen])
    }
    means <- Map(solve, information, right)
    for (g in 1:2) {
      total <- total - sum(means[[g]] * right[[g]]) +
        as.numeric(determinant(information[[g]])$modulus)
    }
    list(deviance = total, means = means, V = solve(information[[1]]) + solve(information[[2]]))
  }
  list(parts = parts, m = m)
}

case <- function(n1, n2, days, cv, lost, c) {
  y <- draw(n1, n2, days, cv, lost)
  n <- nrow(y)
  m <- length(days)
  d <- data.frame(
    y = as.vector(t(y)), id = factor(rep(seq_len(n), each = m)), visit = rep(seq_len(m), n),
    day = factor(rep(days, n)),
    group = factor(rep(c("treated", "control"), c(n1, n2) * m), levels = c("control", "treated"))
  )
  d <- d[!is.na(d$y), ]
  fit <- gls(y ~ 0 + group:day, d, correlation = corSymm(form = ~ visit | id),
             weights = varIdent(form = ~ 1 | visit),
             control = glsControl(tolerance = 1e-13, msTol = 1e-15, opt = "optim", maxIter = 1000,
                                  msMaxIter = 5000, returnObject = TRUE))
  b <- coef(fit)
  w <- numeric(length(b))
  w[grep("grouptreated", names(b))] <- c
  w[grep("groupcontrol", names(b))] <- -c

  own <- deviance_of(y, n1)
  f <- function(p) own$parts(p)$deviance
  complete <- y[rowSums(is.na(y)) == 0, ]
  start <- t(chol(cov(sweep(complete, 2, colMeans(complete))) + diag(0.1, m)))
  p <- start[lower.tri(start, diag = TRUE)]
  for (step in 1:6) {
    p <- optim(p, f, function(q) grad(f, q), method = "BFGS",
               control = list(reltol = 1e-16, maxit = 2000))$par
  }
  for (step in 1:3) p <- p - solve(hessian(f, p), grad(f, p)) # Newton, to the last digits
  best <- own$parts(p)
  v <- function(q) drop(t(c) %*% own$parts(q)$V %*% c)
  A <- 2 * solve(hessian(f, p))
  g <- grad(v, p)
  difference <- best$means[[1]] - best$means[[2]]
  list(
    days = days, n1 = unbox(n1), n2 = unbox(n2), cv = unbox(cv), c = c, y = y,
    gls = list(estimate = unbox(sum(w * b)), se = unbox(sqrt(drop(t(w) %*% vcov(fit) %*% w))),
               logLik = unbox(as.numeric(logLik(fit)))),
    direct = list(estimate = unbox(sum(c * difference)), se = unbox(sqrt(v(p))),
                  df = unbox(2 * v(p)^2 / drop(t(g) %*% A %*% g)), difference = difference,
                  covariance = best$V)
  )
}

cases <- list(
  case(8, 8, c(0, 7, 14, 24), 0, 0.1, c(1, 0, 0, -1)),
  case(9, 7, c(0, 5, 14), 0.5, 0.15, c(0, 0, 1)),
  case(12, 12, c(0, 7, 14, 24), 0.4, 0.1, c(1, 0, 0, -1)),
  case(7, 9, c(0, 3), 0, 0.3, c(1, -1)),
  case(8, 6, c(0, 7, 14, 24), 0.3, 0, c(0, 0, 0, 1))
)
json <- list(
  version = unbox(paste("R", getRversion(), "nlme", packageVersion("nlme"), "numDeriv",
                        packageVersion("numDeriv"))),
  call = unbox("gls(y ~ 0 + group:day, corSymm, varIdent), REML; optim on the restricted likelihood"),
  seed = unbox(SEED), cases = cases
)
writeLines(toJSON(json, digits = 15, na = "null", pretty = TRUE),
           file.path(folder, "decay_monotone.json"))
