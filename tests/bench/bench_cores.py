"""What a second core gives: the compiled path with 1 and 2 threads, by the clock.

    python tests/bench/bench_cores.py [--data DIR] [--json FILE] [--rows N] [--threads 1,2] [--rounds N]

Each in a process of its own, in turns, so that what else the machine does hits all alike; the best round of
each counts, and of each round the best pass. Postings of 2,300 bytes. The ratio is of elapsed times;
that of processor times says what sharing the work costs. Other work on the machine lowers it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import common

from screening import Screener
from screening.fast import BatchScorer


def measure(job: common.Job, pieces: Sequence[str]) -> common.Result:
    """Return the rates with so many threads, in this process."""
    texts = common.texts_of(pieces, common.POSTING, job["rows"])
    scorer = BatchScorer(Screener.load(), compiled=True)
    return job | common.rates(lambda texts: scorer.score(texts, threads=job["threads"]), texts, job["repeats"])


def jobs(options: argparse.Namespace) -> list[common.Job]:
    """Return the jobs, round by round."""
    shared = {"subject": "compiled", "rows": options.rows, "repeats": options.repeats}
    rounds = range(1, options.rounds + 1)
    return [shared | {"threads": threads, "round": number} for number in rounds for threads in options.threads]


def finish(results: list[common.Result]) -> None:
    """Keep the best round of each number of threads; add its gain over the least threads."""
    best: dict[int, common.Result] = {}
    for result in results:
        held = best.setdefault(result["threads"], result)
        if result["elapsed_mb_s"] > held["elapsed_mb_s"]:
            best[result["threads"]] = result
    results[:] = [best[threads] for threads in sorted(best)]
    for result in results:
        for key, gain in (("elapsed_mb_s", "gain"), ("mb_s", "cpu_ratio")):
            result[gain] = common.rounded(result[key] / results[0][key])


def table(report: common.Report) -> str:
    """Return the results for a person."""
    columns = {"threads": "threads", "texts": "texts", "elapsed_mb_s": "elapsed MB/s", "gain": "gain"}
    columns |= {
        "elapsed_texts_s": "elapsed texts/s",
        "mb_s": "MB/s of CPU",
        "cpu_ratio": "ratio of CPU",
        "round": "round",
    }
    return common.lines_of(columns, report["results"])


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=20_000, help="postings")
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)


BENCH = common.Bench("cores", __doc__, __file__, jobs, measure, finish, table, _add_options)

if __name__ == "__main__":
    common.run(BENCH)
