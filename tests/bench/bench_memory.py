"""How much memory `screening score` takes at its peak, by the size and format of its input.

    python tests/bench/bench_memory.py [--size GB] [--formats csv jsonl parquet] [--group-rows N] [--folder DIR]
        [--python EXE]

Each subject runs in a process of its own and writes the format that it reads, as the command does. The peak is
what the kernel counts for that process (`ru_maxrss`, in MB of 10^6 bytes). Texts are of about 2,300 bytes, put
together from sentences of generated everyday texts, no two alike; `--size` is of the texts, Parquet is packed by
Snappy. Needs three times that on disk, in DIR, and removes it. Run it twice if the kernel was not compiled yet:
that takes 200 MB more, once. Prints one JSON object a subject.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT_BYTES = 2300
FORMATS = ("csv", "jsonl", "parquet")


def texts_of(size: int) -> Iterator[tuple[str, str]]:
    """Yield the id and text of rows, until their texts together have that many bytes."""
    from training.generate import generated  # scikit-learn and pandas: not in the process that measures

    table = generated(4)
    honest = table.text[table.kind == "generated-plain"]
    pieces = sorted({line for text in honest for line in re.split(r"(?<=[.!?\n])\s+", text) if line.strip()})
    rng, number = random.Random(1), 0
    while size > 0:
        number, text = number + 1, ""
        while len(text) < TEXT_BYTES:
            text += " ".join(rng.choices(pieces, k=8)) + "\n"
        text = text.encode()[:TEXT_BYTES].decode("utf-8", "ignore")
        size -= len(text.encode())
        yield f"post-{number}", text


def generate(path: Path, size: int, group_rows: int) -> None:
    """Write an input of the format that the path's suffix tells."""
    rows = texts_of(size)
    if path.suffix == ".parquet":
        _generate_parquet(path, rows, group_rows)
        return
    with path.open("w", newline="", encoding="utf-8") as stream:
        if path.suffix == ".csv":
            csv.writer(stream).writerows(itertools.chain([("id", "text")], rows))
        else:
            for key, text in rows:
                stream.write(json.dumps({"id": key, "text": text}, ensure_ascii=False) + "\n")


def _generate_parquet(path: Path, rows: Iterator[tuple[str, str]], group_rows: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(itertools.islice(rows, group_rows)):
            columns = [pa.array(column) for column in zip(*group, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=group_rows)


def measure(source: Path, target: Path) -> dict[str, object]:
    """Run the command once and return what it took."""
    command = [sys.executable, "-m", "screening", "score", str(source), "-o", str(target), "--progress", "json"]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    facts = json.loads(done.stderr.splitlines()[-1])
    return {
        "format": source.suffix[1:],
        "path": facts["path"],
        "rows": facts["rows"],
        "bytes": source.stat().st_size,
        "seconds": round(time.monotonic() - begun, 1),
        "peak_rss_mb": round(peak * 1024 / 1e6, 1),  # Linux counts in KiB
    }


def main() -> None:
    """Generate each input in a process of its own, score it in another, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=1.0, metavar="GB", help="of the texts (default: 1)")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--group-rows", type=int, default=100_000, help="rows of a Parquet group (default: 100,000)")
    parser.add_argument("--folder", type=Path, default=None, help="where to put the files (default: the system's)")
    parser.add_argument("--python", default=sys.executable, help="interpreter that scores, of another install say")
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    size = int(args.size * 1e9)
    if args.generate:
        generate(args.generate, size, args.group_rows)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        if args.measure:
            print(json.dumps(measure(args.measure, Path(folder) / f"out{args.measure.suffix}")))
            return
        for kind in args.formats:
            source = Path(folder) / f"in.{kind}"
            again = [sys.executable, __file__, "--folder", folder]
            subprocess.run(
                [*again, "--generate", source, "--size", str(args.size), "--group-rows", str(args.group_rows)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                check=True,
            )
            # The peak that the kernel tells is the highest of all children: each is measured by a parent of its own.
            subprocess.run([args.python, *again[1:], "--measure", source], check=True)
            source.unlink()


if __name__ == "__main__":
    main()
