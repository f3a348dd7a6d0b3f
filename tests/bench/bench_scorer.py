"""How many texts a second: the compiled path beside what one would reach for otherwise.

    python tests/bench/bench_scorer.py [--data DIR] [--json FILE] [--rows N]

The others are a scikit-learn pipeline (words and pairs of words, logistic regression) and fastText, both
trained on generated texts, alt-profanity-check, the reference path, and all phrases as compiled regular
expressions tried one after the other (`expressions.py`), which give no score. Each runs in a process of its
own, on one core, on the same texts: postings of 2,300 bytes and messages of 200, put together from sentences of
the folder's background ads, without --data from generated ones; no text is repeated. The slow ones
take the first of them only. Subjects whose package is missing are said to be skipped:
`pip install alt-profanity-check fasttext-wheel`. What they say of the texts is not compared, only
the time it takes them.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable, Sequence

import common

SIZES = {"postings": common.POSTING, "messages": common.MESSAGE}  # bytes
MESSAGES = 5  # for each posting
SLOW = {"reference": 1500, "scikit-learn": 6000, "re loop": 10}  # postings at most, as these take long
SUBJECTS = ("compiled", "reference", "scikit-learn", "alt-profanity-check", "fasttext", "re loop")
PACKAGES = {"compiled": "numba", "fasttext": "fasttext-wheel"}

sentences = common.sentences  # bench_memory takes it from here

Score = Callable[[Sequence[str]], object]


def make_subject(name: str) -> Score:
    """Return what scores texts.

    Raises
    ------
    ImportError
        If its package is missing.
    """
    makers: dict[str, Callable[[], Score]] = {
        "compiled": lambda: _ours(True),
        "reference": lambda: _ours(False),
        "scikit-learn": _pipeline,
        "alt-profanity-check": _profanity,
        "fasttext": _fasttext,
        "re loop": _expressions,
    }
    return makers[name]()


def _ours(compiled: bool) -> Score:
    from screening import Screener
    from screening.fast import BatchScorer

    return BatchScorer(Screener.load(), compiled=compiled).score


def _training() -> tuple[list[str], list[int]]:
    from training.generate import generated

    frame = generated(2)
    return frame.text.tolist(), frame.label.tolist()


def _pipeline() -> Score:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=300))
    return pipeline.fit(*_training()).predict_proba


def _profanity() -> Score:
    predict = importlib.import_module("profanity_check").predict_prob
    return lambda texts: predict(list(texts))


def _fasttext() -> Score:
    fasttext = importlib.import_module("fasttext")
    texts, labels = _training()
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(f"__label__{n} {' '.join(t.split())}\n" for t, n in zip(texts, labels, strict=True))
        file.flush()
        model = fasttext.train_supervised(file.name, wordNgrams=2, verbose=0, thread=1)
    # `model.predict` of fasttext-wheel 0.9.2 fails with NumPy 2; below it is the same call.
    return lambda texts: model.f.multilinePredict([" ".join(t.split()) for t in texts], 1, 0.0, "strict")


def _expressions() -> Score:
    from expressions import Expressions

    from screening.catalogue import load_catalogue

    return Expressions(load_catalogue().phrases).find


def measure(job: common.Job, pieces: Sequence[str]) -> common.Result:
    """Return the rates of one subject, in this process."""
    name = job["subject"]
    try:
        started = time.perf_counter()
        score = make_subject(name)
        score(["hola"])
        ready = time.perf_counter() - started
    except ImportError as error:
        return {"subject": name, "skipped": f"{error}; pip install {PACKAGES.get(name, name)}"}
    result: common.Result = {"subject": name, "ready_s": common.rounded(ready)}
    for kind, size in SIZES.items():
        rows = min(job["rows"], SLOW.get(name, job["rows"])) * (MESSAGES if kind == "messages" else 1)
        result[kind] = common.rates(score, common.texts_of(pieces, size, rows), job["repeats"])
    return result


def jobs(options: argparse.Namespace) -> list[common.Job]:
    """Return one job a subject."""
    return [{"subject": name, "rows": options.rows, "repeats": options.repeats} for name in SUBJECTS]


def finish(results: list[common.Result]) -> None:
    """Add how many times as fast as each subject the compiled path is, by processor time."""
    ours = results[0]
    for result in results:
        for kind in SIZES:
            if kind in result and kind in ours:
                result[kind]["compiled_times"] = common.rounded(ours[kind]["mb_s"] / result[kind]["mb_s"])


def table(report: common.Report) -> str:
    """Return the results for a person."""
    columns = {"subject": "subject", "ready_s": "ready s"}
    figures = {"texts": "", "mb_s": "MB/s", "elapsed_mb_s": "elapsed", "texts_s": "texts/s", "compiled_times": "ratio"}
    for kind in SIZES:
        columns |= {f"{kind} {key}": f"{kind} {heading}".strip() for key, heading in figures.items()}
    rows = [
        result | {f"{kind} {key}": value for kind in SIZES for key, value in result.get(kind, {}).items()}
        for result in report["results"]
    ]
    skipped = [f"{row['subject']} skipped: {row['skipped']}" for row in rows if "skipped" in row]
    return "\n".join([common.lines_of(columns, [row for row in rows if "skipped" not in row]), *skipped])


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=20_000, help=f"postings; {MESSAGES} times as many messages")


BENCH = common.Bench("scorer", __doc__, __file__, jobs, measure, finish, table, _add_options)

if __name__ == "__main__":
    common.run(BENCH)
