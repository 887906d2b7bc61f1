"""Plan the next animal study from a published systematic review.

Importing this loads nothing heavy: every name is fetched when it is first used.
"""

from importlib import import_module
from typing import Any

from planner._version import __version__

_PLACES = {
    "InputError": "planner.errors",
    "analysis": "planner.published",
    "benchmark": "planner.speed",
    "bias": "planner.small_study",
    "read": "planner.published",
    "calibrate": "planner.truths",
    "decay": "planner.decay_plans",
    "labs": "planner.multi_lab",
    "meta": "planner.new_reviews",
    "plan": "planner.plans",
    "pool": "planner.pooling_data",
    "power": "planner.two_arm",
    "reproduce": "planner.reproduction",
    "update": "planner.updates",
}

__all__ = [
    "InputError", "__version__", "analysis", "benchmark", "bias", "calibrate", "decay", "labs",
    "meta", "plan", "pool", "power", "read", "reproduce", "update",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'planner' has no attribute {name!r}")
    if name != "InputError":
        from planner.errors import check_engine

        check_engine()
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
