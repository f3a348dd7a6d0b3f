"""Scores for batches: the compiled path where numba is installed, else the reference path; equal either way.

A score is the first tier's, and comes without reasons: call `Screener.screen` for the texts that
are looked at. Words are told apart by a 64-bit hash under a secret drawn at start; short of a
collision (once in more texts than there are) the results are exactly the reference path's.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from screening.assessment import Assessment
from screening.catalogue import LANGUAGES
from screening.errors import MissingExtraError
from screening.language import MIN_TOKENS, OTHER
from screening.screener import MAX_TEXT, Screener

if TYPE_CHECKING:
    import pyarrow as pa

LEVELS = ("low", "review", "high")
SPOKEN = (*LANGUAGES, OTHER)
NOTES = ("empty", "too-short", "other-language")  # bit 0, 1 and 2
TEXT_ROOM = 1 << 15  # folded code points at first; doubled when a text needs more
CACHED_WORDS = 1 << 17  # 64 bytes each
PART = 1 << 20  # bytes, or code points, that a thread takes at a time
NO_DATA = np.frombuffer(b"", np.uint8)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a batch, one row a text.

    Attributes
    ----------
    logit, probability
        float64; NaN for a text that is missing (an Arrow null).
    level
        uint8: index into `LEVELS`.
    language
        uint8: index into `SPOKEN`.
    notes
        uint8: bit i stands for `NOTES[i]`.
    codes
        uint64: bit i stands for `names[i]`, found in the text.
    names
        The codes of the indicators, by bit.
    ranked
        Bits of the risk indicators, strongest first.
    """

    logit: Floats
    probability: Floats
    level: NDArray[np.uint8]
    language: NDArray[np.uint8]
    notes: NDArray[np.uint8]
    codes: NDArray[np.uint64]
    names: tuple[str, ...]
    ranked: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.logit)

    def found(self, row: int) -> frozenset[str]:
        """Return the codes of all indicators found in a text."""
        codes = int(self.codes[row])
        return frozenset(name for bit, name in enumerate(self.names) if codes >> bit & 1)

    def indicators(self, row: int) -> tuple[str, ...]:
        """Return the codes of the risk indicators found, strongest first, as `Assessment.indicators`."""
        codes = int(self.codes[row])
        return tuple(self.names[bit] for bit in self.ranked if codes >> bit & 1)

    def notes_of(self, row: int) -> tuple[str, ...]:
        """Return the notes of a text, as `Assessment.notes`."""
        return tuple(note for bit, note in enumerate(NOTES) if int(self.notes[row]) >> bit & 1)


