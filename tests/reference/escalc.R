# What metafor's escalc says about Hedges g, pinned in escalc.json by
#   Rscript tests/reference/escalc.R > tests/reference/escalc.json
# Groups of n1 and n2 with SD 1 and means d and 0, so that Cohen's d is d itself.
suppressMessages(library(metafor))

smd <- function(d, n1, n2, vtype)
  escalc("SMD", m1i = d, m2i = 0, sd1i = 1, sd2i = 1, n1i = n1, n2i = n2, vtype = vtype)

row <- function(d, n1, n2) {
  ls <- smd(d, n1, n2, "LS")
  ub <- smd(d, n1, n2, "UB")
  # CMA is vtype "LS2", J^2 (1/n1 + 1/n2 + d^2 / (2 (n1 + n2))), with the approximate J.
  ratio <- (1 - 3 / (4 * (n1 + n2 - 2) - 1)) / smd(1, n1, n2, "LS")$yi
  cma <- ratio^2 * smd(d, n1, n2, "LS2")$vi
  sprintf(paste0('    {"n1": %d, "n2": %d, "d": %.1f, "g": %.16g, "LS": %.16g, "UB": %.16g,',
                 ' "g_CMA": %.16g, "CMA": %.16g}'),
          n1, n2, d, ls$yi, ls$vi, ub$vi, ratio * ls$yi, cma)
}

cells <- expand.grid(d = c(-0.7, 0, 1.4, 5.5), n1 = c(3, 4, 8, 25), n2 = c(3, 4, 9, 25))
rows <- mapply(row, cells$d, cells$n1, cells$n2)
cat('{\n  "script": "tests/reference/escalc.R",\n')
cat(sprintf('  "metafor": "%s",\n  "R": "%s",\n', packageVersion("metafor"), getRversion()))
cat('  "call": "escalc(\'SMD\', m1i=d, m2i=0, sd1i=1, sd2i=1, n1i=n1, n2i=n2, vtype=...)",\n')
cat('  "rows": [\n', paste(rows, collapse = ",\n"), '\n  ]\n}\n', sep = "")
