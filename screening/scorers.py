"""Batches of texts to verdicts, by whichever path is there; all paths give the same columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from screening.assessment import Assessment
from screening.fast import LEVELS, SPOKEN, BatchScorer
from screening.screener import Screener


class Verdict(NamedTuple):
    """What a row gets; `twice` says whether the second look had a say."""

    logit: float
    probability: float
    level: str
    language: str
    indicators: tuple[str, ...]
    twice: bool = False

    @property
    def cells(self) -> tuple[float, str, str, tuple[str, ...]]:
        """Return the values of OUR_COLUMNS."""
        return self[1:5]


PATHS = ("auto", "compiled", "reference")
NO_OPINION = Verdict(float("nan"), float("nan"), "low", "other", ())


class Scorer(Protocol):
    """Scores batches of texts."""

    @property
    def path(self) -> str:
        """Return which path scores: "compiled" or "reference"."""

    @property
    def looks_twice(self) -> bool:
        """Return whether some texts get the second look."""

    def score(self, texts: Sequence[str]) -> list[Verdict]:
        """Return the verdict of each text, in order."""


class FirstScorer:
    """The first tier, compiled or not: what `BatchScorer` finds, as verdicts."""

    looks_twice = False

    def __init__(self, screener: Screener, compiled: bool | None = None) -> None:
        self._scorer = BatchScorer(screener, compiled)

    @property
    def path(self) -> str:
        """Return "compiled" or "reference"."""
        return self._scorer.path

    def score(self, texts: Sequence[str]) -> list[Verdict]:
        """Return the verdict of each text."""
        scores = self._scorer.score(texts)
        found = {
            int(scores.codes[row]): scores.indicators(row) for row in np.unique(scores.codes, return_index=True)[1]
        }
        columns = (scores.logit, scores.probability, scores.level, scores.language, scores.codes)
        return [
            Verdict(logit, probability, LEVELS[level], SPOKEN[language], found[codes])
            for logit, probability, level, language, codes in zip(*(c.tolist() for c in columns), strict=True)
        ]


class TwiceScorer:
    """Scores all texts by another scorer, and looks twice at those that stand high enough by it."""

    looks_twice = True

    def __init__(self, screener: Screener, first: Scorer) -> None:
        self._screener, self._first = screener, first
        self.path = first.path

    def score(self, texts: Sequence[str]) -> list[Verdict]:
        """Return the verdict of each text: the second tier's where it had a say, otherwise the first's."""
        first = self._first.score(texts)
        return [
            verdict_of(self._screener.screen(text)) if self._screener.looks_twice_at(verdict.logit) else verdict
            for text, verdict in zip(texts, first, strict=True)
        ]


def verdict_of(assessment: Assessment) -> Verdict:
    """Return the verdict that an assessment holds."""
    return Verdict(
        assessment.logit,
        assessment.probability,
        assessment.level,
        assessment.language,
        assessment.indicators,
        assessment.tier == "second",
    )


def make_scorer(screener: Screener, path: str = "auto", second_look: bool = False) -> Scorer:
    """Return the scorer of a path: "compiled", "reference", or "auto" for the compiled one if it can be had.

    Raises
    ------
    MissingExtraError
        If the compiled path is asked for and numba is not installed.
    """
    first = FirstScorer(screener, {"auto": None, "compiled": True, "reference": False}[path])
    return TwiceScorer(screener, first) if second_look else first
