"""Assessments for people: an HTML fragment, a page of many, a statement of reasons, and lines for a terminal."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

from screening.assessment import CAVEAT, Assessment, Contribution, Finding, Level

MAX_SHOWN = 20_000  # code points of one posting on a page; evidence past that is still quoted with its reason
MAX_QUOTES = 5  # pieces of evidence quoted for one finding
MAX_QUOTE = 300  # code points of one
MAX_COPIES = 20  # copies in a campaign whose texts are on the page; the others have their id and score there
MAX_COPY = 2_000  # code points shown of one
STRONGEST_WORDS = 8
BAR_WIDTH = 60  # pixels of the largest contribution's bar

_LANGUAGE_NAMES = {"es": "Spanish", "pt": "Portuguese", "en": "English", "other": "Another language"}
_ROLE_NAMES = {"risk": "Risk", "framing": "Not an offer", "bounded": "Points to honesty", "offer": "Offer"}
_NOTES = {
    "empty": "There is no text to judge.",
    "too-short": "The text is too short to judge: read the score as no opinion.",
    "other-language": "The text is not in Spanish, Portuguese or English: read the score as no opinion.",
}
# Control characters to their visible pictures, U+2400 and on; newline and tab stay, lone surrogates cannot be written.
_PICTURES = {c: 0x2400 + c for c in range(32) if chr(c) not in "\n\t\r"} | {0x7F: 0x2421}
_HALF_PAIRS = re.compile("[\ud800-\udfff]")

_COPIES_NOTE = (
    "<li>Copies of one posting, alike in three fifths of their runs of ten letters, are one entry: a campaign. "
    "Your decision on it is exported for each copy, but for those you tick as another posting.</li>\n"
)

_WORDING = {
    "es": {
        "title": "Exposición de motivos: por qué se pidió revisar este texto",
        "level": "Prioridad para la revisión",
        "low": "baja",
        "review": "revisar",
        "high": "alta",
        "probability": "Probabilidad estimada",
        "assumed": "si {share} de los textos revisados fueran ofertas engañosas",
        "found": "Qué se encontró en el texto",
        "none": "Ninguna de las señales del catálogo.",
        "quote": "Cita",
        "why": "Por qué importa",
        "authority": "Según",
        "also": "Qué más se tuvo en cuenta (no es una señal de riesgo)",
        "how": "Cómo se hizo: de forma automática; el resultado suma los pesos de estas señales y de las palabras.",
        "twice": "Se leyó dos veces: el resultado suma también su parecido de sentido con ejemplos conocidos.",
        "words": "Palabras que más pesan",
        "nearest": "Segunda lectura: los ejemplos inventados más cercanos por su sentido",
        "lure": "oferta engañosa",
        "honest": "oferta honesta",
        "framed": "no es una oferta",
        "caveat": "Qué no significa",
        "reads": "Se lee como",
        "warning": "una advertencia",
        "report": "una noticia o un informe",
        "account": "un relato propio",
        "plea": "una búsqueda de trabajo o una pregunta",
        "offer": "una oferta a quien lee",
        "missing": "Falta añadir, por quien decida: la medida y su alcance, la norma aplicada y cómo recurrir.",
    },
    "pt": {
        "title": "Exposição de motivos: por que se pediu a revisão deste texto",
        "level": "Prioridade para a revisão",
        "low": "baixa",
        "review": "revisar",
        "high": "alta",
        "probability": "Probabilidade estimada",
        "assumed": "se {share} dos textos examinados fossem ofertas enganosas",
        "found": "O que se encontrou no texto",
        "none": "Nenhum dos sinais do catálogo.",
        "quote": "Citação",
        "why": "Por que importa",
        "authority": "Segundo",
        "also": "O que mais se levou em conta (não é sinal de risco)",
        "how": "Como foi feito: de forma automática; o resultado soma os pesos destes sinais e das palavras.",
        "twice": "Foi lido duas vezes: o resultado soma também a sua semelhança de sentido com exemplos conhecidos.",
        "words": "Palavras que mais pesam",
        "nearest": "Segunda leitura: os exemplos inventados mais próximos pelo sentido",
        "lure": "oferta enganosa",
        "honest": "oferta honesta",
        "framed": "não é uma oferta",
        "caveat": "O que isto não significa",
        "reads": "Lê-se como",
        "warning": "um alerta",
        "report": "uma notícia ou um relatório",
        "account": "um relato próprio",
        "plea": "uma busca de trabalho ou uma pergunta",
        "offer": "uma oferta a quem lê",
        "missing": "Falta acrescentar, por quem decidir: a medida e o seu alcance, a norma aplicada e como recorrer.",
    },
    "en": {
        "title": "Statement of reasons: why a review of this text was asked for",
        "level": "Priority for review",
        "low": "low",
        "review": "review",
        "high": "high",
        "probability": "Estimated probability",
        "assumed": "if {share} of the texts screened were deceptive offers",
        "found": "What was found in the text",
        "none": "None of the signs in the catalogue.",
        "quote": "Quote",
        "why": "Why it matters",
        "authority": "According to",
        "also": "What else was taken into account (not a sign of risk)",
        "how": "How it was done: by automated means; the result sums the weights of these signs and of the words.",
        "twice": "It was read twice: the result also sums its likeness in meaning to known examples.",
        "words": "Strongest words",
        "nearest": "Second look: the invented examples nearest in meaning",
        "lure": "deceptive offer",
        "honest": "honest offer",
        "framed": "not an offer",
        "caveat": "What this does not mean",
        "reads": "Reads as",
        "warning": "a warning",
        "report": "a report",
        "account": "a first-person account",
        "plea": "a plea for work or a question",
        "offer": "an offer to the reader",
        "missing": "To be added by whoever decides: the measure and its scope, the rule applied, and how to appeal.",
    },
}


@dataclass(frozen=True, slots=True)
class Copy:
    """A near-duplicate of a posting; `key` is what the decision on both is filed under. `text` None is not shown."""

    key: str
    level: Level
    probability: float
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry of a page; `key` is what its decision is filed under, which holds for its `copies` as well."""

    key: str
    assessment: Assessment
    campaign: str = ""  # the name that `screening score --near-duplicates` gives
    copies: tuple[Copy, ...] = ()


