"""One table of real texts from the data folder, with what each may be used for.

Columns: id, text, label (1 lure, 0 not), kind, language, form, source, group, train.
`group` joins near-copies and texts of one source that must stay on one side of a split;
`train` is False where a licence or the wording's fidelity allows evaluation only. Once cut to
post length, `whole` holds what `text` was cut from.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import re
from pathlib import Path

import numpy as np
import pandas as pd
from nltk.stem.snowball import SnowballStemmer
from numpy.typing import NDArray

from screening.fold import fold_text

COLUMNS = ["id", "text", "label", "kind", "language", "form", "source", "group", "train"]
ENVIRONMENT = "SCREENING_DATA"  # names the data folder where no option does
EVALUATION_ONLY = {"amilan/spanish_job_market"}  # CC BY-NC-SA
POST_LENGTHS = (35, 230)  # code points: the range of the quoted lures' lengths, so that length tells little
GROUP_WORDS = 8  # texts with the same opening words are copies of one template
# The forms of quoted lures, given to the other texts as well, so that calibration can be measured by form.
FORM_OF_KIND = dict.fromkeys(("comment", "message", "post", "tweet"), "message") | dict.fromkeys(
    ("awareness", "news"), "reported-speech"
)  # the rest are ads: of jobs, rooms and products
FORM_OF_LOOK_ALIKE = dict.fromkeys(("honest-offer", "legit-ad", "service", "travel-ad"), "ad") | dict.fromkeys(
    ("account", "community-post", "job-seeker", "victim-account"), "message"
)  # the rest are news, advice and warnings

_BREAK = re.compile(r"(?<=[.!?\n;])\s+")


class DataFolderError(FileNotFoundError):
    """Raised when the data folder or one of its files is not there."""


def data_folder(option: str | None) -> Path | None:
    """Return the folder named by the option or the environment; None where neither names one."""
    name = option or os.environ.get(ENVIRONMENT)
    if not name:
        return None
    folder = Path(name)
    if not (folder / "background" / "background.parquet").exists():
        raise DataFolderError(f"{folder} holds no background/background.parquet; name the folder that does")
    return folder


def read_corpus(folder: Path) -> pd.DataFrame:
    """Return every real text of the folder, one row a text, in a fixed order."""
    parts = [_background(folder), _quoted(folder), _suspicious(folder), _emscad(folder)]
    corpus = pd.concat(parts, ignore_index=True)[COLUMNS]
    corpus = corpus[corpus.text.str.strip().str.len() > 0]
    return corpus.drop_duplicates("text").sort_values("id", ignore_index=True)


def corpus_hash(corpus: pd.DataFrame) -> str:
    """Return a hash of ids, texts and labels: floors hold for one corpus only."""
    digest = hashlib.sha256()
    for row in corpus.itertuples():
        digest.update(f"{row.id}\t{row.label}\t{row.text}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def judged(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows results are quoted on; EMSCAD and what is only suspicious have measures of their own."""
    return np.asarray(~table.kind.str.startswith(("emscad", "suspicious")), bool)


def template_group(text: str, language: str = "es") -> str:
    """Return the stems of the opening words: copies of one template share them, also with other endings."""
    stemmer = _stemmer(language)
    words = re.findall(r"[^\W\d_]+", fold_text(text[:400]))[:GROUP_WORDS]
    return " ".join(stemmer.stem(word) for word in words)


@functools.cache
def _stemmer(language: str) -> SnowballStemmer:
    return SnowballStemmer({"es": "spanish", "pt": "portuguese"}.get(language, "english"))


def post_window(text: str, key: str) -> str:
    """Return a stretch of post length from a long text, the same one for the same key."""
    rng = random.Random(key)
    length = rng.randint(*POST_LENGTHS)
    if len(text) <= length:
        return text
    starts = [0, *(m.end() for m in _BREAK.finditer(text) if len(text) - m.end() >= length // 2)]
    return _stretch(text, rng.choice(starts), length)


def _stretch(text: str, start: int, length: int) -> str:
    """Return at most `length` code points, without a last word that is cut."""
    stretch = text[start : start + length + 1]
    return stretch.rsplit(" ", 1)[0] if len(stretch) > length else stretch


def stretches(text: str, key: str) -> list[str]:
    """Return a text as stretches of post length that do not overlap, each from the start of a sentence or line."""
    rng = random.Random(f"stretches:{key}")
    found, done = [], 0
    for start in (0, *(m.end() for m in _BREAK.finditer(text))):
        if start >= done:
            found.append(_stretch(text, start, rng.randint(*POST_LENGTHS)))
            done = start + len(found[-1])
    return [stretch for stretch in found if len(stretch.strip()) >= POST_LENGTHS[0]]


def with_windows(corpus: pd.DataFrame) -> pd.DataFrame:
    """Return the corpus with ads, news and the like cut to post length; quoted texts are short and stay whole."""
    texts = [
        text if key.startswith("quoted:") else post_window(text, key)
        for text, key in zip(corpus.text, corpus.id, strict=True)
    ]
    return corpus.assign(text=texts, whole=corpus.text)


def _background(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(folder / "background" / "background.parquet")
    kind = frame.kind.where(frame.form != "H-2A/H-2B, composed from fields", "job-ad-seasonal")
    return pd.DataFrame(
        {
            "id": [f"background:{i}" for i in frame.id.fillna(pd.Series(frame.index, frame.index).astype(str))],
            "text": frame.text.fillna(""),
            "label": 0,
            "kind": kind,
            "language": frame.lang,
            "form": frame.kind.map(FORM_OF_KIND).fillna("ad"),
            "source": frame.source,
            "group": frame.group.fillna("").astype(str),
            "train": ~frame.source.isin(EVALUATION_ONLY),
        }
    )


def _quoted(folder: Path) -> pd.DataFrame:
    rows = []
    for name, label, kind in (("lures", 1, "lure"), ("hard_negatives", 0, "look-alike")):
        for line in (folder / "quoted" / f"{name}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            rows.append(
                {
                    "id": f"quoted:{name}:{row['id']}",
                    "text": row["text"],
                    "label": label,
                    "kind": kind,
                    "language": row["lang"],
                    "form": FORM_OF_LOOK_ALIKE.get(row["form"], "reported-speech") if label == 0 else row["form"],
                    "source": row.get("source_url") or row.get("source_title") or row["id"],
                    "group": row.get("source_url") or row["id"],
                    "train": True,
                }
            )
    return pd.DataFrame(rows)


def _suspicious(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(folder / "suspicious" / "suspicious.parquet")
    return pd.DataFrame(
        {
            "id": [f"suspicious:{i}" for i in frame.id],
            "text": frame.text,
            "label": 1,
            "kind": "suspicious",
            "language": frame.lang,
            "form": "ad",
            "source": frame.source,
            "group": frame.group.astype(str),
            "train": True,
        }
    )


def _emscad(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(folder / "emscad" / "emscad_part.parquet")
    text = frame[["title", "description", "requirements", "benefits"]].fillna("").agg("\n".join, axis=1)
    fraud = frame.fraudulent.astype(int)
    return pd.DataFrame(
        {
            "id": [f"emscad:{i}" for i in frame.index],
            "text": text.str.strip(),
            "label": fraud,
            "kind": fraud.map({1: "emscad-fraud", 0: "emscad-genuine"}),
            "language": "en",
            "form": "ad",
            "source": "emscad:" + frame.source_repo.astype(str),
            "group": "emscad:" + frame.text_group.astype(str),
            "train": True,
        }
    )
