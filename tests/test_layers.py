"""What each layer may import, how long a module may be, and what starting up may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 400
COMMANDS = {
    "benchmark", "bias", "calibrate", "decay", "evidence", "meta", "plan", "pool", "power",
    "reproduce", "store",
}  # fmt: skip

# Each takes longer to import than all else that `planner --help` does.
HEAVY = {"numba", "scipy", "pandas", "matplotlib"}
# What the engine is made of. Numbers only: no files, clock, words or global random numbers.
ENGINE_LIBRARIES = {"joblib", "llvmlite", "numba", "numpy", "platformdirs", "scipy"}
ENGINE_STANDARD = {
    "bisect", "collections", "dataclasses", "enum", "functools", "hashlib", "itertools", "math",
    "operator", "typing",
}  # fmt: skip
# Three modules touch a little more.
ENGINE_EXTRA = {
    # The folder of compiled code.
    "sims.kernels": {"contextlib", "io", "os", "pathlib", "pickle", "stat", "sys"},
    # How many processors there are, how long work takes, who keeps its pieces.
    "sims.engine": {"contextlib", "contextvars", "os", "sys", "time"},
    "sims.tally": {"importlib"},  # kernels by name, on another machine
}


def _modules() -> dict[str, Path]:
    found = {}
    for package in ("planner", "sims"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()
SIMS = [name for name in MODULES if name.split(".")[0] == "sims"]
COMMAND_MODULES = [name for name in MODULES if name.startswith("planner.commands")]


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _runs_at_import(node: ast.AST) -> Iterator[ast.AST]:
    # Not the bodies of functions, nor what only a type checker reads.
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from _runs_at_import(other)
            continue
        yield child
        yield from _runs_at_import(child)


def _imports(module: str, *, at_import: bool = False) -> set[str]:
    """Dotted names that a module imports, anywhere or while it is imported itself."""
    tree = _tree(module)
    found = set()
    for node in _runs_at_import(tree) if at_import else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")
                if MODULES[module].name != "__init__.py":
                    package = package[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, base] if base else package)
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {base} | (names & MODULES.keys())
    return found


def _top(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def _loaded_by(module: str) -> set[str]:
    """Every module that importing `module` loads, our own followed to the end."""
    seen: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if name in MODULES:
            parts = name.split(".")
            parents = {".".join(parts[:i]) for i in range(1, len(parts))}
            waiting |= (_imports(name, at_import=True) | parents) - seen
    return seen


def _is_kernel(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        ast.unparse(decorator) in ("kernel", "inner", "entry") for decorator in node.decorator_list
    )


def _kernels() -> list[tuple[str, ast.FunctionDef]]:
    return [
        (module, node)
        for module in SIMS
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.FunctionDef) and _is_kernel(node)
    ]


KERNELS = _kernels()


@pytest.mark.parametrize("module", SIMS)
def test_engine_knows_only_numbers(module: str) -> None:
    allowed = ENGINE_LIBRARIES | ENGINE_STANDARD | ENGINE_EXTRA.get(module, set()) | {"sims"}
    assert _top(_imports(module)) - allowed == set()


@pytest.mark.parametrize("module", [name for name in SIMS if name != "sims.kernels"])
def test_only_the_compile_policy_knows_the_compiler(module: str) -> None:
    assert _top(_imports(module)) & {"numba", "llvmlite", "platformdirs"} == set()


@pytest.mark.parametrize("module", SIMS)
def test_engine_uses_no_global_random_numbers(module: str) -> None:
    attributes = {
        ast.unparse(node) for node in ast.walk(_tree(module)) if isinstance(node, ast.Attribute)
    }
    assert attributes & {"np.random", "numpy.random"} == set()
    assert "numpy.random" not in _imports(module)


@pytest.mark.parametrize(
    ("module", "kernel"), [pytest.param(*pair, id=f"{pair[0]}.{pair[1].name}") for pair in KERNELS]
)
def test_kernel_touches_only_its_arguments(module: str, kernel: ast.FunctionDef) -> None:
    forbidden = (
        ast.Raise, ast.Try, ast.With, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal,
    )  # fmt: skip
    for node in ast.walk(kernel):
        assert not isinstance(node, forbidden), f"{module}, line {getattr(node, 'lineno', '?')}"
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"print", "open", "input"}, module


def test_kernels_are_found() -> None:
    assert len(KERNELS) > 20


@pytest.mark.parametrize("module", sorted({module for module, _ in KERNELS}))
def test_scalar_kernels_do_not_know_their_fast_versions(module: str) -> None:
    if not module.startswith("sims.lanes"):
        assert not any(name.startswith("sims.lanes") for name in _loaded_by(module))


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("planner.reports")])
def test_reports_do_not_simulate(module: str) -> None:
    assert _top(_imports(module)) & {"sims", "numba", "scipy", "random"} == set()


@pytest.mark.parametrize(
    "module", [name for name in MODULES if name.startswith("planner.evidence")]
)
def test_evidence_holds_no_random_numbers(module: str) -> None:
    assert _top(_imports(module)) & {"sims", "numba", "random"} == set()


@pytest.mark.parametrize("module", COMMAND_MODULES)
def test_command_imports_nothing_heavy_itself(module: str) -> None:
    assert _top(_imports(module, at_import=True)) & (HEAVY | {"sims"}) == set()


@pytest.mark.parametrize("module", COMMAND_MODULES)
def test_command_loads_nothing_heavy_through_others(module: str) -> None:
    assert _top(_loaded_by(module)) & HEAVY == set()


HELP = """
import sys
from planner.cli import main
sys.argv = ["planner", "--help"]
try:
    main()
except SystemExit as stop:
    if stop.code:
        raise
"""


@pytest.mark.parametrize("program", ["import planner", HELP], ids=["import", "help"])
def test_start_loads_nothing_heavy(program: str) -> None:
    report = f"\nimport sys\nprint('loaded:', *{HEAVY!r} & set(sys.modules), file=sys.stderr)"
    run = subprocess.run(
        [sys.executable, "-c", program + report],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines()[-1].split() == ["loaded:"]


def test_no_module_carries_the_name_of_a_command() -> None:
    """`planner.power` is a function; a module of that name would replace it once imported."""
    commands = COMMANDS | {
        name.rsplit(".", 1)[1] for name in COMMAND_MODULES if name != "planner.commands"
    }
    names = {path.stem for path in (ROOT / "planner").iterdir()}
    assert names & commands == set()


@pytest.mark.parametrize("module", MODULES)
def test_module_is_short_enough_to_read(module: str) -> None:
    lines = MODULES[module].read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST
