# Cluster-robust standard errors of the pooled effect by clubSandwich: CR2 with Satterthwaite's
# degrees of freedom, working model diag(vi + tau2), inverse-variance weights.
#
#   Rscript tests/reference/robust.R

suppressMessages({
  library(metafor)
  library(clubSandwich)
  library(jsonlite)
})

SEED <- 20161
arguments <- commandArgs(FALSE)
folder <- dirname(sub("--file=", "", grep("--file=", arguments, value = TRUE)))

robust <- function(source, yi, vi, cluster, method = "REML") {
  yi <- signif(as.numeric(yi), 12)
  vi <- signif(as.numeric(vi), 12)
  cluster <- match(cluster, unique(cluster)) - 1
  fit <- rma(yi, vi, method = method, control = list(threshold = 1e-12, maxiter = 10000))
  # Fifteen digits of tau2 are stored, so they are also what is used.
  fit <- rma(yi, vi, tau2 = signif(fit$tau2, 15))
  test <- coef_test(fit, vcov = "CR2", cluster = cluster, test = "Satterthwaite")
  interval <- conf_int(fit, vcov = "CR2", cluster = cluster, test = "Satterthwaite")
  p <- if (is.null(test$p_Satt)) test$p else test$p_Satt
  df <- if (is.null(test$df_Satt)) test$df else test$df_Satt
  list(
    source = unbox(source), yi = yi, vi = vi, cluster = cluster, tau2 = unbox(fit$tau2),
    estimate = unbox(as.numeric(fit$b)), se = unbox(test$SE), stat = unbox(test$tstat),
    df = unbox(df), pval = unbox(p), ci_lb = unbox(interval$CI_L), ci_ub = unbox(interval$CI_U)
  )
}

bornmann <- escalc("OR", ai = waward, n1i = wtotal, ci = maward, n2i = mtotal,
                   data = dat.bornmann2007)
sets <- list(
  robust("dat.konstantopoulos2011", dat.konstantopoulos2011$yi, dat.konstantopoulos2011$vi,
         dat.konstantopoulos2011$district),
  robust("dat.assink2016", dat.assink2016$yi, dat.assink2016$vi, dat.assink2016$study),
  robust("dat.bornmann2007", bornmann$yi, bornmann$vi, bornmann$study),
  robust("dat.konstantopoulos2011, FE", dat.konstantopoulos2011$yi, dat.konstantopoulos2011$vi,
         dat.konstantopoulos2011$district, "FE")
)

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(SEED)
for (i in 1:60) {
  n_clusters <- sample(2:20, 1)
  cluster <- rep(seq_len(n_clusters), sample(1:6, n_clusters, replace = TRUE))
  if (i %% 3 == 0) cluster <- sample(cluster) # clusters need not be side by side
  if (i %% 5 == 0) cluster <- seq_len(n_clusters)
  k <- length(cluster)
  vi <- exp(rnorm(k, -1.5, if (i %% 4 == 0) 2 else 0.8))
  tau <- sample(c(0, 0.5, 1, 2.5), 1)
  yi <- rnorm(1, 1) + rnorm(n_clusters, 0, tau)[cluster] + rnorm(k, 0, sqrt(vi))
  sets[[length(sets) + 1]] <- robust(paste("random", i), yi, vi, cluster)
}
cat(length(sets), "sets\n")

output <- list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor"))),
  clubSandwich = unbox(as.character(packageVersion("clubSandwich"))),
  call = unbox("coef_test(rma(yi, vi, tau2), vcov = \"CR2\", cluster, test = \"Satterthwaite\")"),
  script = unbox("robust.R"),
  seed = unbox(SEED),
  sets = sets
)
write(toJSON(output, digits = NA, pretty = FALSE), file.path(folder, "robust.json"))