# --- evidence


def quotes_of(finding: Finding, text: str) -> list[str]:
    """Return the finding's evidence, white space collapsed, cut to MAX_QUOTES pieces of MAX_QUOTE code points."""
    quotes = [" ".join(span.of(text).split()) for span in finding.spans[:MAX_QUOTES]]
    return [quote if len(quote) <= MAX_QUOTE else quote[:MAX_QUOTE] + "…" for quote in quotes]


def visible(text: str) -> str:
    """Return the text with what a terminal or editor would obey, or not show, written as escapes.

    >>> print(visible("pago\\x1b[2J\\u202e"))
    pago\\x1b[2J\\u202e
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _segments(assessment: Assessment, limit: int) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Yield the text in pieces, each with the numbers of the findings that cover it and of those that end there."""
    text = assessment.text[:limit]
    spans = [(s, n) for n, f in enumerate(assessment.findings, 1) for s in f.spans if s.start < len(text)]
    edges = sorted({0, len(text)}.union(*({s.start, min(s.end, len(text))} for s, _ in spans)))
    starts: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for span, n in spans:
        starts.setdefault(span.start, []).append(n)
        ends.setdefault(min(span.end, len(text)), []).append(n)
    open_now: Counter[int] = Counter()
    for start, end in itertools.pairwise(edges):
        open_now.update(starts.get(start, ()))
        covering = tuple(sorted(+open_now))
        open_now.subtract(ends.get(end, ()))
        yield text[start:end], covering, tuple(sorted(ends.get(end, ())))


def reads_as(assessment: Assessment) -> str:
    """Return what the text does and the words that tell it, in its language; "" where nothing tells.

    >>> from screening import Screener
    >>> print(reads_as(Screener.load().screen("Beware of fake job offers abroad. Never pay for a visa.")))
    Reads as a warning: “Beware of” · “Never pay”
    """
    if assessment.speech_act is None:
        return ""
    act, finding = assessment.speech_act
    return (
        f"{_WORDING[_spoken(assessment)]['reads']} {_WORDING[_spoken(assessment)][act]}: {_quoted(finding, assessment)}"
    )


