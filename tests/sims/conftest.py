"""The marker of the tests that also run without the compiler."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "nojit: few replicates; also run with NUMBA_DISABLE_JIT=1")