class BatchScorer:
    """Scores batches as `screener.screen(text, second_look=False)` does. May be shared by threads.

    Parameters
    ----------
    screener
        Whose model, indicators, prevalence and thresholds are used, as they are now.
    compiled
        True for the compiled path, False for the reference path, None for the compiled one if numba is there.
    cached_words
        What each thread remembers, a power of two: 8 MB unless said otherwise. Results do not depend on it.

    Raises
    ------
    MissingExtraError
        If the compiled path is asked for and numba is not installed.
    """

    def __init__(
        self,
        screener: Screener,
        compiled: bool | None = None,
        *,
        cached_words: int = CACHED_WORDS,
    ) -> None:
        if cached_words < 1 or cached_words & (cached_words - 1):
            raise ValueError(f"cached_words is a power of two, not {cached_words}")
        self._screener = screener
        self._names = screener.catalogue.codes
        self._ranked = _ranked(screener, self._names)
        self._engine = _engine(screener, compiled, cached_words)

    @property
    def path(self) -> str:
        """Return which path scores: "compiled" or "reference"."""
        return "compiled" if self._engine else "reference"

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        """Return the scores of some texts.

        Raises
        ------
        TypeError
            If one is no string; the message names its row.
        """
        if not self._engine:
            return self._by_reference(texts)
        _check_threads(threads)
        held = np.fromiter(texts, object, len(texts))  # read where they are, they must not go meanwhile
        return self._scores(*self._engine.run(self._engine.strings(held), threads))

    def score_buffers(self, data: NDArray[np.uint8], offsets: NDArray[Any], *, threads: int = 1) -> Scores:
        """Return the scores of texts that stand one after the other in a buffer.

        Parameters
        ----------
        data
            uint8: UTF-8. Lone surrogates, as Python's "surrogatepass" writes them, are let through.
        offsets
            int32 or int64 of shape (texts + 1,): text i is `data[offsets[i]:offsets[i + 1]]`.
        threads
            How many texts to score at a time; the GIL is not held.

        Raises
        ------
        ValueError
            If the offsets do not fit the data, or a text is not UTF-8; the message names its row.
        """
        _check(data, offsets, threads)
        if not self._engine:
            return self._by_reference(
                [_decoded(data[begin:end], row) for row, (begin, end) in enumerate(pairwise(offsets))]
            )
        return self._scores(*self._engine.run(self._engine.buffer(data, offsets), threads))

    def score_arrow(self, array: pa.Array | pa.ChunkedArray, *, threads: int = 1) -> Scores:
        """Return the scores of an Arrow array of strings, without copying it; a null gets NaN and no codes.

        Raises
        ------
        TypeError
            If the array does not hold strings.
        ValueError
            If a text is not UTF-8; the message names its row, in its chunk.
        MissingExtraError
            If pyarrow is not installed.
        """
        try:
            import pyarrow as pa
        except ImportError as error:
            raise MissingExtraError("pyarrow", "fast", "score_arrow") from error
        if isinstance(array, pa.ChunkedArray):
            parts = [self.score_arrow(chunk, threads=threads) for chunk in array.chunks]
            return self._joined(parts)
        if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
            raise TypeError(f"an array of string or large_string is wanted, not {array.type}; cast it first")
        _, places, data = array.buffers()
        width = np.int32 if pa.types.is_string(array.type) else np.int64
        if not len(array) or places is None:
            offsets = np.zeros(len(array) + 1, width)
        else:
            offsets = np.frombuffer(places, width)[array.offset : array.offset + len(array) + 1]
        held = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
        scores = self.score_buffers(held, offsets, threads=threads)
        if array.null_count:
            missing = np.asarray(array.is_null())
            scores.logit[missing] = scores.probability[missing] = np.nan
            for column, value in ((scores.level, 0), (scores.codes, 0), (scores.notes, 0)):
                column[missing] = value
            scores.language[missing] = SPOKEN.index(OTHER)
        return scores

    def _scores(
        self, logit: Floats, codes: NDArray[np.uint64], language: NDArray[np.uint8], words: NDArray[np.int32]
    ) -> Scores:
        decay = np.exp(-np.abs(logit))
        thresholds = [self._screener._thresholds[level] for level in LEVELS[1:]]
        notes = np.where(words == 0, 1, np.where(words < MIN_TOKENS, 2, 0))
        notes += np.where((words > 0) & (language == SPOKEN.index(OTHER)), 4, 0)
        return Scores(
            logit=logit,
            probability=np.where(logit >= 0, 1 / (1 + decay), decay / (1 + decay)),
            level=np.searchsorted(thresholds, logit - self._screener._shift, side="right").astype(np.uint8),
            language=language,
            notes=notes.astype(np.uint8),
            codes=codes,
            names=self._names,
            ranked=self._ranked,
        )

    def _by_reference(self, texts: Sequence[str]) -> Scores:
        rows = [self._screener.screen(text, second_look=False) for text in texts]
        bit = {name: 1 << i for i, name in enumerate(self._names)}
        return Scores(
            logit=np.array([row.logit for row in rows], np.float64),
            probability=np.array([row.probability for row in rows], np.float64),
            level=np.array([LEVELS.index(row.level) for row in rows], np.uint8),
            language=np.array([SPOKEN.index(row.language) for row in rows], np.uint8),
            notes=np.array([_note_bits(row) for row in rows], np.uint8),
            codes=np.array([sum(bit[f.code] for f in row.findings) for row in rows], np.uint64),
            names=self._names,
            ranked=self._ranked,
        )

    def _joined(self, parts: Sequence[Scores]) -> Scores:
        if not parts:
            return self._by_reference([])
        columns = ("logit", "probability", "level", "language", "notes", "codes")
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
        return Scores(**arrays, names=self._names, ranked=self._ranked)