def _quoted(finding: Finding, assessment: Assessment) -> str:
    left, right = ("“", "”") if _spoken(assessment) == "en" else ("«", "»")
    return " · ".join(f"{left}{visible(quote)}{right}" for quote in quotes_of(finding, assessment.text))


def sum_of(assessment: Assessment) -> str:
    """Return how the findings and all else add up to the score: "start −4.60 + signs +3.10 ... = −1.00".

    Signs found together add a term of their own, which is no finding.
    """
    found = {f.code for f in assessment.findings}
    sums = {"start": 0.0, "signs": 0.0, "signs together": 0.0, "words": 0.0, "second look": 0.0}
    for term in assessment.contributions:
        sign = "signs" if term.name in found else "signs together"
        sums[{"intercept": "start", "words": "words", "semantic": "second look"}.get(term.kind, sign)] += term.value
    terms = ", ".join(f"{name} {signed(value)}" for name, value in sums.items() if value)
    return f"{terms}: {signed(assessment.logit)} in all, which is {percent(assessment.probability)}"


# --- HTML


def escape(text: str) -> str:
    """Return text that is safe in HTML content and quoted attributes; controls become visible pictures."""
    return html.escape(_HALF_PAIRS.sub("\N{REPLACEMENT CHARACTER}", text).translate(_PICTURES))


def to_html(assessment: Assessment) -> str:
    """Return one assessment as an HTML fragment that needs no styles: evidence is marked and numbered."""
    words = _WORDING[_spoken(assessment)]
    return (
        f'<article class="screening" lang="{_spoken(assessment)}">\n'
        f"<p><strong>{words['level']}: {words[assessment.level]}</strong> · "
        f"{words['probability']}: {percent(assessment.probability)}</p>\n"
        f"{_notes_html(assessment)}{_text_html(assessment)}\n{_reads_html(assessment)}"
        f"{_findings_html(assessment, opened=True)}\n"
        f"{_words_html(assessment)}{_nearest_html(assessment)}"
        f"<p><small>{escape(assessment.caveat)}</small></p>\n</article>"
    )


def _spoken(assessment: Assessment) -> str:
    return assessment.language if assessment.language in _WORDING else "en"


def _words_html(assessment: Assessment) -> str:
    """Return the words that weigh most, as folded: where no sign is found they are all there is to see."""
    terms = _strongest_words(assessment)
    listed = " · ".join(f"<bdi>{escape(term.name)}</bdi> {signed(term.value)}" for term in terms)
    return f'<p class="words">{_WORDING[_spoken(assessment)]["words"]}: {listed}</p>\n' if terms else ""


def _nearest_html(assessment: Assessment) -> str:
    if not assessment.nearest:
        return ""
    words = _WORDING[_spoken(assessment)]
    items = "".join(
        f"<li>{similarity:.2f} · {words[label]}: <q><bdi>{escape(text)}</bdi></q></li>"
        for similarity, label, text in assessment.nearest
    )
    return f'<p>{words["nearest"]}:</p>\n<ul class="nearest">{items}</ul>\n'


def _reads_html(assessment: Assessment) -> str:
    return f'<p class="act"><bdi>{escape(sentence)}</bdi></p>\n' if (sentence := reads_as(assessment)) else ""


def _lang(assessment: Assessment) -> str:
    return assessment.language if assessment.language in _WORDING else "und"


def _notes_html(assessment: Assessment) -> str:
    return "".join(f'<p class="note" lang="en">{escape(_NOTES.get(note, note))}</p>\n' for note in assessment.notes)


def _text_html(assessment: Assessment) -> str:
    pieces = "".join(_piece_html(assessment, *segment) for segment in _segments(assessment, MAX_SHOWN))
    rest = len(assessment.text) - MAX_SHOWN
    more = f'<p class="note" lang="en">{rest:,} more characters are not shown.</p>' if rest > 0 else ""
    # <bdi>: direction controls in a posting must not turn around what stands beside it.
    return f'<blockquote class="text" lang="{_lang(assessment)}"><bdi>{pieces}</bdi></blockquote>{more}'


