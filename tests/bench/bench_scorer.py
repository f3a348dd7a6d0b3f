"""How many texts a second: the compiled path beside what one would reach for otherwise.

    python tests/bench/bench_scorer.py [--data DIR] [--json] [--rows N] [--threads N]

Rates are per second of processor time, as other work on the machine disturbs those the least; with
several threads, or --json, look at the elapsed ones too. Each subject runs in a process of its own,
on one core unless told otherwise, on the same texts:
postings of about 2,300 bytes and messages of 200. With --data they are put together from
sentences of the folder's background ads, without from generated ones; no text is repeated.
Subjects whose package is missing are said to be skipped. What they say of the texts is not
compared: only the time it takes them.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SIZES = {"postings": 2300, "messages": 200}  # bytes
REPEATS = 3  # best of
SLOW = {"reference": 1500, "scikit-learn": 6000}  # texts at most, as these take long
SUBJECTS = ("compiled", "reference", "scikit-learn", "alt-profanity-check", "fasttext")
PACKAGES = {"compiled": "numba", "scikit-learn": "scikit-learn", "fasttext": "fasttext-wheel"}

Score = Callable[[Sequence[str]], object]


def sentences(data: Path | None) -> list[str]:
    """Return the pieces that texts are put together from."""
    if data:
        import pandas as pd

        frame = pd.read_parquet(data / "background" / "background.parquet", columns=["text", "kind"])
        texts = frame[frame.kind == "job-ad"].text.dropna().tolist()
    else:
        from training.generate import generated

        texts = generated(4).text.tolist()
    return sorted({piece for text in texts for piece in re.split(r"(?<=[.!?\n])\s+", text) if piece.strip()})


def texts_of(pieces: Sequence[str], size: int, rows: int) -> list[str]:
    """Return distinct texts of about `size` bytes: a run of neighbouring pieces, then others."""
    rng = random.Random(size)
    texts: dict[str, None] = {}
    while len(texts) < rows:
        text, used = [], 0
        while used < size:
            piece = rng.choice(pieces)
            text.append(piece)
            used += len(piece.encode()) + 1
        texts[" ".join(text).encode()[:size].decode("utf-8", "ignore")] = None
    return list(texts)


def make_subject(name: str, threads: int) -> Score:
    """Return what scores texts."""
    if name in ("compiled", "reference"):
        return _ours(name == "compiled", threads)
    if name == "scikit-learn":
        return _pipeline()
    if name == "alt-profanity-check":
        return lambda texts: importlib.import_module("profanity_check").predict_prob(list(texts))
    return _fasttext()


def _ours(compiled: bool, threads: int) -> Score:
    from screening import Screener
    from screening.fast import BatchScorer

    scorer = BatchScorer(Screener.load(), compiled=compiled)
    return lambda texts: scorer.score(texts, threads=threads)


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


def _fasttext() -> Score:
    import tempfile

    fasttext = importlib.import_module("fasttext")
    texts, labels = _training()
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(f"__label__{n} {' '.join(t.split())}\n" for t, n in zip(texts, labels, strict=True))
        file.flush()
        model = fasttext.train_supervised(file.name, wordNgrams=2, verbose=0, thread=1)
    # `model.predict` of fasttext-wheel 0.9.2 fails with NumPy 2; below it is the same call.
    return lambda texts: model.f.multilinePredict([" ".join(t.split()) for t in texts], 1, 0.0, "strict")


def measure(name: str, data: Path | None, rows: int, threads: int) -> dict[str, object]:
    """Return the rates of one subject, in this process."""
    pieces = sentences(data)
    try:
        started = time.perf_counter()
        score = make_subject(name, threads)
        score(["hola"])
        ready = time.perf_counter() - started
    except ImportError as error:
        return {"subject": name, "skipped": f"{error}; pip install {PACKAGES.get(name, name)}"}
    result: dict[str, object] = {"subject": name, "ready_s": round(ready, 2)}
    for kind, size in SIZES.items():
        wanted = rows if kind == "postings" else 5 * rows
        texts = texts_of(pieces, size, min(wanted, SLOW.get(name, wanted)))
        size_mb = sum(len(text.encode()) for text in texts) / 1e6
        timed = [_timed(score, texts) for _ in range(REPEATS)]
        elapsed, used = (min(times) for times in zip(*timed, strict=True))
        result[kind] = {
            "distinct_texts": len(texts),
            "mb_s": round(size_mb / used, 2),
            "texts_s": round(len(texts) / used),
            "elapsed_mb_s": round(size_mb / elapsed, 2),
            "elapsed_texts_s": round(len(texts) / elapsed),
        }
    return result


def _timed(score: Score, texts: Sequence[str]) -> tuple[float, float]:
    """Return (elapsed, used) seconds."""
    elapsed, used = time.perf_counter(), time.process_time()
    score(texts)
    return time.perf_counter() - elapsed, time.process_time() - used


def run(name: str, options: argparse.Namespace) -> dict[str, object]:
    """Return the rates of one subject, measured in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--subject",
        name,
        "--rows",
        str(options.rows),
        "--threads",
        str(options.threads),
    ]
    command += ["--data", str(options.data)] if options.data else []
    one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(command, env=os.environ | one, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"subject": name, "skipped": done.stderr.strip().splitlines()[-1]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(results: Sequence[dict[str, object]]) -> str:
    """Return the results for a person; ratios are to the compiled path."""
    lines = [
        f"{'subject':22}{'ready s':>8}" + "".join(f"{kind + ' MB/s':>16}{'texts/s':>10}{'ratio':>8}" for kind in SIZES)
    ]
    for result in results:
        if "skipped" in result:
            lines.append(f"{result['subject']!s:22} skipped: {result['skipped']}")
            continue
        line = f"{result['subject']!s:22}{result['ready_s']!s:>8}"
        for kind in SIZES:
            rates, ours = dict(result[kind]), dict(results[0].get(kind, {}))  # type: ignore[call-overload]
            ratio = f"{rates['texts_s'] / ours['texts_s']:.3f}" if ours else "-"
            line += f"{rates['mb_s']:>16}{rates['texts_s']:>10}{ratio:>8}"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    """Measure all subjects, or with --subject one of them here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real texts")
    parser.add_argument("--rows", type=int, default=20_000, help="postings; five times as many messages")
    parser.add_argument("--threads", type=int, default=1, help="of the compiled path")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--subject", choices=SUBJECTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subject:
        print(json.dumps(measure(options.subject, options.data, options.rows, options.threads)))
        return
    results = [run(name, options) for name in SUBJECTS]
    print(json.dumps(results, indent=1) if options.json else table(results))


if __name__ == "__main__":
    main()
