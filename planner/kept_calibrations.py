"""Calibrations that were calculated before: npz data with their key inside, without pickles.

Those of the catalogue ship with the package as files; others go to the store of finished work.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.finished_work import Kept, user_store

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


def pack(calibration: Calibration, key: str) -> bytes:
    """A calibration under its key, as the content of an npz file."""
    fields = {name: value for name, value in vars(calibration).items() if name != "draws"}
    arrays = {name: fields.pop(name) for name in _ARRAYS}
    content = BytesIO()
    text = json.dumps({"key": key, **fields})
    np.savez_compressed(content, meta=np.array(text), **arrays)
    return content.getvalue()


def unpack(content: bytes, key: str) -> dict[str, Any] | None:
    """The fields of a calibration that was packed under this key; None for anything else."""
    try:
        with np.load(BytesIO(content), allow_pickle=False) as stored:
            fields = json.loads(str(stored["meta"]))
            if fields.pop("key") != key:
                return None
            arrays = {name: stored[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError):
        return None
    except Exception as error:  # zipfile.BadZipFile, zlib.error: damage is as good as nothing
        if type(error).__module__ in ("zipfile", "zlib"):
            return None
        raise
    fields["prior"] = tuple(fields["prior"])
    fields["check"] = tuple(fields["check"])
    return {**fields, **arrays}


def keep(calibration: Calibration, key: str, seconds: float) -> None:
    """Keep a calibration in the user's store; where that fails the next run takes as long."""
    user_store().keep([Kept(
        kind="calibration", key=key, name=calibration.analysis, data=pack(calibration, key),
        seconds=seconds,
    )])  # fmt: skip


def kept(analysis: Analysis, cluster: str, key: str) -> dict[str, Any] | None:
    """The fields of a calibration that ships with the package or is in the user's store."""
    try:
        shipped = (shipped_folder() / shipped_name(analysis.name, cluster)).read_bytes()
    except OSError:
        shipped = b""
    found = unpack(shipped, key)
    if found is None:
        stored = user_store().furthest("calibration", key)
        found = None if stored is None else unpack(stored.data, key)
    return found


def shipped_name(analysis: str, cluster: str) -> str:
    """File name of a calibration that ships with the package."""
    return f"{analysis.replace('/', '_')}--{cluster}.npz"


def shipped_folder() -> Path:
    """Folder of the calibrations that ship with the package."""
    return Path(str(resources.files("planner.catalogue"))) / "calibrations"
