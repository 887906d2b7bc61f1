# What metafor and clubSandwich say about study-level data, pinned in pool.json by
#   Rscript tests/reference/pool.R > tests/reference/pool.json
# run from the project's folder. Data: metadat's dat.normand1999 (days in hospital after stroke;
# fewer are better), written into pool.json, and tests/data/marbles.csv.
suppressMessages({library(metafor); library(clubSandwich); library(jsonlite)})

tests <- c(wald = "z", hk = "knha", "hk-wald" = "adhoc")
control <- list(threshold = 1e-12, tol = 1e-12, maxiter = 1000)

row <- function(dat, method, interval) {
  fit <- rma(yi, vi, data = dat, method = method, test = tests[[interval]], control = control)
  pi <- predict(fit)
  tau2 <- if (method == "FE") c(NA, NA) else
    confint(fit, control = list(tol = 1e-12))$random["tau^2", c("ci.lb", "ci.ub")]
  list(estimator = method, interval = interval, estimate = c(fit$beta), se = fit$se,
       ci_lb = fit$ci.lb, ci_ub = fit$ci.ub, stat = fit$zval, pval = fit$pval, tau2 = fit$tau2,
       I2 = fit$I2, H2 = fit$H2, QE = fit$QE, QEp = fit$QEp,
       pi_lb = if (method == "FE") NA else pi$pi.lb, pi_ub = if (method == "FE") NA else pi$pi.ub,
       tau2_lb = tau2[[1]], tau2_ub = tau2[[2]])
}

robust <- function(dat, method, cluster) {
  fit <- rma(yi, vi, data = dat, method = method, control = control)
  test <- coef_test(fit, vcov = "CR2", cluster = cluster, test = "Satterthwaite")
  half <- qt(0.975, test$df_Satt) * test$SE
  list(estimator = method, interval = "cr2", estimate = c(fit$beta), se = test$SE,
       df = test$df_Satt, pval = test$p_Satt, ci_lb = c(fit$beta) - half,
       ci_ub = c(fit$beta) + half)
}

pooled <- function(dat) {
  cells <- expand.grid(i = names(tests), m = c("DL", "FE", "PM", "REML"), stringsAsFactors = FALSE)
  Map(function(m, i) row(dat, m, i), cells$m, cells$i)
}

smd <- function(dat) escalc("SMD", n1i = n1, m1i = mean1, sd1i = sd1, n2i = n2, m2i = mean2,
                            sd2i = sd2, vtype = "LS", data = dat)
turned <- function(dat) transform(dat, yi = -yi)

stroke <- with(dat.normand1999, data.frame(study = source, n1 = n1i, mean1 = m1i, sd1 = sd1i,
                                           n2 = n2i, mean2 = m2i, sd2 = sd2i))
stroke_es <- turned(smd(stroke))
marbles <- read.csv("tests/data/marbles.csv")
marbles_es <- turned(smd(marbles))
out <- list(
  script = "tests/reference/pool.R", R = as.character(getRversion()),
  metafor = as.character(packageVersion("metafor")),
  clubSandwich = as.character(packageVersion("clubSandwich")),
  call = paste("escalc('SMD', vtype = 'LS'), signs turned; rma(yi, vi, method, test), predict,",
               "confint; coef_test(vcov = 'CR2', cluster)"),
  stroke = list(data = stroke, yi = c(stroke_es$yi), vi = c(stroke_es$vi),
                estimates = unname(pooled(stroke_es))),
  marbles = list(yi = c(marbles_es$yi), vi = c(marbles_es$vi),
                 estimates = unname(c(pooled(marbles_es), lapply(c("DL", "FE", "PM", "REML"),
                   function(m) robust(marbles_es, m, marbles_es$cluster))))))
cat(toJSON(out, auto_unbox = TRUE, digits = I(17), pretty = TRUE, na = "null"), "\n", sep = "")
