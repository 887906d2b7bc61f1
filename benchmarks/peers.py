"""The same work by other software, side by side in one run: writes the README's table.

    .venv/bin/python -m benchmarks.peers            # prints it
    .venv/bin/python -m benchmarks.peers --write    # and puts it into README.md

Whatever is installed takes part: `pip install ".[peers]"` for statsmodels, PyMARE and mcpower;
Rscript with metafor and lme4. Every opponent draws its data and analyses them, on one thread, and
must first give the planner's numbers. Medians of alternating rounds, in microseconds of processor
time per replicate: other programs on the machine disturb them less than time by the clock.
"""

from __future__ import annotations

import csv
import math
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.peers_python import (
    K_BATTERY,
    MU,
    N_MIXED,
    SIZES,
    TAU,
    M,
    dl_tau2,
    exact_power,
    mcpower_model,
    opponents,
    reml_tau2,
    studies,
)
from sims.pooling import pool_studies

ROUNDS = 7
START, END = "<!-- speed: made by benchmarks/peers.py -->", "<!-- end of speed -->"
README = Path(__file__).parents[1] / "README.md"
WORK = {
    "REML": "review of 9, REML and Hartung-Knapp",
    "DL": "review of 9, DerSimonian-Laird and Hartung-Knapp",
    "battery": "review of 19: DL, PM, REML; Egger, PET-PEESE, trim and fill, selection model",
    "t": "experiment of 10 per group, Student's t",
    "mixed": "8 per group measured 5 times, random-intercept model",
}
R_NAMES = {
    "REML metafor": ("REML", "R, metafor `rma` in a loop"),
    "DL metafor": ("DL", "R, metafor `rma` in a loop"),
    "DL R matrices": ("DL", "R, vectorised by hand"),
    "t R matrices": ("t", "R, vectorised, raw data"),
    "t R t.test": ("t", "R, `t.test` in a loop, raw data"),
    "mixed lmer": ("mixed", "R, lme4 `lmer` in a loop, raw data"),
    "battery metafor": ("battery", "R, metafor in a loop"),
}
Times = dict[tuple[str, str], float]


# The same numbers --------------------------------------------------------------------------


def check_python() -> None:
    """Opponents in Python: estimates equal the planner's, chances the exact ones."""
    yi, vi = studies(np.random.default_rng(3), 200)
    for code, tau2 in ((1, dl_tau2(yi, vi)), (3, reml_tau2(yi, vi))):
        own = np.array([pool_studies(y, v, code).tau2 for y, v in zip(yi, vi, strict=True)])
        # REML may have two maxima; scoring from DerSimonian-Laird then finds the nearer one.
        assert np.mean(np.abs(own - tau2) < 1e-4 * (1.0 + own)) > 0.98
    if find_spec("mcpower") is None:
        print("mcpower takes no part: pip install mcpower", file=sys.stderr)
        return
    for mixed in (False, True):
        reps, exact = 40_000, exact_power(mixed)
        off = mcpower_model(mixed)(reps) - exact
        assert abs(off) < 4.0 * math.sqrt(exact * (1.0 - exact) / reps), (mixed, off)


