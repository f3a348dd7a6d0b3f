"""Write the page of the benchmarks, README.md and throughput.svg beside this file, from a folder of their reports.

    python tests/bench/page.py [tests/bench/results]

Reports are what the benchmarks write with --json. One that is not there is said to be missing; a file
that is none of theirs is an error.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from common import MESSAGE, Report, Result, lines_of_markdown

HERE = Path(__file__).resolve().parent
LABELS = {
    "compiled": "compiled path",
    "reference": "reference path",
    "scikit-learn": "scikit-learn pipeline",
    "fasttext": "fastText",
    "re loop": "loop over regular expressions",
}
COLUMNS = ("measured", "compiled path", "beside it", "its rate", "times as fast")
INK, FAINT, GRID = "#222", "#666", "#ddd"
COLOURS = {"compiled": "#0072b2", "scikit-learn": "#d55e00", "reference": "#009e73"}  # told apart by the colour-blind
OTHERS = "#aaa"

Row = tuple[str, str, str, str, str]
Reports = Mapping[str, Report]


def read_reports(folder: Path) -> dict[str, Report]:
    """Return the reports of a folder by benchmark.

    Raises
    ------
    ValueError
        If a file is no report, or a benchmark has two.
    """
    reports: dict[str, Report] = {}
    for path in sorted(folder.glob("*.json")):
        report = json.loads(path.read_text("utf-8"))
        name = report.get("benchmark") if isinstance(report, dict) else None
        if name not in ROWS or name in reports:
            raise ValueError(f"{path}: benchmark is {name!r}; wanted one report each of {', '.join(ROWS)}")
        reports[name] = report
    return {name: reports[name] for name in ROWS if name in reports}


def page(reports: Reports) -> str:
    """Return the page: what was measured, a plot, a table, and how to measure it again."""
    rows = [row for name, make in ROWS.items() if name in reports for row in make(reports[name]["results"])]
    missing = [f"`bench_{name}.py`" for name in ROWS if name not in reports]
    parts = [
        "# Benchmarks",
        "Written by `python tests/bench/page.py` from the reports in `results/`; not to be edited.",
        *(_machines(reports)),
        "![Throughput over text length, and of postings beside other tools](throughput.svg)",
        lines_of_markdown(COLUMNS, rows),
        "\n".join(_notes(reports)),
        *([f"Not measured: {', '.join(missing)}."] if missing else []),
        "## Measured again",
        "`pip install -e '.[fast,training]' alt-profanity-check fasttext-wheel`, then:",
        "\n".join(["```sh", *_commands(reports), "python tests/bench/page.py", "```"]),
        "Without `--data` the texts are put together from invented ones.",
    ]
    return "\n\n".join(parts) + "\n"


def _commands(reports: Reports) -> list[str]:
    return [f"{report['command']} --json tests/bench/results/{name}.json" for name, report in reports.items()]


def _machines(reports: Reports) -> list[str]:
    """Return a paragraph for each way of measuring, naming its benchmarks where there are several."""
    ways: dict[str, list[str]] = {}
    for name, report in reports.items():
        held = report["machine"]
        versions = ", ".join(f"{package} {version}" for package, version in held["versions"].items())
        way = (
            f"{held['cpu']}, {held['cores']} cores, {held['system']}; Python {held['python']}, {versions}. "
            f"{report['texts'].capitalize()}. Commit {report['commit']}, {report['date']}; best of {report['repeats']}."
        )
        ways.setdefault(way, []).append(name)
    return [way if len(ways) == 1 else f"{', '.join(names)}: {way}" for way, names in ways.items()]


def _notes(reports: Reports) -> list[str]:
    notes = [
        "- Rates are per second of processor time, in brackets by the clock; one core unless threads are named. "
        "Each subject has a process of its own; all of a benchmark run one after the other.",
        "- The others answer other questions: what is compared is the time, not what is found. The slow ones take the "
        "first of the texts only.",
    ]
    if "length" in reports:
        held = reports["length"]["results"][0]["max_text"]
        notes.append(f"- The first {held:,} code points of a text are read: all of the longest here.")
    if "patterns" in reports:
        shares = [row["agreement"] for row in reports["patterns"]["results"] if row.get("agreement") is not None]
        found = f" Of the phrases found by either, both find {min(shares):.0%} to {max(shares):.0%}." if shares else ""
        notes.append(
            f"- The loop tries each phrase as one regular expression over the folded text and gives no score.{found}"
        )
    if "count" in reports:
        notes.append(
            f"- Messages are of {MESSAGE} bytes; over a million, one pass. Memory is the most held while scoring: "
            "interpreter, tables, a chunk of texts, and the sentences they are put together from."
        )
    loads = [report["load_before"] for report in reports.values() if report["load_before"] is not None]
    if loads:
        notes.append(
            f"- Other work on the machine: load {min(loads):.1f} to {max(loads):.1f} when the benchmarks began."
        )
    return notes


def _scorer_rows(results: Sequence[Result]) -> list[Row]:
    ours = results[0]
    rows = []
    for kind, key, unit in (("postings", "mb_s", "MB/s"), ("messages", "texts_s", "a second")):
        for result in results[1:]:
            if kind not in result or kind not in ours:
                continue
            size = round(ours[kind]["bytes"] / ours[kind]["texts"])
            what = f"{ours[kind]['texts']:,} {kind} of {size:,} bytes"
            rates = (_rate(ours[kind], key, unit), _label(result), _rate(result[kind], key, unit))
            rows.append((what, *rates, times_of(result[kind]["compiled_times"])))
    missing = [(f"{_label(result)}: skipped", "", "", "", "") for result in results if "skipped" in result]
    return _once(rows) + missing


def _length_rows(results: Sequence[Result]) -> list[Row]:
    return _beside(results, "length", "scikit-learn", lambda length: f"texts of {size_of(length)}")


def _patterns_rows(results: Sequence[Result]) -> list[Row]:
    return _beside(results, "phrases", "re loop", lambda count: f"postings, {count:,} phrase{'s' * (count > 1)}")


def _beside(results: Sequence[Result], key: str, other: str, what: Callable[[int], str]) -> list[Row]:
    """Return a row for each value of `key`: the compiled path, and the other subject beside it."""
    others = {row[key]: row for row in results if row["subject"] == other}
    return [
        (what(row[key]), _rate(row), LABELS[other], _rate(beside), times_of(beside["compiled_times"]))
        for row in results
        if row["subject"] == "compiled" and (beside := others[row[key]])
    ]


def _cores_rows(results: Sequence[Result]) -> list[Row]:
    least, rows = results[0], []
    for row in results[1:]:
        what, beside = f"postings, {row['threads']} threads, by the clock", f"{least['threads']} thread"
        ours, its = (f"{_figure(of['elapsed_mb_s'])} MB/s" for of in (row, least))
        rows.append((what, ours, beside, its, times_of(row["gain"])))
    return rows


def _count_rows(results: Sequence[Result]) -> list[Row]:
    first, rows = results[0], []
    for row in results[1:]:
        what, beside = f"{row['count']:,} messages in chunks", f"{first['count']:,} messages"
        rows.append((what, _rate_and_memory(row), beside, _rate_and_memory(first), times_of(row["of_first"])))
    return rows


def _rate_and_memory(row: Result) -> str:
    memory = "" if row["peak_mb"] is None else f", {row['peak_mb']:,.0f} MB"
    return _rate(row, "texts_s", "a second") + memory


ROWS: dict[str, Callable[[Sequence[Result]], list[Row]]] = {
    "scorer": _scorer_rows,
    "length": _length_rows,
    "patterns": _patterns_rows,
    "count": _count_rows,
    "cores": _cores_rows,
}


def _once(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without what the row above says already."""
    above = [None, *rows[:-1]]
    return [("", "", *row[2:]) if up and row[:2] == up[:2] else row for up, row in zip(above, rows, strict=True)]


