"""Where mechanisms, tests and corrections of small-study effects come from: for help and JSON."""

from __future__ import annotations

from collections.abc import Iterable

from planner.mechanisms import Swept
from sims.smallstudy_names import (
    CORRECTION_REFERENCES,
    DETECTOR_REFERENCES,
    MECHANISM_REFERENCES,
)

MECHANISM_SOURCES = {name: text for name, text in MECHANISM_REFERENCES.items() if text}
TEST_SOURCES = {**DETECTOR_REFERENCES, **CORRECTION_REFERENCES}


def references(
    mechanisms: Iterable[Swept] = (),
    detectors: Iterable[str] = (),
    corrections: Iterable[str] = (),
) -> dict[str, str]:
    """Name to reference of everything that was used, as provenance holds it."""
    acting = [name for one in mechanisms for name in (one.name, *dict(one.fixed))]
    found = {name: MECHANISM_SOURCES[name] for name in acting if name in MECHANISM_SOURCES}
    return found | {name: TEST_SOURCES[name] for name in (*detectors, *corrections)}