def _sets(n_sets: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reviews for the battery: yi, vi, ni."""
    rng = np.random.default_rng(4)
    n = rng.choice(SIZES, (n_sets, K_BATTERY))
    d = rng.normal(MU, np.sqrt(TAU**2 + 2.0 / n))
    g = d / np.sqrt(rng.chisquare(2 * n - 2) / (2 * n - 2))
    return g, 2.0 / n + g**2 / (4.0 * n), 2.0 * n


def own_numbers(yi: np.ndarray, vi: np.ndarray, ni: np.ndarray) -> dict[str, float]:
    """The battery of one review by the planner."""
    from sims.exact import t_quantile
    from sims.names import ESTIMATORS
    from sims.smallstudy_inference import corrections, detections

    found, t = {}, float(t_quantile(0.025, len(yi) - 1.0))
    for name in ("DL", "PM", "REML"):
        x = pool_studies(yi, vi, ESTIMATORS[name])
        found[f"{name} tau2"], found[f"{name} mu"] = x.tau2, x.mu
        found[f"{name} ci_lb"] = x.mu - t * x.se * math.sqrt(x.hk)
    found["egger"] = detections(yi, vi, ni)["egger-se"].stat
    corrected = {row.correction: row.estimate for row in corrections(yi, vi, "DL", "left")}
    return found | {name: corrected[name] for name in ("pet-peese", "trimfill", "sel3")}


def check_r() -> bool:
    """R's numbers for the same reviews and the same trial; False without R."""
    if shutil.which("Rscript") is None:
        print("R takes no part: no Rscript", file=sys.stderr)
        return False
    rng = np.random.default_rng(5)
    animals = rng.normal(0.0, 1.0, 2 * N_MIXED)
    animals[N_MIXED:] += MU
    trial = animals[:, None] + rng.normal(0.0, 1.0, (2 * N_MIXED, M))
    yi, vi, ni = _sets(10)
    with tempfile.TemporaryDirectory() as folder:
        rows = [(i, y, v) for i in range(len(yi)) for y, v in zip(yi[i], vi[i], strict=True)]
        _write(Path(folder) / "sets.csv", ("set", "y", "v"), rows)
        rows = [(a, int(a >= N_MIXED), y) for a in range(len(trial)) for y in trial[a]]
        _write(Path(folder) / "trial.csv", ("animal", "group", "y"), rows)
        lines = _r("check", folder)
    if not lines:
        return False
    off: dict[str, list[float]] = {}
    own = [own_numbers(*one) for one in zip(yi, vi, ni, strict=True)]
    for i, name, value in lines:
        if name == "lmer":
            means = trial.mean(axis=1)
            a, b = means[N_MIXED:], means[:N_MIXED]
            se = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / N_MIXED)
            off[name] = [float(value) - float(a.mean() - b.mean()) / se]
        elif value != "NA":
            off.setdefault(name, []).append(float(value) - own[int(i)][name])
    for name, differences in off.items():
        # metafor stops its iterations at 1e-5, and its selection model's search earlier: it may
        # be wrong there, see tests/reference/smallstudy.R. lmer stops before the last digits.
        bound, share = (5e-3, 0.7) if name == "sel3" else (1e-4, 1.0)
        close = np.mean(np.abs(differences) < bound)
        assert close >= share, (name, differences)
        counts = f"{np.sum(np.abs(differences) < bound)} of {len(yi) if name != 'lmer' else 1}"
        print(f"R's {name} is the planner's to {bound:g} in {counts}")
    return True


def _write(path: Path, names: tuple[str, ...], rows: Iterable[tuple[float, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def _r(*arguments: str) -> list[list[str]]:
    """Lines of the R script; none, with a word, where it fails."""
    script = str(Path(__file__).with_suffix(".R"))
    run = subprocess.run(
        ["Rscript", script, *arguments], capture_output=True, text=True, check=False
    )  # fmt: skip
    if run.returncode:
        print(f"R takes no part: {run.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return []
    return [line.split("\t") for line in run.stdout.splitlines()]


# Time --------------------------------------------------------------------------------------


def measured(with_r: bool) -> Times:
    """Median microseconds per replicate by work and name."""
    rounds: dict[tuple[str, str], list[float]] = {}
    every = opponents()
    for _, _, reps, run in every:
        run(min(reps, 1000))  # compiled and imported before anything is timed
    for _ in range(ROUNDS):
        for work, name, reps, run in every:
            start = time.process_time()
            run(reps)
            rounds.setdefault((work, name), []).append((time.process_time() - start) / reps)
        for name, seconds in _r("time") if with_r else ():
            rounds.setdefault(R_NAMES[name], []).append(float(seconds))
    return {key: 1e6 * median(times) for key, times in rounds.items()}


def table(times: Times) -> str:
    """A table in Markdown, the quickest opponent of each kind of work first."""
    lines = ["| work | by | us per replicate | times the planner's |", "|---|---|---:|---:|"]
    for work, words in WORK.items():
        own = times[work, "planner"]
        rows = sorted((t, name) for (kind, name), t in times.items() if kind == work)
        for t, name in rows:
            ratio = "1" if name == "planner" else f"{t / own:,.{0 if t > 9.5 * own else 1}f}"
            lines.append(f"| {words} | {name} | {_short(t)} | {ratio} |")
    return "\n".join(lines)


def _short(microseconds: float) -> str:
    return f"{microseconds:,.0f}" if microseconds >= 1000 else f"{microseconds:,.3g}"


def main() -> None:
    warnings.simplefilter("ignore")
    check_python()
    text = table(measured(check_r()))
    print(text)
    if "--write" in sys.argv[1:]:
        before, _, rest = README.read_text(encoding="utf-8").partition(START)
        _, found, after = rest.partition(END)
        if not found:
            sys.exit(f"README.md has no place for the table: {START} ... {END}")
        README.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
