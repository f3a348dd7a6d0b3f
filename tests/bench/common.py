"""What the benchmarks share: texts, timing, a process for each subject, and what was measured on which machine.

A benchmark is a script with `jobs` (what to measure), `measure` (one of them, in a process of its
own) and `table` (the report for a person); `run` puts them together and writes the report as JSON.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import random
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

REPEATS = 3  # best of
POSTING, MESSAGE = 2300, 200  # bytes
MISSES = 100  # texts drawn again in a row before there are said to be no more
LIBRARIES = ("numpy", "numba", "scikit-learn", "alt-profanity-check", "fasttext-wheel")
ONE_CORE = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}

Job = dict[str, Any]
Result = dict[str, Any]
Report = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """One benchmark.

    Attributes
    ----------
    name, doc, script
        What the report is called, what --help says, and the file that is run.
    jobs
        Gives the jobs for the options; each has a "subject" and the "repeats" asked for.
    measure
        Gives the result of one job from the pieces that texts are put together from; {"skipped": why}
        beside the job's keys where a package is missing.
    finish
        Adds to the results what compares them.
    table
        Gives the report for a person.
    add_options
        Adds the options of its own.
    """

    name: str
    doc: str | None
    script: str
    jobs: Callable[[argparse.Namespace], list[Job]]
    measure: Callable[[Job, Sequence[str]], Result]
    finish: Callable[[list[Result]], None]
    table: Callable[[Report], str]
    add_options: Callable[[argparse.ArgumentParser], object] = lambda parser: None


def run(bench: Bench, arguments: Sequence[str] | None = None) -> None:
    """Measure all jobs and print the table; or, in a process started for it, one job."""
    parser = argparse.ArgumentParser(
        description=bench.doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, help="folder of real texts; without it they are invented")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"the best of so many counts ({REPEATS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    bench.add_options(parser)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    if options.job:
        print(json.dumps(bench.measure(options.job, json.load(sys.stdin))))
        return
    report = {"benchmark": bench.name, "command": command_of(bench.script, arguments)} | report_of(bench, options)
    print(bench.table(report))
    print(f"\n{described(report)}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


def report_of(bench: Bench, options: argparse.Namespace) -> Report:
    """Return the results of all jobs and how they came about."""
    pieces = sentences(options.data)
    report: Report = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "texts": texts_named(options.data),
        "repeats": options.repeats,
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    results = [in_own_process(bench.script, job, pieces) for job in bench.jobs(options)]
    bench.finish(results)
    return report | {"results": results}


def command_of(script: str, arguments: Sequence[str]) -> str:
    """Return the command, without where the report goes."""
    kept = re.sub(r" --json[ =]('[^']*'|\S+)", "", f" {shlex.join(arguments)}")
    return f"python tests/bench/{Path(script).name}{kept.rstrip()}"


def described(report: Report) -> str:
    """Return in two lines what was measured, where, and how."""
    held = report["machine"]
    load = "" if report["load_before"] is None else f", load {report['load_before']:.1f} before"
    versions = ", ".join(f"{name} {version}" for name, version in held["versions"].items())
    return (
        f"{held['cpu']}, {held['cores']} cores{load}; Python {held['python']}, {versions}\n"
        f"{report['texts']}; best of {report['repeats']}; {report['date']}, {report['commit']}: {report['command']}"
    )


def in_own_process(script: str, job: Job, pieces: Sequence[str]) -> Result:
    """Return the result of one job, measured in a process of its own that keeps to one core unless told otherwise.

    Raises
    ------
    RuntimeError
        If the process fails; with what it wrote to standard error.
    """
    command = [sys.executable, script, "--job", json.dumps(job)]
    done = subprocess.run(
        command, input=json.dumps(pieces), env=os.environ | ONE_CORE, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def machine() -> dict[str, object]:
    """Return what the figures hold for."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return named.group(1) if named else platform.processor()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit() -> str:
    """Return the commit measured, with "+" where files of the package differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False).stdout

    changed = git("status", "--porcelain", "--", "screening").strip()
    return (git("rev-parse", "--short", "HEAD").strip() or "no commit known") + ("+" if changed else "")


def texts_named(data: Path | None) -> str:
    """Return what texts were measured on, for the report."""
    if data is None:
        return "invented texts"
    from training.corpus import corpus_hash, read_corpus

    return f"real texts, corpus {corpus_hash(read_corpus(data))}"


def sentences(data: Path | None) -> list[str]:
    """Return the sentences that texts are put together from: of the folder's ads, else of invented texts."""
    if data:
        import pandas as pd

        frame = pd.read_parquet(data / "background" / "background.parquet", columns=["text", "kind"])
        texts = frame[frame.kind == "job-ad"].text.dropna().tolist()
    else:
        from training.generate import generated

        texts = generated().text.tolist()
    return sorted({piece for text in texts for piece in re.split(r"(?<=[.!?\n])\s+", text) if piece.strip()})


