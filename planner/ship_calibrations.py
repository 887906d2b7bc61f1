"""Calculate the calibrations that ship with the package: `python -m planner.ship_calibrations`.

Needed after a change of the engine or of the catalogue's numbers; a test says when.
"""

from __future__ import annotations

from planner.calibration import NUMBERS, SEED, calibrate
from planner.files import write_atomically
from planner.kept_calibrations import calibration_key, pack, shipped_folder, shipped_name
from planner.published import catalogue_review
from planner.selected_calibration import ship


def shipped() -> list[tuple[str, str]]:
    """Analysis and cluster level of every calibration that ships."""
    pairs = []
    for name, analysis in catalogue_review().analyses.items():
        pairs.append((name, "none"))
        for level, labels in analysis.clusters.items():
            if len(set(labels.tolist())) < analysis.k:  # else it is no clustering at all
                pairs.append((name, level))
    return pairs


def main() -> None:
    pairs = []
    for name, cluster in shipped():
        analysis = catalogue_review().analysis(name)
        result = calibrate(analysis, cluster=cluster)
        path = shipped_folder() / shipped_name(name, cluster)
        key = calibration_key(analysis, cluster, result.share, SEED, NUMBERS)
        with write_atomically(path) as file:
            file.write(pack(result, key))
        print(f"{path.name}: mu {result.mu:.3f}, tau {result.tau:.3f} ({result.status})")
        pairs.append((analysis, result))
    print(f"{ship(pairs)} truths under selection")


if __name__ == "__main__":
    main()