def _label(result: Result) -> str:
    return LABELS.get(result["subject"]) or str(result["subject"])


def _rate(row: Result, key: str = "mb_s", unit: str = "MB/s") -> str:
    """Return a rate by processor time, and in brackets by the clock."""
    return f"{_figure(row[key])} {unit} ({_figure(row[f'elapsed_{key}'])})"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


def times_of(ratio: float) -> str:
    """Return a ratio for a person: one that differs from 1 by little keeps its digits."""
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def size_of(length: int) -> str:
    """Return a number of bytes for a person.

    >>> [size_of(length) for length in (50, 2300, 100_000, 1_000_000)]
    ['50 B', '2.3 KB', '100 KB', '1 MB']
    """
    for unit, size in (("MB", 10**6), ("KB", 10**3)):
        if length >= size:
            return f"{length / size:g} {unit}"
    return f"{length} B"


def plot(reports: Reports) -> str:
    """Return the plot as SVG: rate over text length on the left, postings beside other tools on the right."""
    lengths = reports["length"]["results"] if "length" in reports else []
    subjects = reports["scorer"]["results"] if "scorer" in reports else []
    parts = [*_curves(lengths, (60, 60, 420, 260)), *_bars(subjects, (680, 60, 190, 260))]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 380" font-family="sans-serif" font-size="12">\n'
        '<rect width="960" height="380" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


