"""The logit of one text as the sum of named terms: what explains is what scores."""

from __future__ import annotations

import math
from collections.abc import Iterator

from screening.assessment import Contribution
from screening.features import Features
from screening.model import Model


def contributions(features: Features, model: Model, shift: float = 0.0) -> tuple[Contribution, ...]:
    """Return every term of the logit, strongest first after the intercept.

    `shift` is the change of prior log-odds when the prevalence is not the model's own.
    """
    first = [Contribution("intercept", "intercept", model.intercept)]
    if shift:
        first.append(Contribution("intercept", "prevalence", shift))
    rest = sorted([*_indicator_terms(features, model), *_word_terms(features, model)], key=_strength)
    return (*first, *rest)


def with_term(terms: tuple[Contribution, ...], term: Contribution) -> tuple[Contribution, ...]:
    """Return the terms with one more in its place."""
    first = tuple(t for t in terms if t.kind == "intercept")
    return (*first, *sorted([*terms[len(first) :], term], key=_strength))


def logit_of(terms: tuple[Contribution, ...]) -> float:
    """Return the exactly rounded sum of the terms."""
    return math.fsum(term.value for term in terms)


def probability_of(logit: float) -> float:
    """Return the logistic function of a logit, without overflow."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def log_odds(probability: float) -> float:
    """Return the logit of a probability in (0, 1)."""
    return math.log(probability) - math.log1p(-probability)


def _strength(term: Contribution) -> tuple[float, str]:
    return -abs(term.value), term.name


def _indicator_terms(features: Features, model: Model) -> Iterator[Contribution]:
    for code, value in features.values.items():
        weight = model.indicators.get(code, 0.0)
        if weight:
            yield Contribution("indicator", code, weight * value)


def _word_terms(features: Features, model: Model) -> Iterator[Contribution]:
    scale = features.scale
    for word, weight in zip(features.words, model.word_values(features.words), strict=True):
        if weight:
            yield Contribution("words", word, weight * scale)
    for pair, weight in zip(features.pairs, model.pair_values(features.pairs), strict=True):
        if weight:
            yield Contribution("words", pair, weight * scale)
