"""Whether the rate and the memory hold as postings get many: 100 to 10 million messages of 200 bytes.

    python tests/bench/bench_count.py [--data DIR] [--json FILE] [--most N] [--chunk N]

The compiled path takes them in chunks, as a stream would: each chunk is put together, scored and
let go. Only scoring is timed; each count has a process of its own. Texts are distinct within a chunk.
Passes are repeated up to a million messages, above that there is one. Memory is the most that the process held
while it went through them, chunks and all, and what it held before; where the system does not tell (other
than Linux) it is left out.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import common

from screening import Screener
from screening.fast import BatchScorer

MOST = 10**6
REPEATED = 10**6  # messages up to which passes are repeated
CHUNK = 20_000  # messages


def measure(job: common.Job, pieces: Sequence[str]) -> common.Result:
    """Return rate and memory over so many messages, in this process."""
    scorer = BatchScorer(Screener.load(), compiled=True)
    scorer.score(common.texts_of(pieces, common.MESSAGE, 1))
    before = forget_peak()
    repeats = job["repeats"] if job["count"] <= REPEATED else 1
    passes = [_pass(scorer, pieces, job) for _ in range(repeats)]
    elapsed, used = (min(times) for times in zip(*(times for _, times in passes), strict=True))
    rates = common.rates_of(job["count"], passes[0][0], elapsed, used)
    return job | rates | {"repeats": repeats, "before_mb": before, "peak_mb": peak_mb()}


def _pass(scorer: BatchScorer, pieces: Sequence[str], job: common.Job) -> tuple[int, tuple[float, float]]:
    """Return (bytes, (elapsed, used) seconds) of scoring all messages once."""
    size, elapsed, used = 0, 0.0, 0.0
    for texts in chunks(pieces, job["count"], job["chunk"]):
        size += common.bytes_of(texts)
        started, at = time.perf_counter(), time.process_time()
        scorer.score(texts)
        elapsed, used = elapsed + time.perf_counter() - started, used + time.process_time() - at
    return size, (elapsed, used)


def chunks(pieces: Sequence[str], count: int, size: int) -> Iterator[list[str]]:
    """Yield so many messages, `size` at a time; each chunk is drawn anew."""
    for first in range(0, count, size):
        yield common.texts_of(pieces, common.MESSAGE, min(size, count - first), seed=first)


def forget_peak() -> float | None:
    """Forget the most memory that this process has held; return what it holds now, in MB."""
    path = Path("/proc/self/clear_refs")
    if not path.exists():
        return None
    path.write_text("5")  # https://docs.kernel.org/filesystems/proc.html: resets the peak resident set size
    return peak_mb()


def peak_mb() -> float | None:
    """Return the most memory that this process has held since, in MB."""
    path = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", path.read_text()) if path.exists() else None
    return round(int(found.group(1)) * 1024 / 1e6, 1) if found else None


def jobs(options: argparse.Namespace) -> list[common.Job]:
    """Return a job for each power of ten from 100 on."""
    shared = {"subject": "compiled", "chunk": options.chunk, "repeats": options.repeats}
    counts = [10**power for power in range(2, 8) if 10**power <= options.most]
    return [shared | {"count": count} for count in counts]


def finish(results: list[common.Result]) -> None:
    """Add the rate beside that of the fewest messages, by processor time."""
    for result in results:
        result["of_first"] = common.rounded(result["texts_s"] / results[0]["texts_s"])


def table(report: common.Report) -> str:
    """Return the results for a person."""
    columns = {"count": "messages", "repeats": "passes", "mb_s": "MB/s", "elapsed_mb_s": "elapsed"}
    columns |= {"texts_s": "texts/s", "of_first": "ratio", "before_mb": "MB before", "peak_mb": "MB peak"}
    return common.lines_of(columns, report["results"])


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--most", type=int, default=MOST, help=f"messages, 10,000,000 at most ({MOST:,})")
    parser.add_argument("--chunk", type=int, default=CHUNK, help="messages scored at a time")


BENCH = common.Bench("count", __doc__, __file__, jobs, measure, finish, table, _add_options)

if __name__ == "__main__":
    common.run(BENCH)
