"""A kernel with its arguments, as a value: called, sent to another machine, named by a digest.

Every tally has the signature (seed, scenario, first, count, *arguments, out). Given as a value
instead of a closure, its sums can be kept under a name that holds all they depend on, and a
worker elsewhere takes the kernel from its own installation instead of compiling a copy.
"""

import hashlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from sims.kernels import engine_digest, sources_digest


class OtherEngine(RuntimeError):
    """A worker has other sources than the program that sent it work: numbers could differ."""


class KernelTally:
    """Adds the sums of replicates first..first+count-1 to an array: (first, count, out) -> None.

    Parameters
    ----------
    kernel : a compiled or plain function of a module of `sims`, importable by its name
    seed, scenario : words of its random streams, 0 to 2^64 - 1
    arguments : what it takes between `count` and `out`: arrays, numbers, NamedTuples of them
    """

    def __init__(
        self,
        kernel: Callable[..., None],
        seed: int | np.uint64,
        scenario: int | np.uint64,
        *arguments: Any,
    ) -> None:
        self.kernel, self.arguments = kernel, arguments
        self.seed, self.scenario = np.uint64(seed), np.uint64(scenario)

    def __call__(self, first: int, count: int, out: np.ndarray) -> None:
        self.kernel(self.seed, self.scenario, first, count, *self.arguments, out)

    @property
    def name(self) -> str:
        """Where the kernel lives, such as ``"sims.lanes.experiments.tally_student"``."""
        return f"{self.kernel.__module__}.{self.kernel.__name__}"

    def digest(self, *more: int) -> str:
        """Digest of all that the sums depend on: engine, kernel, streams, arguments, `more`."""
        return work_digest(self.name, self.seed, self.scenario, self.arguments, more)

    def __reduce__(self) -> tuple[Any, ...]:
        # By name: a pickled kernel would be compiled again by every worker.
        kernel = (self.kernel.__module__, self.kernel.__name__)
        return _elsewhere, (sources_digest(), kernel, self.seed, self.scenario, self.arguments)


def _elsewhere(
    sources: str, kernel: tuple[str, str], seed: int, scenario: int, arguments: tuple[Any, ...]
) -> KernelTally:
    if sources != sources_digest():
        raise OtherEngine("a worker has another version of this program's engine installed")
    module, name = kernel
    return KernelTally(getattr(import_module(module), name), seed, scenario, *arguments)


def work_digest(*depends_on: Any) -> str:
    """Digest of the engine and of what work depends on: arrays, numbers, text, tuples of them."""
    digest = hashlib.sha256()
    _feed(digest, (engine_digest(), *depends_on))
    return digest.hexdigest()[:32]


def _feed(digest: Any, value: Any) -> None:
    # Every part is preceded by what it is and how long it is: no two values feed the same bytes.
    if isinstance(value, np.ndarray):
        head, body = f"array {value.dtype.str} {value.shape}", value.tobytes()
    elif isinstance(value, tuple):
        names = getattr(value, "_fields", ())
        head, body = f"tuple {type(value).__name__} {names} {len(value)}", b""
    elif isinstance(value, str):
        body = value.encode()
        head = f"text {len(body)}"
    elif isinstance(value, (bool, int, float, np.generic)):
        plain = value.item() if isinstance(value, np.generic) else value
        head, body = f"{type(plain).__name__} {plain!r}", b""
    else:
        raise TypeError(f"an argument of type {type(value).__name__} has no digest")
    digest.update(head.encode() + b"\n")
    digest.update(body)
    if isinstance(value, tuple):
        for item in value:
            _feed(digest, item)


class Progressed(NamedTuple):
    """Sums of the first `done` replicates of a run, as far as they are added up.

    sums: (2, ...): of whole tasks, and of the chunks of the task that is not whole yet.
    """

    done: int
    sums: np.ndarray
