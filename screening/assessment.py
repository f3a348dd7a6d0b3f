"""The values that pass out of the screener: frozen, plain, and ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["low", "review", "high"]
Role = Literal["risk", "framing", "bounded", "offer"]
SpeechAct = Literal["warning", "report", "account", "plea", "offer"]

# What a text does, by the indicator that tells it: Searle's (1976) acts, as far as a posting shows them. The
# first that is found names the text: a warning may tell a story, a victim's story reads like a report, and
# each of them may quote an offer.
SPEECH_ACTS: dict[str, SpeechAct] = {
    "framing-warning": "warning",
    "framing-account": "account",
    "framing-report": "report",
    "framing-seeker": "plea",
    "offer-to-reader": "offer",
}

CAVEAT = {
    "es": "Apoyo a la decisión: ordena textos para revisión humana; no prueba un delito ni señala a una persona.",
    "pt": "Apoio à decisão: ordena textos para revisão humana; não prova um crime nem aponta uma pessoa.",
    "en": "Decision support: it ranks texts for human review; it proves no crime and accuses no person.",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range `[start, end)` in code points of the original text: `text[start:end]` is the evidence."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """Return the evidence itself."""
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Finding:
    """One indicator found in a posting.

    `contribution` is in logits: what this indicator adds to (or, for the framing and
    bounded roles, takes from) the score. `reason` is in the posting's language.
    """

    code: str
    family: str
    role: Role
    title: str
    reason: str
    authority: str
    strength: str
    spans: tuple[Span, ...]
    contribution: float


@dataclass(frozen=True, slots=True)
class Contribution:
    """One term of the logit: `kind` is "intercept", "indicator", "words" or "semantic"; `name` says which."""

    kind: str
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the screener says of one posting.

    `probability` is calibrated for `prevalence`, the assumed share of lures among the
    texts screened. The values of `contributions` sum to `logit` (to 1e-9).
    `notes` holds short codes of doubts: "too-short", "other-language", "empty".
    `tier` is "second" where the second look had a say; `nearest` then holds the invented
    examples nearest in meaning, as (similarity, label, text).
    """

    text: str
    language: str
    probability: float
    level: Level
    logit: float
    prevalence: float
    findings: tuple[Finding, ...]
    contributions: tuple[Contribution, ...]
    notes: tuple[str, ...] = ()
    tier: str = "first"
    nearest: tuple[tuple[float, str, str], ...] = ()

    @property
    def indicators(self) -> tuple[str, ...]:
        """Return the codes of the risk indicators found, strongest first."""
        return tuple(f.code for f in self.findings if f.role == "risk")

    @property
    def speech_act(self) -> tuple[SpeechAct, Finding] | None:
        """Return what the text reads as, with the finding that tells it; None where nothing does."""
        by_code = {finding.code: finding for finding in self.findings}
        return next(((act, by_code[code]) for code, act in SPEECH_ACTS.items() if code in by_code), None)

    @property
    def caveat(self) -> str:
        """Return what a flag does not mean, in the posting's language."""
        return CAVEAT.get(self.language, CAVEAT["en"])

    def to_html(self) -> str:
        """Return an escaped HTML fragment: the text with its evidence marked, and the reasons."""
        from screening.report import to_html  # here, as `report` stands above this layer and imports it

        return to_html(self)

    def statement_of_reasons(self) -> str:
        """Return, as plain text in the posting's language, what was found, quoted, why, and on whose authority."""
        from screening.report import statement_of_reasons  # here, as `report` stands above this layer and imports it

        return statement_of_reasons(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; the posting's text is left out (keep it where it already is)."""
        return {
            "probability": self.probability,
            "level": self.level,
            "language": self.language,
            "logit": self.logit,
            "prevalence": self.prevalence,
            "tier": self.tier,
            "notes": list(self.notes),
            "indicators": list(self.indicators),
            "speech_act": self.speech_act[0] if self.speech_act else None,
            "findings": [_finding_dict(f, self.text) for f in self.findings],
            "contributions": [{"kind": c.kind, "name": c.name, "value": c.value} for c in self.contributions],
            "nearest": [{"similarity": s, "label": label, "text": text} for s, label, text in self.nearest],
            "caveat": self.caveat,
        }


def _finding_dict(finding: Finding, text: str) -> dict[str, Any]:
    return {
        "code": finding.code,
        "family": finding.family,
        "role": finding.role,
        "title": finding.title,
        "reason": finding.reason,
        "authority": finding.authority,
        "strength": finding.strength,
        "contribution": finding.contribution,
        "spans": [{"start": s.start, "end": s.end, "text": s.of(text)} for s in finding.spans],
    }
