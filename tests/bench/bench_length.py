"""How the rate depends on the length of a text: 50 bytes to 1 MB.

    python tests/bench/bench_length.py [--data DIR] [--json FILE] [--mb N]

The compiled path, the reference path and a scikit-learn pipeline (`bench_scorer.py`), each length and subject in a
process of its own, on one core. Each length has N MB of distinct texts, one text at least; the slow ones
take the first of them. The library reads the first `max_text` code points of a text and leaves out what follows;
the longest here stay within that.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import common
from bench_scorer import make_subject

from screening.screener import MAX_TEXT

LENGTHS = (50, 200, 1000, 2300, 10_000, 100_000, 1_000_000)  # bytes
SLOW = {"reference": 0.25, "scikit-learn": 2.0}  # MB at most
SUBJECTS = ("compiled", "scikit-learn", "reference")


def measure(job: common.Job, pieces: Sequence[str]) -> common.Result:
    """Return the rates of one subject at one length, in this process."""
    mb = min(job["mb"], SLOW.get(job["subject"], job["mb"]))
    texts = common.texts_of(pieces, job["length"], max(1, round(mb * 1e6 / job["length"])))
    score = make_subject(job["subject"])
    score(["hola"])
    return job | {"max_text": MAX_TEXT} | common.rates(score, texts, job["repeats"])


def jobs(options: argparse.Namespace) -> list[common.Job]:
    """Return a job for each length and subject, those of one length one after the other."""
    shared = {"mb": options.mb, "repeats": options.repeats}
    return [{"subject": s, "length": length} | shared for length in LENGTHS for s in SUBJECTS]


def finish(results: list[common.Result]) -> None:
    """Add how many times as fast as each subject the compiled path is, by processor time."""
    ours = {result["length"]: result["mb_s"] for result in results if result["subject"] == "compiled"}
    for result in results:
        result["compiled_times"] = common.rounded(ours[result["length"]] / result["mb_s"])


def table(report: common.Report) -> str:
    """Return the results for a person."""
    columns = {"subject": "subject", "length": "bytes", "texts": "texts", "mb_s": "MB/s", "elapsed_mb_s": "elapsed"}
    columns |= {"texts_s": "texts/s", "compiled_times": "ratio"}
    return f"{common.lines_of(columns, report['results'])}\nThe first {MAX_TEXT:,} code points of a text are read."


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mb", type=float, default=8.0, help="of texts of each length")


BENCH = common.Bench("length", __doc__, __file__, jobs, measure, finish, table, _add_options)

if __name__ == "__main__":
    common.run(BENCH)