Box = tuple[float, float, float, float]  # left, top, width, height


def _curves(results: Sequence[Result], box: Box) -> list[str]:
    """Return one line a subject, both scales logarithmic."""
    if not results:
        return []
    left, top, width, height = box
    lengths = sorted({row["length"] for row in results})
    rates = [row["mb_s"] for row in results]
    lowest, highest = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))

    def place(length: float, rate: float) -> tuple[float, float]:
        across = math.log(length / lengths[0]) / math.log(lengths[-1] / lengths[0])
        return left + across * width, top + height * (highest - math.log10(rate)) / (highest - lowest)

    parts = [_text(left, top - 30, "Rate over text length, MB/s, one core", INK, weight="bold")]
    for power in range(lowest, highest + 1):
        _, y = place(lengths[0], 10.0**power)
        parts += [_line(left, y, left + width, y), _text(left - 8, y + 4, f"{10.0**power:g}", FAINT, "end")]
    for length in lengths:
        x, _ = place(length, 1.0)
        parts += [_line(x, top, x, top + height), _text(x, top + height + 18, size_of(length), FAINT, "middle")]
    for subject, colour in COLOURS.items():
        points = [place(row["length"], row["mb_s"]) for row in results if row["subject"] == subject]
        parts += _curve(points, colour) if points else []
    parts += _legend([s for s in COLOURS if any(row["subject"] == s for row in results)], left, top + height + 44)
    return parts


def _curve(points: Sequence[tuple[float, float]], colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]


def _legend(subjects: Sequence[str], left: float, y: float) -> list[str]:
    parts = []
    for place, subject in enumerate(subjects):
        x = left + 145 * place
        parts.append(f'<rect x="{x:g}" y="{y - 10:g}" width="12" height="12" fill="{COLOURS[subject]}"/>')
        parts.append(_text(x + 18, y, LABELS[subject], INK))
    return parts


def _bars(results: Sequence[Result], box: Box) -> list[str]:
    """Return one bar a subject, fastest first; the scale is linear, so that bars compare."""
    left, top, width, height = box
    measured = sorted((row for row in results if "postings" in row), key=lambda row: -row["postings"]["mb_s"])
    if not measured:
        return []
    most, step = measured[0]["postings"]["mb_s"], height / len(measured)
    parts = [_text(left - 175, top - 30, "Postings of 2.3 KB, MB/s, one core", INK, weight="bold")]
    for place, row in enumerate(measured):
        rate, y = row["postings"]["mb_s"], top + place * step
        colour = COLOURS["compiled"] if row["subject"] == "compiled" else OTHERS
        long, middle = max(1.0, width * rate / most), y + step / 2 + 4
        parts.append(
            f'<rect x="{left:g}" y="{y + 6:.1f}" width="{long:.1f}" height="{step - 12:.1f}" fill="{colour}"/>'
        )
        parts.append(_text(left - 8, middle, _label(row), INK, "end"))
        parts.append(_text(left + long + 6, middle, f"{rate:g}", INK))
    return parts


def _text(x: float, y: float, text: str, colour: str, anchor: str = "start", weight: str = "normal") -> str:
    style = f'fill="{colour}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{GRID}"/>'


def main() -> None:
    """Write the page and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=HERE / "results", help="of reports")
    parser.add_argument("--to", type=Path, default=HERE, help="folder that the page is written to")
    options = parser.parse_args()
    reports = read_reports(options.folder)
    if not reports:
        parser.error(f"no reports (*.json) in {options.folder}; the benchmarks write them with --json FILE")
    (options.to / "README.md").write_text(page(reports), "utf-8")
    (options.to / "throughput.svg").write_text(plot(reports), "utf-8")


if __name__ == "__main__":
    main()