def _piece_html(assessment: Assessment, piece: str, covering: Sequence[int], ending: Sequence[int]) -> str:
    shown = escape(piece)
    if covering:
        roles = [assessment.findings[n - 1].role for n in covering]
        tag, role = ("mark", "risk") if "risk" in roles else ("u", roles[0])
        titles = escape("; ".join(assessment.findings[n - 1].title for n in covering))
        shown = f'<{tag} class="{role}" title="{titles}">{shown}</{tag}>'
    return shown + (f"<sup>{','.join(map(str, ending))}</sup>" if ending else "")


def _findings_html(assessment: Assessment, opened: bool = False) -> str:
    if not assessment.findings:
        return f'<p class="none">{_WORDING[_spoken(assessment)]["none"]}</p>'
    largest = max(abs(f.contribution) for f in assessment.findings) or 1.0
    items = "\n".join(_finding_html(f, assessment, largest, opened) for f in assessment.findings)
    return f'<ol class="findings">\n{items}\n</ol>'


def _finding_html(finding: Finding, assessment: Assessment, largest: float, opened: bool) -> str:
    words = _WORDING[_spoken(assessment)]
    lang = _lang(assessment)
    evidence = quotes_of(finding, assessment.text)
    quotes = "".join(f'<q lang="{lang}"><bdi>{escape(quote)}</bdi></q> ' for quote in evidence)
    bar = f'<rect width="{BAR_WIDTH * abs(finding.contribution) / largest:.0f}" height="8"/>'
    return (
        f'<li class="{finding.role}"><details{" open" if opened else ""}><summary>'
        f'<span class="title">{escape(finding.title)} '
        f'<span class="role" lang="en">{_ROLE_NAMES[finding.role]}</span></span> '
        f'<svg class="bar" width="{BAR_WIDTH}" height="8" aria-hidden="true">{bar}</svg> '
        f'<span class="weight">{signed(finding.contribution)}</span></summary>'
        f'<p class="quotes">{quotes}</p><p>{escape(finding.reason)}</p>'
        f'<p class="authority">{words["authority"]}: {escape(finding.authority)}</p></details></li>'
    )


def signed(value: float) -> str:
    """Return a contribution with its sign, the minus a true one."""
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}") if round(value, 2) else "0.00"


def percent(probability: float) -> str:
    """Return a probability as a percentage that never reads as certainty.

    >>> percent(0.0301), percent(0.99999), percent(0.00001)
    ('3.0 %', '> 99.9 %', '< 0.1 %')
    """
    if not 0.001 <= probability <= 0.999:
        return "< 0.1 %" if probability < 0.5 else "> 99.9 %"
    return f"{100 * probability:.1f} %"


def share(prevalence: float) -> str:
    """Return a prevalence as "1 in 100"."""
    return f"1 in {1 / prevalence:,.0f}" if prevalence < 0.5 else f"{100 * prevalence:.0f} in 100"


def page(postings: Sequence[Posting], source: str, screened: int, prevalence: float) -> str:
    """Return a self-contained HTML page of postings, in the order given, out of `screened` read from `source`."""
    template = _template()
    counts = Counter(
        itertools.chain.from_iterable((p.assessment.level, *(c.level for c in p.copies)) for p in postings)
    )
    return Template(template).substitute(
        source=escape(source),
        shown=f"{counts.total():,}",
        screened=f"{screened:,}",
        high=f"{counts['high']:,}",
        review=f"{counts['review']:,}",
        campaigns=_campaign_count(postings),
        copies_note=_COPIES_NOTE if any(p.copies for p in postings) else "",
        prevalence=share(prevalence),
        caveats="\n".join(f'<p lang="{lang}">{escape(text)}</p>' for lang, text in sorted(CAVEAT.items())),
        indicators=_options((f.code, f.title) for p in postings for f in p.assessment.findings if f.role == "risk"),
        languages=_options((p.assessment.language, _LANGUAGE_NAMES[p.assessment.language]) for p in postings),
        postings="\n".join(_posting_html(n, posting) for n, posting in enumerate(postings, 1)),
        digest=_digest(postings),
        style_hash=_hash_of(template, "style"),
        script_hash=_hash_of(template, "script"),
    )


def _template() -> str:
    return (resources.files("screening") / "data" / "report.html").read_text("utf-8")