class _Engine:
    """The compiled kernel, its tables, and what each thread writes."""

    def __init__(self, screener: Screener, cached_words: int) -> None:
        self._arrays: Any = importlib.import_module("screening._arrays")
        self._kernel: Any = importlib.import_module("screening._kernel")
        self._folds = self._arrays.FoldTable()
        catalogue, model = screener._catalogue, screener._model
        codes, hasher = self._arrays.codes_of(catalogue), self._arrays.Hasher()
        self._phrases = self._arrays.Phrases(catalogue)
        self._words = self._arrays.make_words(self._phrases, model, hasher, codes)
        self._tables = (
            self._folds.table,
            self._arrays.make_names(self._phrases, hasher),
            self._words,
            self._arrays.make_phrases(self._phrases, codes),
            self._arrays.make_rules(catalogue, model, screener._shift, MAX_TEXT),
        )
        self._cached_words = cached_words
        self._free: list[Any] = []
        self._lock = threading.Lock()

    def buffer(self, data: NDArray[np.uint8], offsets: NDArray[Any]) -> Any:
        """Return texts of UTF-8 as the kernel reads them."""
        # Of one kind each, whatever comes: the kernel would be compiled for every other
        data, offsets = np.ascontiguousarray(data).view(), offsets.astype(np.int64)
        data.flags.writeable = False
        return self._kernel.Texts(data, offsets[:-1], np.diff(offsets), np.zeros(len(offsets) - 1, np.uint8))

    def strings(self, texts: NDArray[np.object_]) -> Any:
        """Return strings as the kernel reads them: where Python holds them, without a copy.

        Raises
        ------
        TypeError
            If one is no string.
        """
        kernel, rows = self._kernel, len(texts)
        if not kernel.IN_PLACE:
            _check_strings(texts)
            return self.buffer(*encoded(texts))
        found = kernel.Texts(NO_DATA, np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.uint8))
        if kernel.find_strings(texts.ctypes.data, rows, id(str), *found[1:]) < rows:
            _check_strings(texts)
            kernel.find_strings(texts.ctypes.data, rows, 0, *found[1:])
        return found

    def run(self, texts: Any, threads: int) -> tuple[Any, ...]:
        """Return (logit, codes, language, distinct words) of each text."""
        rows = len(texts.sizes)
        out = (np.zeros(rows), np.zeros(rows, np.uint64), np.zeros(rows, np.uint8), np.zeros(rows, np.int32))
        parts = list(_parts(texts.sizes)) if threads > 1 else [(0, rows)]

        def work(part: tuple[int, int]) -> None:
            self._score(texts, part, out)

        if len(parts) == 1:
            work(parts[0])
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, parts))
        return out

    def _score(self, texts: Any, part: tuple[int, int], out: tuple[Any, ...]) -> None:
        kernel, (first, last) = self._kernel, part
        with self._lock:
            scratch, room = self._free.pop() if self._free else self._scratch(TEXT_ROOM)
        while True:
            status, first, needed = kernel.score_texts(texts, first, last, *self._tables, *scratch, *out)
            if status == kernel.DONE:
                break
            if status == kernel.NOT_UTF8:
                begin = texts.begins[first]
                _decoded(texts.data[begin : begin + texts.sizes[first]], first)  # raises
            if status == kernel.NEED_FOLDS:
                self._folds.add(needed)
            else:
                scratch, room = self._scratch(2 * room)
        if room <= 16 * TEXT_ROOM:  # one huge text is not to hold memory for good
            with self._lock:
                self._free.append((scratch, room))

    def _scratch(self, room: int) -> tuple[Any, int]:
        made = self._arrays.make_scratch(self._phrases, self._words, text_room=room, cached_words=self._cached_words)
        return made, room


def _engine(screener: Screener, compiled: bool | None, cached_words: int) -> _Engine | None:
    if compiled is False:
        return None
    try:
        importlib.import_module("numba")
    except ImportError as error:
        if compiled:
            raise MissingExtraError("numba", "fast", "The compiled path") from error
        return None
    return _Engine(screener, cached_words)


def _parts(sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows of about PART bytes."""
    first, rows = 0, len(sizes)
    ends = np.cumsum(sizes)
    while first < rows:
        last = int(np.searchsorted(ends, int(ends[first] - sizes[first]) + PART, side="left"))
        last = min(max(last, first + 1), rows)
        yield first, last
        first = last


def _check(data: NDArray[np.uint8], offsets: NDArray[Any], threads: int) -> None:
    if data.dtype != np.uint8 or offsets.dtype not in (np.int32, np.int64) or data.ndim != 1 or offsets.ndim != 1:
        raise ValueError(f"wanted uint8 data and int32 or int64 offsets, not {data.dtype} and {offsets.dtype}")
    if not len(offsets) or offsets[0] < 0 or offsets[-1] > len(data) or (np.diff(offsets) < 0).any():
        raise ValueError(f"offsets must be one more than the texts, never fall, and end within {len(data)} bytes")
    _check_threads(threads)


def _check_threads(threads: int) -> None:
    if threads < 1:
        raise ValueError(f"threads must be 1 or more, not {threads}")


def encoded(texts: Iterable[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return texts one after the other as UTF-8, and where each starts: what `score_buffers` takes."""
    pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
    return np.frombuffer(b"".join(pieces), np.uint8), np.cumsum([0, *map(len, pieces)], dtype=np.int64)


def _check_strings(texts: NDArray[np.object_]) -> None:
    for row, text in enumerate(texts):
        if not issubclass(type(text), str):  # isinstance believes what an object says of itself
            raise TypeError(f"row {row} is no str but {type(text).__name__}")


def _decoded(data: NDArray[np.uint8], row: int) -> str:
    try:
        return data.tobytes().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"row {row} is not UTF-8: {error.reason} at byte {error.start} of it; decode it first"
        ) from error


def _ranked(screener: Screener, names: tuple[str, ...]) -> tuple[int, ...]:
    weights, catalogue = screener._model.indicators, screener.catalogue
    risks = [bit for bit, name in enumerate(names) if catalogue[name].role == "risk"]
    return tuple(sorted(risks, key=lambda bit: (-abs(weights.get(names[bit], 0.0)), names[bit])))


def _note_bits(row: Assessment) -> int:
    return sum(1 << NOTES.index(note) for note in row.notes)
