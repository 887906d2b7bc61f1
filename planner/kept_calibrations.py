"""Calibrations kept on disk: npz files with their key inside, without pickles.

Those of the catalogue ship with the package; others go to the user's cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.files import write_atomically

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.published import Analysis

# Sources that a calibration depends on; a change in any of them makes it out of date.
_SOURCES = (
    "streams", "tables", "chi", "effects", "syntheses", "lanes/__init__", "lanes/syntheses",
    "conditioning",
)  # fmt: skip


def calibration_key(
    analysis: Analysis, cluster: str, share: float, seed: int, numbers: tuple[int, ...]
) -> str:
    """Digest of everything that a calibration depends on."""
    parts = [analysis.name, analysis.digest, cluster, repr(float(share)), str(seed)]
    parts += [str(number) for number in numbers]
    sims = resources.files("sims")
    sources = (*_SOURCES, "posterior") if analysis.data is not None else _SOURCES
    parts += [sims.joinpath(f"{name}.py").read_text(encoding="utf-8") for name in sources]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]


_ARRAYS = ("draws_mu", "draws_tau", "replicates", "check_sample")


def save(calibration: Calibration, key: str, path: Path) -> None:
    """Keep a calibration; a folder that cannot be written only costs the next run its time."""
    fields = {name: value for name, value in vars(calibration).items() if name != "draws"}
    arrays = {name: fields.pop(name) for name in _ARRAYS}
    text = json.dumps({"key": key, **fields})
    try:
        with write_atomically(path) as file:
            np.savez_compressed(file, meta=np.array(text), **arrays)
    except OSError:
        return


def load(path: Path, key: str) -> dict[str, Any] | None:
    """The fields of a calibration kept under this key; None where there is none."""
    try:
        # Opened here: np.load leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            fields = json.loads(str(stored["meta"]))
            if fields.pop("key") != key:
                return None
            arrays = {name: stored[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError):
        return None
    except Exception as error:  # zipfile.BadZipFile, zlib.error: a damaged file is as good as none
        if type(error).__module__ in ("zipfile", "zlib"):
            return None
        raise
    fields["prior"] = tuple(fields["prior"])
    fields["check"] = tuple(fields["check"])
    return {**fields, **arrays}


def shipped_name(analysis: str, cluster: str) -> str:
    """File name of a calibration that ships with the package."""
    return f"{analysis.replace('/', '_')}--{cluster}.npz"


def shipped_folder() -> Path:
    """Folder of the calibrations that ship with the package."""
    return Path(str(resources.files("planner.catalogue"))) / "calibrations"


def cache_file(key: str) -> Path:
    """Place of a calibration in the user's cache folder."""
    from platformdirs import user_cache_path

    root = os.environ.get("PLANNER_CACHE_DIR") or user_cache_path("planner", appauthor=False)
    return Path(root) / "calibrations" / f"{key}.npz"


def kept_files(analysis: Analysis, cluster: str, key: str) -> list[Path]:
    """Where a calibration may be kept: with the package, then in the user's cache folder."""
    return [shipped_folder() / shipped_name(analysis.name, cluster), cache_file(key)]