def _hash_of(template: str, tag: str) -> str:
    """Return the Content-Security-Policy source of the template's one element of a tag; it holds no placeholder."""
    content = template.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _digest(postings: Iterable[Posting]) -> str:
    """Return what tells this page's stored decisions from another's."""
    digest = hashlib.sha256()
    for posting in postings:
        keys = "\0".join([posting.key, *(copy.key for copy in posting.copies)])
        digest.update(f"{keys}\0{posting.assessment.text}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _options(pairs: Iterable[tuple[str, str]]) -> str:
    counts = Counter(pairs)
    return "\n".join(
        f'<option value="{escape(value)}">{escape(name)} ({count:,})</option>'
        for (value, name), count in sorted(counts.items(), key=lambda item: item[0][1].casefold())
    )


def _posting_html(rank: int, posting: Posting) -> str:
    a = posting.assessment
    key = escape(posting.key)
    return (
        f'<li><article class="posting {a.level}" id="p{rank}" data-id="{key}" data-level="{a.level}" '
        f'data-language="{a.language}" data-indicators="{escape(" ".join(a.indicators))}">\n'
        f'<header><h2><span class="rank">{rank}</span> <bdi>{key}</bdi></h2>'
        f'<p class="level">{a.level.capitalize()}</p>'
        f'<p class="probability"><strong>{percent(a.probability)}</strong> probability</p>'
        f"{_badge_html(posting)}"
        f'<p class="language">{_LANGUAGE_NAMES[a.language]}</p></header>\n'
        f'<div class="body"><div class="left">{_text_html(a)}\n{_notes_html(a)}'
        f"{_copies_html(posting)}{_decision_html(rank, key)}</div>\n"
        f'<section class="why" lang="{_spoken(a)}"><h3 lang="en">Why</h3>\n'
        f"{_reads_html(a)}{_findings_html(a)}\n{_words_html(a)}{_nearest_html(a)}"
        f'<p class="sum" lang="en">{escape(sum_of(a).capitalize())}</p></section></div>\n'
        "</article></li>"
    )


def _campaign_count(postings: Iterable[Posting]) -> str:
    count = sum(1 for posting in postings if posting.copies)
    return f"<li><strong>{count:,}</strong> shown as campaigns</li>" if count else ""


def _badge_html(posting: Posting) -> str:
    return f'<p class="campaign">{1 + len(posting.copies):,} copies</p>' if posting.copies else ""


def _copies_html(posting: Posting) -> str:
    """Return the other copies, folded away: their ids and scores, and what the first MAX_COPIES of them say."""
    if not posting.copies:
        return ""
    chances = [posting.assessment.probability, *(copy.probability for copy in posting.copies)]
    lowest, highest = percent(min(chances)), percent(max(chances))
    scores = lowest if lowest == highest else f"{lowest} to {highest}"
    items = "\n".join(_copy_html(copy, posting.assessment) for copy in posting.copies)
    return (
        f'<details class="copies" lang="en"><summary>{1 + len(posting.copies):,} copies of this posting · {scores}'
        f"</summary>\n<p>Campaign <code>{escape(posting.campaign)}</code>. The highest copy is shown above; "
        "your decision holds for all. Tick a copy that is another posting: it is left out.</p>\n"
        f"<ol>\n{items}\n</ol></details>\n"
    )


def _copy_html(copy: Copy, shown: Assessment) -> str:
    key, same = escape(copy.key), copy.text == shown.text
    return (
        f'<li data-id="{key}"><p><span><bdi>{key}</bdi> · {percent(copy.probability)}, {copy.level}'
        f"{', the same text' if same else ''}</span> "
        f'<label hidden><input type="checkbox" aria-label="{key} is another posting"> Another posting</label></p>'
        f"{'' if same or copy.text is None else _copy_text_html(copy.text, shown)}</li>"
    )


def _copy_text_html(text: str, shown: Assessment) -> str:
    more = "…" if len(text) > MAX_COPY else ""
    return f'<blockquote lang="{_lang(shown)}"><bdi>{escape(text[:MAX_COPY])}{more}</bdi></blockquote>'


def _decision_html(rank: int, key: str) -> str:
    choices = "".join(
        f'<label><input type="radio" name="d{rank}" value="{value}"><span>{value.capitalize()}</span></label>'
        for value in ("agree", "disagree", "unsure")
    )
    return f'<fieldset class="decision" hidden><legend>Your decision on {key}</legend>{choices}</fieldset>'


# --- plain text


def statement_of_reasons(assessment: Assessment) -> str:
    """Return, in the posting's language, what was found, the evidence, why it matters and on whose authority.

    It covers what the EU Digital Services Act, Regulation (EU) 2022/2065, art. 17(3)(b) and (c), asks of the
    facts and the automated means; whoever decides adds the measure, its ground and the redress.
    """
    words = _WORDING[_spoken(assessment)]
    risks = [f for f in assessment.findings if f.role == "risk"]
    others = [f for f in assessment.findings if f.role in ("framing", "bounded")]
    parts = [
        words["title"],
        f"{words['level']}: {words[assessment.level]}\n{words['probability']}: {percent(assessment.probability)} "
        f"({words['assumed'].format(share=percent(assessment.prevalence))})",
        *filter(None, [reads_as(assessment)]),
        f"{words['found']}:",
        *([_reasons(n, f, assessment) for n, f in enumerate(risks, 1)] or [words["none"]]),
    ]
    if others:
        parts += [f"{words['also']}:", *(_reasons(n, f, assessment) for n, f in enumerate(others, len(risks) + 1))]
    how = words["how"] + (f" {words['twice']}" if assessment.tier == "second" else "")
    return "\n\n".join([*parts, how, f"{words['caveat']}: {assessment.caveat}", words["missing"]]) + "\n"


def _reasons(number: int, finding: Finding, assessment: Assessment) -> str:
    words = _WORDING[_spoken(assessment)]
    return (
        f"{number}. {finding.title}\n   {words['quote']}: {_quoted(finding, assessment)}\n"
        f"   {words['why']}: {finding.reason}\n   {words['authority']}: {finding.authority}"
    )


def terminal(assessment: Assessment, colour: bool, width: int) -> Iterator[str]:
    """Yield the lines that explain one assessment on a terminal of `width` columns."""
    paint = _paint if colour else _plain
    hue = {"high": "31", "review": "33", "low": "32"}[assessment.level]
    yield paint(f"{assessment.level}  {percent(assessment.probability)}", f"1;{hue}") + (
        f"  ({_LANGUAGE_NAMES[assessment.language]}; assumes {share(assessment.prevalence)} texts is a lure)"
    )
    for note in assessment.notes:
        yield paint(_NOTES.get(note, note), "3")
    yield from textwrap.wrap(reads_as(assessment), width)
    for finding in assessment.findings:
        yield ""
        mark = {"risk": "31", "offer": "0"}.get(finding.role, "36")
        title = paint(finding.title, f"1;{mark}")
        yield f"{signed(finding.contribution):>6}  {title}  [{finding.code}, {finding.role}]"
        for quote in quotes_of(finding, assessment.text):
            yield from _wrapped(f"“{visible(quote)}”", width)
        yield from _wrapped(finding.reason, width)
        yield from (paint(line, "2") for line in _wrapped(finding.authority, width))
    yield from _words_lines(assessment, width)
    yield from _nearest_lines(assessment, width)
    yield ""
    yield from textwrap.wrap(f"Sum: {sum_of(assessment)}.", width)
    yield from textwrap.wrap(assessment.caveat, width)


def _strongest_words(assessment: Assessment) -> list[Contribution]:
    return [term for term in assessment.contributions if term.kind == "words"][:STRONGEST_WORDS]


def _words_lines(assessment: Assessment, width: int) -> Iterator[str]:
    if terms := _strongest_words(assessment):
        yield ""
        yield "Strongest words (folded):"
        yield from _wrapped(" · ".join(f"{visible(t.name)} {signed(t.value)}" for t in terms), width)


def _nearest_lines(assessment: Assessment, width: int) -> Iterator[str]:
    if assessment.nearest:
        yield ""
        yield "Looked at twice; nearest in meaning among our invented examples:"
        for similarity, label, text in assessment.nearest:
            yield from _wrapped(f"{similarity:.2f} · {_WORDING['en'][label]}: “{visible(text)}”", width)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=" " * 8, subsequent_indent=" " * 8)


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def _plain(text: str, code: str) -> str:
    return text