def texts_of(pieces: Sequence[str], size: int, rows: int, seed: object = "") -> list[str]:
    """Return distinct texts of `size` UTF-8 bytes or a few less, put together from pieces.

    The first piece is entered at any of its words, so that short texts differ too.

    Raises
    ------
    ValueError
        If the pieces do not make so many.
    """
    rng = random.Random(f"{size} {seed}")
    texts: dict[str, None] = {}
    missed = 0
    while len(texts) < rows:
        before = len(texts)
        texts[_text(pieces, size, rng)] = None
        missed = 0 if len(texts) > before else missed + 1
        if missed == MISSES:
            raise ValueError(f"{len(pieces)} pieces make no more than {len(texts)} texts of {size} bytes; ask for less")
    return list(texts)


def _text(pieces: Sequence[str], size: int, rng: random.Random) -> str:
    words = rng.choice(pieces).split()
    text = [" ".join(words[rng.randrange(len(words)) :])]
    used = len(text[0].encode()) + 1
    while used < size:
        text.append(rng.choice(pieces))
        used += len(text[-1].encode()) + 1
    return " ".join(text).encode()[:size].decode("utf-8", "ignore")


def bytes_of(texts: Sequence[str]) -> int:
    """Return the UTF-8 bytes of some texts."""
    return sum(len(text.encode()) for text in texts)


def rates(score: Callable[[Sequence[str]], object], texts: Sequence[str], repeats: int) -> Result:
    """Return how fast `score` takes the texts: the best of `repeats`, by processor time and by the clock."""
    timed = [_timed(score, texts) for _ in range(repeats)]
    elapsed, used = (min(times) for times in zip(*timed, strict=True))
    return rates_of(len(texts), bytes_of(texts), elapsed, used) | {"repeats": repeats}


def rates_of(rows: int, size: int, elapsed: float, used: float) -> Result:
    """Return rates per second of processor time, which other work on the machine disturbs least, and elapsed."""
    return {
        "texts": rows,
        "bytes": size,
        "mb_s": rounded(size / used / 1e6),
        "texts_s": rounded(rows / used),
        "elapsed_mb_s": rounded(size / elapsed / 1e6),
        "elapsed_texts_s": rounded(rows / elapsed),
    }


def _timed(score: Callable[[Sequence[str]], object], texts: Sequence[str]) -> tuple[float, float]:
    """Return (elapsed, used) seconds."""
    elapsed, used = time.perf_counter(), time.process_time()
    score(texts)
    return time.perf_counter() - elapsed, time.process_time() - used


def rounded(value: float) -> float:
    """Return a figure to three digits, as no more of it comes out again."""
    return float(f"{value:.3g}")


def lines_of(columns: Mapping[str, str], rows: Sequence[Mapping[str, object]]) -> str:
    """Return a table of rows for a person; `columns` names what to show, and its heading."""
    cells = [list(columns.values()), *([_shown(row.get(key)) for key in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str("-" if value is None else value)


def lines_of_markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of rows in Markdown."""
    cells = [headings, ["---"] * len(headings), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
