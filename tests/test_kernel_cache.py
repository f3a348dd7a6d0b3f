"""What is compiled is kept on disk: found again, made anew when it cannot be trusted, and no two processes collide."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import screening

pytest.importorskip("numba", reason="the compiled path needs the extra `fast`: pip install -e '.[fast]'")

PACKAGE = Path(screening.__file__).parent
# The smallest function that is kept, what it gives, and whether it came from disk.
PROGRAM = (
    "import sys; sys.stdin.read()\n"  # starts once its input ends
    "import numpy as np, screening._kernel as k\n"
    "keys, values = np.zeros(8, np.uint64), np.zeros(8, np.int64)\n"
    "done = k.insert(keys, values, np.array([5, 13], np.uint64), np.array([1, 2]))\n"
    "assert done and sorted(values.tolist())[-2:] == [1, 2], values\n"
    "found = sum(k.insert.stats.cache_hits.values())\n"
    "assert not (found and 'numba.np.linalg' in sys.modules), 'what is found needs nothing that compiles'\n"
    "print('found' if found else 'made')"
)


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """Return the folder of an installed package that nothing was compiled for; its caches stay below tmp_path."""
    shutil.copytree(PACKAGE, tmp_path / "site" / "screening", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def start(install: Path, **environment: str) -> subprocess.Popen[str]:
    places = {"PYTHONPATH": str(install), "XDG_CACHE_HOME": str(install.parent / "cache"), "HOME": str(install.parent)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=install,
        env={**kept, **places, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(install: Path, **environment: str) -> str:
    """Return "found" or "made", as the program says."""
    return said(start(install, **environment))


def said(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate("", timeout=300)
    assert (process.returncode, errors) == (0, "")
    return out.strip()


def kept_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.nb?") if path.is_file())


def test_the_next_process_finds_what_one_compiled(install: Path) -> None:
    assert [run(install), run(install)] == ["made", "found"]
    assert {path.parent for path in kept_in(install)} == {install / "screening" / "__pycache__"}


def test_a_changed_kernel_is_compiled_anew(install: Path) -> None:
    run(install)
    with (install / "screening" / "_kernel.py").open("a", encoding="utf-8") as kernel:
        kernel.write("# one line more\n")
    assert [run(install), run(install)] == ["made", "found"]


def test_what_another_processor_compiled_is_let_be(install: Path) -> None:
    assert run(install, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="") == "made"
    assert [run(install), run(install)] == ["made", "found"]
    assert run(install, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="") == "found"


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"], ids=["index", "code"])
@pytest.mark.parametrize("damage", [slice(0, 0), slice(0, -40), slice(40, None)], ids=["empty", "cut off", "beheaded"])
def test_a_broken_file_is_compiled_anew(install: Path, suffix: str, damage: slice) -> None:
    run(install)
    broken = [path for path in kept_in(install) if path.suffix == suffix]
    assert broken
    for path in broken:
        path.write_bytes(path.read_bytes()[damage])
    assert run(install) == "made"


def test_beside_an_install_that_cannot_be_written_the_users_cache_holds_it(install: Path) -> None:
    (install / "screening" / "__pycache__").write_text("no folder: not even root can write in it")
    assert [run(install), run(install)] == ["made", "found"]
    assert not kept_in(install)
    assert kept_in(install.parent / "cache")


def test_where_nothing_can_be_written_it_is_compiled_each_time(install: Path) -> None:
    (install / "screening" / "__pycache__").write_text("no folder")
    (install.parent / "cache").write_text("no folder")
    assert [run(install), run(install)] == ["made", "made"]
    assert not kept_in(install.parent)


def test_processes_that_start_at_once_do_not_collide(install: Path) -> None:
    processes = [start(install) for _ in range(4)]
    for process in processes:
        assert process.stdin
        process.stdin.close()
        process.stdin = None
    assert {said(process) for process in processes} <= {"made", "found"}
    assert run(install) == "found"
    assert not [path for path in install.rglob("*tmp*") if path.is_file()]


def test_what_needs_numba_is_not_collected_without_it() -> None:
    program = (
        "import sys, pytest; sys.modules['numba'] = None; "
        "sys.exit(pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', 'screening']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "screening/fold.py" in done.stdout
    assert "_kernel" not in done.stdout
