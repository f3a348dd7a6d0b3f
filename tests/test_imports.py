"""The order of the layers, read from the imports; what a bare install loads; and the public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import screening

PACKAGE = Path(screening.__file__).parent
# Each module imports only from lines above its own.
LAYERS = (
    {"errors"},
    {"arrow", "assessment", "fold"},
    {"anchors", "packing", "patterns", "tokens", "neutral"},
    {"classes"},
    {"catalogue", "rows"},
    {"lines", "matching", "parquet"},
    {"features"},
    {"model"},
    {"language", "_kernel"},
    {"score", "semantic", "_arrays"},
    {"screener"},
    {"report", "tables", "fast", "campaigns", "journal"},
    {"inputs", "scorers", "workspace"},
    {"outputs", "sources", "progress", "shortlist"},
    {"secondpass"},
    {"__init__"},
    {"batch", "transport"},
    {"cli", "spark"},
    {"__main__"},
)
LAYER_OF = {module: layer for layer, modules in enumerate(LAYERS) for module in modules}
MODULES = sorted(PACKAGE.glob("*.py"))
HEAVY = ("sklearn", "pandas", "scipy", "pyarrow", "joblib", "nltk", "pyspark")
PUBLIC = [
    "Assessment",
    "Catalogue",
    "CatalogueError",
    "Contribution",
    "Finding",
    "Indicator",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "Screener",
    "ScreeningError",
    "Span",
]


def imports_of(nodes: list[ast.stmt], *, lazy: bool) -> Iterator[str]:
    """Yield the modules that statements import; those inside functions only if `lazy`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            # `from screening import report` names a module, not what it holds
            yield from (submodule_of(node.module or "", alias.name) for alias in node.names)
        elif lazy or not is_exempt(node):
            children = [child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node]
            yield from imports_of([c for c in children if isinstance(c, ast.Import | ast.ImportFrom)], lazy=lazy)


def submodule_of(module: str, name: str) -> str:
    return f"{module}.{name}" if module == "screening" and (PACKAGE / f"{name}.py").is_file() else module


def is_exempt(node: ast.stmt) -> bool:
    """Return whether imports inside do not run when the module is imported."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return True
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def parsed(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text("utf-8")).body


def test_every_module_has_a_layer() -> None:
    assert {path.stem for path in MODULES} == set(LAYER_OF)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_imports_only_from_layers_below(path: Path) -> None:
    ours = [name for name in imports_of(parsed(path), lazy=False) if name.split(".")[0] == "screening"]
    layers = {name: LAYER_OF[name.partition(".")[2] or "__init__"] for name in ours}
    assert {name for name, layer in layers.items() if layer >= LAYER_OF[path.stem]} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_serving_never_imports_training(path: Path) -> None:
    assert not [name for name in imports_of(parsed(path), lazy=True) if name.split(".")[0] == "training"]


def test_the_reading_of_imports_sees_what_it_should() -> None:
    source = "import a\nif TYPE_CHECKING:\n import b\ntry:\n import c\nexcept ImportError: pass\ndef f():\n import d\n"
    body = ast.parse(source).body
    assert list(imports_of(body, lazy=False)) == ["a", "c"]
    assert list(imports_of(body, lazy=True)) == ["a", "b", "c", "d"]


def test_a_bare_import_loads_the_standard_library_and_numpy_only() -> None:
    program = (
        "import sys; before = set(sys.modules); import screening; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint(HEAVY)
    assert loaded - sys.stdlib_module_names == {"screening", "numpy"}


def test_public_names_are_pinned_and_sorted() -> None:
    assert screening.__all__ == PUBLIC == sorted(PUBLIC)
    assert all(hasattr(screening, name) for name in PUBLIC)
