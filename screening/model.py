"""The weights: arrays in one uncompressed .npz and a JSON manifest that vouches for them.

Nothing is unpickled. A file whose hash is not the manifest's is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screening.errors import ModelError
from screening.features import GRAM_BUCKETS, grams_of, key_of

FORMAT = 1
ARRAYS = ("word_keys", "word_weights", "pair_keys", "pair_weights", "gram_weights")
MANIFEST, WEIGHTS = "manifest.json", "weights.npz"

Keys = NDArray[np.uint32]
Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """An additive model of one text's logit.

    Attributes
    ----------
    word_keys, pair_keys
        uint32, sorted, unique: the keys (`features.key_of`) of words and pairs of words.
    word_weights, pair_weights
        float32 of the same lengths: logits, before `Features.scale`.
    gram_weights
        float32 of shape (GRAM_BUCKETS,): for words that have no key, summed over their n-grams.
    indicators
        Code -> logits for a value of 1. Risk codes are never negative, framing and bounded never positive.
    intercept
        Logits, at the manifest's prevalence.
    manifest
        What the weights were trained on, thresholds, and hashes.
    """

    word_keys: Keys
    word_weights: Weights
    pair_keys: Keys
    pair_weights: Weights
    gram_weights: Weights
    indicators: Mapping[str, float]
    intercept: float
    manifest: Mapping[str, Any]

    def word_values(self, words: Iterable[str]) -> list[float]:
        """Return the weight of each word; a word without one gets that of its letter n-grams."""
        words = list(words)
        found, values = _look_up(self.word_keys, self.word_weights, words)
        return [
            value if known else float(sum(float(self.gram_weights[g]) for g in grams_of(word)))
            for word, known, value in zip(words, found, values, strict=True)
        ]

    def pair_values(self, pairs: Iterable[str]) -> list[float]:
        """Return the weight of each pair, 0 for one never learnt."""
        return _look_up(self.pair_keys, self.pair_weights, list(pairs))[1]

    def knows(self, word: str) -> bool:
        """Return whether the word has a weight of its own."""
        return bool(_look_up(self.word_keys, self.word_weights, [word])[0][0])


def _look_up(keys: Keys, weights: Weights, terms: list[str]) -> tuple[list[bool], list[float]]:
    if not terms or not len(keys):
        return [False] * len(terms), [0.0] * len(terms)
    wanted = np.array([key_of(term) for term in terms], dtype=np.uint32)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = keys[at] == wanted
    return found.tolist(), np.where(found, weights[at], 0.0).astype(np.float64).tolist()


def load_model(folder: str | Path | None = None) -> Model:
    """Return the model in a folder, or the one that ships with the package.

    Raises
    ------
    ModelError
        If a file is missing, was changed after export, or has another format.
    """
    place: Traversable = Path(folder) if folder else resources.files("screening") / "data" / "model"
    manifest, raw = read_export(place, FORMAT, "python -m training")
    arrays = _read_arrays(raw, place)
    return Model(**arrays, indicators=manifest["indicators"], intercept=float(manifest["intercept"]), manifest=manifest)


def read_export(place: Traversable, number: int, command: str) -> tuple[dict[str, Any], bytes]:
    """Return a folder's manifest and the bytes of its weights, both as they were exported; `command` makes them.

    Raises
    ------
    ModelError
        If a file is missing or was changed after export, or its format is not that `number`.
    """
    again = f"export it again with `{command}` or reinstall the package"
    manifest = _manifest_of(_read(place, MANIFEST, command), f"{place}/{MANIFEST}", again)
    if manifest.get("format") != number:
        raise ModelError(f"{place}/{MANIFEST} has format {manifest.get('format')!r}; this version reads {number}")
    if manifest.get("manifest_sha256") != manifest_hash(manifest):
        raise ModelError(f"{place}/{MANIFEST} was changed after export; {again}")
    raw = _read(place, WEIGHTS, command)
    if hashlib.sha256(raw).hexdigest() != manifest["weights_sha256"]:
        raise ModelError(f"{place}/{WEIGHTS} was changed after export; {again}")
    return manifest, raw


def _read(place: Traversable, name: str, command: str) -> bytes:
    try:
        return (place / name).read_bytes()
    except OSError as error:
        raise ModelError(f"no {name} in {place}: {error}; make one with `{command}`") from error


def _manifest_of(raw: bytes, path: str, again: str) -> dict[str, Any]:
    try:
        manifest = json.loads(raw)
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise ModelError(f"{path} is not a JSON object; {again}")
    return manifest


def manifest_hash(manifest: Mapping[str, Any]) -> str:
    """Return the hash of all of a manifest but that hash itself."""
    rest = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _read_arrays(raw: bytes, place: Traversable) -> dict[str, Any]:
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{place}/{WEIGHTS} is not a file of plain arrays: {error}; export the model again") from error
    if sorted(arrays) != sorted(ARRAYS):
        raise ModelError(f"{place}/{WEIGHTS} holds {sorted(arrays)}; wanted {sorted(ARRAYS)}")
    if len(arrays["gram_weights"]) != GRAM_BUCKETS:
        raise ModelError(f"{place}/{WEIGHTS}: gram_weights has {len(arrays['gram_weights'])} rows, not {GRAM_BUCKETS}")
    arrays = {k: v if k.endswith("keys") else v.astype(np.float32) for k, v in arrays.items()}
    return arrays


def save_model(model: Model, folder: Path) -> None:
    """Write the model's two files; weights are stored in half precision, which `load_model` widens again."""
    arrays = {n: getattr(model, n) for n in ARRAYS}
    arrays = {n: a if n.endswith("keys") else a.astype(np.float16) for n, a in arrays.items()}
    stated = {**model.manifest, "indicators": dict(model.indicators), "intercept": model.intercept}
    write_export(folder, arrays, {**stated, "format": FORMAT})


def write_export(folder: Path, arrays: dict[str, Any], manifest: Mapping[str, Any]) -> None:
    """Write what `read_export` reads: the arrays, and the manifest with its hashes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    stated = {**manifest, "weights_sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    stated["manifest_sha256"] = manifest_hash(stated)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(buffer.getvalue())
    (folder / MANIFEST).write_text(json.dumps(stated, indent=1, sort_keys=True) + "\n", "utf-8")
