"""The front door: load once, screen many."""

from __future__ import annotations

import bisect
import copy
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from screening.assessment import Assessment, Contribution, Finding, Level, Span
from screening.catalogue import LANGUAGES, Catalogue, load_catalogue
from screening.errors import ModelError
from screening.features import EVASION, Features, Featuriser
from screening.language import MIN_TOKENS, OTHER, detect_language
from screening.model import Model, load_model, manifest_hash
from screening.score import contributions, log_odds, logit_of, probability_of, with_term
from screening.semantic import SHARE, Look, SecondLook, load_second_look

if TYPE_CHECKING:
    import pandas as pd

MAX_TEXT = 1_000_000  # code points; a posting is never longer, and what follows would only dilute it


class Screener:
    """Scores postings and explains the score. Ranks for human review; condemns nobody.

    Make one with `Screener.load()`. A screener does not change: `with_prevalence`,
    `with_second_look`, `at_precision` and `at_capacity` return new ones that share the model.
    """

    def __init__(self, model: Model, catalogue: Catalogue) -> None:
        if missing := sorted(set(model.manifest["codes"]) - set(catalogue.codes)):
            raise ModelError(f"the model was trained with indicators this catalogue lacks: {', '.join(missing)}")
        self._model, self._catalogue = model, catalogue
        self._featurise = Featuriser(catalogue)
        self._prevalence = float(model.manifest["prevalence"])
        self._thresholds = {level: float(model.manifest["thresholds"][level]) for level in ("review", "high")}
        self._second_look: SecondLook | None = None
        self._edge = float("inf")  # standing from which texts get the second look

    @classmethod
    def load(cls, folder: str | Path | None = None, *, second_look: bool = False) -> Screener:
        """Return a screener with the bundled model, or with one exported to `folder`.

        `second_look=True` is short for `.with_second_look()`.

        Raises
        ------
        ModelError
            If the model is missing, was changed after export, or has another format.
        CatalogueError
            If a catalogue file is wrong.
        MissingExtraError
            If the second look is asked for and the extra `semantic` is not installed.
        """
        screener = cls(load_model(folder), load_catalogue())
        return screener.with_second_look() if second_look else screener

    @property
    def catalogue(self) -> Catalogue:
        """Return the indicators this screener looks for."""
        return self._catalogue

    @property
    def prevalence(self) -> float:
        """Return the share of lures, in (0, 1), that probabilities are calibrated for."""
        return self._prevalence

    @property
    def thresholds(self) -> dict[str, float]:
        """Return the probability at which a posting becomes "review" and "high", at this prevalence."""
        return {level: probability_of(logit + self._shift) for level, logit in self._thresholds.items()}

    @property
    def fingerprint(self) -> str:
        """Return a hash of all that scores depend on: weights, indicators, prevalence, thresholds and second look."""
        look = self._second_look and (self._edge, self._second_look.manifest.get("manifest_sha256"))
        parts = (
            manifest_hash(self._model.manifest),
            self._catalogue.indicators,
            self._catalogue.phrases,
            self._prevalence,
            sorted(self._thresholds.items()),
            look,
        )
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def _shift(self) -> float:
        return log_odds(self._prevalence) - log_odds(float(self._model.manifest["prevalence"]))

    def screen(self, text: str, *, second_look: bool | None = None) -> Assessment:
        """Return the assessment of one posting.

        An empty text gets the note "empty"; one of under four words "too-short"; one in
        another language than es, pt or en "other-language": treat their scores as no opinion.

        Parameters
        ----------
        second_look
            True looks twice at this text whatever its score, False never does; by default the
            texts of `with_second_look` are.

        Raises
        ------
        TypeError
            If `text` is not a str.
        MissingExtraError
            If the second look is asked for and the extra `semantic` is not installed.
        """
        if not isinstance(text, str):
            raise TypeError(f"a posting must be a str, not {type(text).__name__}; decode bytes or pick a text column")
        if second_look and self._second_look is None:
            return self.with_second_look().screen(text, second_look=True)
        features = self._featurise(text[:MAX_TEXT])
        language = detect_language(features.words)
        terms = contributions(features, self._model, self._shift)
        look = self._look(features, text, logit_of(terms) - self._shift, second_look)
        if look:
            terms = with_term(terms, Contribution("semantic", "second look", look.term * self._span))
        logit = logit_of(terms)
        weights = {term.name: term.value for term in terms if term.kind == "indicator"}
        return Assessment(
            text=text,
            language=language,
            probability=probability_of(logit),
            level=self._level(logit - self._shift),
            logit=logit,
            prevalence=self._prevalence,
            findings=self._findings(features, weights, language),
            contributions=terms,
            notes=_notes(features, language),
            tier="second" if look else "first",
            nearest=look.nearest if look else (),
        )

    def with_second_look(self, share: float = SHARE) -> Screener:
        """Return a screener that looks twice at the texts that this share of honest ones score above.

        The second look reads meaning, takes milliseconds where the first takes microseconds,
        and needs the extra `semantic`. Share 1 looks twice at every text. "high" then starts at
        another probability, which as few honest ads pass as before. Choose `at_precision` or `at_capacity`
        after it: they then go by what both looks together were measured at.

        Raises
        ------
        MissingExtraError
            If the extra is not installed; the message holds the install command.
        ModelError
            If the second look's files are wrong, or the model does not tell "review" from "high".
        ValueError
            If the share is outside what was measured.
        """
        if self._span <= 0:
            raise ModelError('the second look needs a model whose "high" is above its "review"; train it on more texts')
        other = copy.copy(self)
        look = load_second_look()
        other._edge = look.edge(share)
        if self._second_look is None:
            other._second_look = look
            other._thresholds = self._thresholds | {"high": self._thresholds["high"] + (look.high - 1) * self._span}
        return other

    def _look(self, features: Features, text: str, logit: float, wanted: bool | None) -> Look | None:
        """Return the second look at a text of this logit, at the model's own prevalence; None if it gets none."""
        if self._second_look is None or wanted is False or not features.words:
            return None
        return self._second_look(features, text) if wanted or self._stands_high(logit) else None

    def looks_twice_at(self, logit: float) -> bool:
        """Return whether `screen` looks a second time at a text (with words) of this first-tier logit."""
        return self._second_look is not None and self._stands_high(logit - self._shift)

    def _stands_high(self, logit: float) -> bool:
        """Return whether a logit, at the model's own prevalence, stands in the second look's band."""
        return (logit - float(self._model.manifest["thresholds"]["review"])) / self._span >= self._edge

    @property
    def _span(self) -> float:
        """Return the logits from the model's threshold of "review" to that of "high": one unit of standing."""
        thresholds = self._model.manifest["thresholds"]
        return float(thresholds["high"]) - float(thresholds["review"])

    def screen_many(self, texts: Iterable[str]) -> Iterator[Assessment]:
        """Yield the assessment of each posting, in order and one at a time."""
        return map(self.screen, texts)

    def screen_frame(self, frame: pd.DataFrame, text: str = "text") -> pd.DataFrame:
        """Return a frame with the index of `frame` and columns probability, level, language, indicators.

        A cell that is not a str (None, NaN) gets NaN, None, None and an empty tuple.

        Raises
        ------
        KeyError
            If `frame` has no column named `text`; the message lists those it has.
        """
        from screening.tables import screen_frame

        return screen_frame(self, frame, text)

    def with_prevalence(self, prevalence: float) -> Screener:
        """Return a screener whose probabilities assume this share of lures, in (0, 1). Levels stay as they are."""
        if not 0 < prevalence < 1:
            raise ValueError(f"prevalence is a share strictly between 0 and 1, not {prevalence!r}")
        other = copy.copy(self)
        other._prevalence = prevalence
        return other

    def at_precision(self, precision: float) -> Screener:
        """Return a screener whose "review" starts where that share of the flagged are expected to be lures.

        Uses the measured curve, the second look's where there is one, and this screener's prevalence: state
        a prevalence you believe in first.

        Raises
        ------
        ValueError
            If no threshold on the curve reaches the precision at this prevalence.
        """
        share = self._prevalence
        for logit, recall, false_positives in self._curve():
            flagged = share * recall + (1 - share) * false_positives
            if flagged and share * recall / flagged >= precision:
                return self._with_review(logit)
        raise ValueError(f"no threshold reaches precision {precision} at prevalence {share}; ask for less")

    def at_capacity(self, reviews: int, per: int = 10_000) -> Screener:
        """Return a screener whose "review" is expected to flag at most `reviews` of every `per` postings.

        Raises
        ------
        ValueError
            If `reviews` is not between 1 and `per`, or is less than the curve can tell apart.
        """
        if not 0 < reviews <= per:
            raise ValueError(f"reviews must be between 1 and {per}, not {reviews}")
        share = self._prevalence
        for logit, recall, false_positives in self._curve():
            if share * recall + (1 - share) * false_positives <= reviews / per:
                return self._with_review(logit)
        raise ValueError(f"{reviews} in {per} is less than the measured curve can tell apart; allow more")

    def _curve(self) -> list[tuple[float, float, float]]:
        """Return (logit at the model's own prevalence, recall, false-positive rate), lowest first."""
        twice = self._second_look and self._second_look.curve(self._edge)
        if twice:
            review = float(self._model.manifest["thresholds"]["review"])
            return [(review + standing * self._span, recall, passed) for standing, recall, passed in twice]
        first: list[tuple[float, float, float]] = self._model.manifest["curve"]
        return first

    def _with_review(self, logit: float) -> Screener:
        other = self.with_prevalence(self._prevalence)
        other._thresholds = {"review": logit, "high": max(logit, self._thresholds["high"])}
        return other

    def _level(self, logit: float) -> Level:
        levels: tuple[Level, ...] = ("low", "review", "high")
        return levels[bisect.bisect_right([self._thresholds["review"], self._thresholds["high"]], logit)]

    def _findings(self, features: Features, weights: dict[str, float], language: str) -> tuple[Finding, ...]:
        spoken = language if language in LANGUAGES else "en"
        findings = []
        for code, spans in spans_by_code(features).items():
            indicator = self._catalogue.by_code[code]
            findings.append(
                Finding(
                    code=code,
                    family=indicator.family,
                    role=indicator.role,
                    title=indicator.title[spoken],
                    reason=indicator.reason[spoken],
                    authority=indicator.authority,
                    strength=indicator.strength,
                    spans=spans,
                    contribution=weights.get(code, 0.0),
                )
            )
        return tuple(sorted(findings, key=lambda f: (-abs(f.contribution), f.code)))


def spans_by_code(features: Features) -> dict[str, tuple[Span, ...]]:
    """Return where each indicator was found, in code points of the original text; overlaps are merged."""
    tokens = features.tokens
    ranges: dict[str, list[tuple[int, int]]] = {}
    for match in features.matches:
        ranges.setdefault(match.phrase.code, []).append((tokens.starts[match.start], tokens.ends[match.end - 1]))
    if tokens.repaired:
        ranges[EVASION] = [(tokens.starts[i], tokens.ends[i]) for i in tokens.repaired]
    spans = {
        code: tuple(Span(*features.folded.original_span(start, end)) for start, end in _merged(found))
        for code, found in ranges.items()
    }
    if features.hidden:
        spans[EVASION] = (*spans.get(EVASION, ()), *(Span(start, end) for start, end in features.hidden))
    return spans


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _notes(features: Features, language: str) -> tuple[str, ...]:
    if not features.words:
        return ("empty",)
    notes = []
    if len(features.words) < MIN_TOKENS:
        notes.append("too-short")
    if language == OTHER:
        notes.append("other-language")
    return tuple(notes)
