"""What people read: fragments, the page, statements and terminal lines; hostile texts included."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fakes import fake_screener
from hypothesis import given
from hypothesis import strategies as st

from screening import Assessment, Contribution, Finding, Screener, Span
from screening.report import (
    Copy,
    Posting,
    page,
    percent,
    quotes_of,
    share,
    statement_of_reasons,
    sum_of,
    terminal,
    to_html,
)

HOSTILE = (
    '<script>alert(1)</script> "><img src=x onerror=alert(1)> $source ${postings} &amp; '
    "\N{RIGHT-TO-LEFT OVERRIDE}abc\N{LEFT-TO-RIGHT OVERRIDE} \x00\x1b[2J \ud800 </bdi></blockquote>"
)
LURE = "Faça um pix de 50 reais para liberar as tarefas. Não conte para ninguém, me chama no Telegram."
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VOID = {"meta", "input", "br", "img", "link"}


@pytest.fixture(scope="module")
def screener() -> Screener:
    return fake_screener()


def finding(code: str, role: Any, *spans: tuple[int, int], weight: float = 1.0) -> Finding:
    places = tuple(Span(*s) for s in spans)
    return Finding(code, "family", role, f"Title {code}", f"Reason {code}", "Authority", "weak", places, weight)


def assessment(text: str, *findings: Finding, language: str = "en", notes: tuple[str, ...] = ()) -> Assessment:
    terms = [Contribution("intercept", "intercept", -1.0)]
    terms += [Contribution("indicator", f.code, f.contribution) for f in findings]
    logit = sum(t.value for t in terms)
    return Assessment(text, language, 0.5, "review", logit, 0.01, findings, tuple(terms), notes)


class Outline(HTMLParser):
    """Checks that tags close in order, and gathers text and attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def quoted(fragment: str) -> str:
    """Return the posting's text as a fragment shows it, without numbers."""
    inner = re.search(r'<blockquote class="text"[^>]*><bdi>(.*)</bdi></blockquote>', fragment, re.S)
    assert inner
    return html.unescape(re.sub(r"<sup>[\d,]*</sup>|<[^>]*>", "", inner[1]))


# --- fragment


def test_the_words_that_weigh_most_are_shown_where_no_sign_is_found() -> None:
    a = assessment("vente <b>", language="es")
    a = replace(a, contributions=(*a.contributions, Contribution("words", "vente <b>", 2.0)))
    assert '<p class="words">Palabras que más pesan: <bdi>vente &lt;b&gt;</bdi> +2.00</p>' in to_html(a)
    assert '<p class="words">' not in to_html(assessment("vente", language="es"))


def test_evidence_is_marked_and_numbered() -> None:
    fragment = to_html(assessment("abcdef", finding("x", "risk", (0, 3)), finding("y", "bounded", (4, 6), weight=-1)))
    assert '<mark class="risk" title="Title x">abc</mark><sup>1</sup>d' in fragment
    assert '<u class="bounded" title="Title y">ef</u><sup>2</sup>' in fragment


def test_overlapping_evidence_keeps_every_letter_once() -> None:
    a = assessment(
        "abcdefgh", finding("x", "risk", (0, 5), (6, 8)), finding("y", "offer", (3, 7)), finding("z", "risk", (3, 4))
    )
    fragment = to_html(a)
    assert quoted(fragment) == "abcdefgh"
    assert 'title="Title x; Title y; Title z">d</mark><sup>3</sup>' in fragment


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6))
def test_any_text_and_spans_make_closed_html(text: str, pairs: list[tuple[int, int]]) -> None:
    spans = [(min(p), max(p)) for p in pairs if min(p) < max(p) <= len(text)]
    findings = [finding(f"c{n}", ("risk", "framing", "bounded", "offer")[n % 4], s) for n, s in enumerate(spans)]
    fragment = to_html(assessment(text, *findings))
    Outline(fragment)
    assert len(quoted(fragment)) == len(text)


def test_hostile_text_stays_text(screener: Screener) -> None:
    outline = Outline(screener.screen(HOSTILE).to_html())
    assert not outline.all("script")
    assert not outline.all("img")
    assert "<script>alert(1)</script>" in outline.text
    assert not set("\x00\x1b\ud800") & set(outline.text)


def test_posting_carries_its_language(screener: Screener) -> None:
    assert 'lang="pt"' in screener.screen(LURE).to_html()
    assert '<blockquote class="text" lang="und">' in to_html(
        assessment("x", language="other", notes=("other-language",))
    )


# --- page


def html_page(*texts: str, screener: Screener) -> str:
    postings = [Posting(f"id-{n}", screener.screen(text)) for n, text in enumerate(texts)]
    return page(postings, "file.csv", 1234, screener.prevalence)


def test_page_is_whole_and_lists_each_posting(screener: Screener) -> None:
    outline = Outline(html_page(LURE, "Bom dia, tudo bem com voce?", "", screener=screener))
    articles = outline.all("article")
    assert [a["data-id"] for a in articles] == ["id-0", "id-1", "id-2"]
    assert "upfront-fee" in str(articles[0]["data-indicators"])
    assert "3 shown of 1,234 screened" in " ".join(outline.text.split())
    assert "proves no crime and accuses no person" in outline.text
    assert [a.get("lang") for a in outline.all("blockquote")] == ["pt", "pt", "und"]


def test_page_allows_no_network_and_only_its_own_script(screener: Screener) -> None:
    document = html_page(LURE, screener=screener)
    policy = str(next(m for m in Outline(document).all("meta") if m.get("http-equiv"))["content"])
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"(src|href)=\"(?!#)|url\(|@import|\sstyle=|\son\w+=", document.partition("<ol")[0])


def test_page_of_hostile_postings_is_inert(screener: Screener) -> None:
    postings = [Posting(HOSTILE, screener.screen(HOSTILE))]
    document = page(postings, HOSTILE, 1, screener.prevalence)
    assert len(Outline(document).all("script")) == 1
    assert not Outline(document).all("img")
    document.encode()


def test_page_without_postings_is_whole(screener: Screener) -> None:
    Outline(page([], "empty.csv", 0, 0.01))


def test_long_postings_are_cut_and_say_so(screener: Screener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screening.report.MAX_SHOWN", 10)
    fragment = to_html(assessment("x" * 1010, finding("x", "risk", (5, 900)), finding("y", "risk", (950, 960))))
    assert quoted(fragment) == "x" * 10
    assert "1,000 more characters are not shown." in fragment


# --- campaigns


def campaign(screener: Screener, *copies: Copy, key: str = "first", text: str = LURE) -> Posting:
    return Posting(key, screener.screen(text), "abc123", copies)


def copies_in(document: str) -> str:
    found = re.search(r'<details class="copies".*?</details>', document, re.S)
    assert found
    return found[0]


def test_a_campaign_is_one_entry_with_its_copies_folded_away(screener: Screener) -> None:
    others = Copy("b", "high", 0.4, LURE), Copy("c", "review", 0.25, LURE + " Oi"), Copy("d", "review", 0.25)
    document = page([campaign(screener, *others)], "a.csv", 9, screener.prevalence)
    outline, shown = Outline(document), " ".join(Outline(document).text.split())
    assert len(outline.all("article")) == 1
    assert next(a for a in outline.all("details") if a.get("class") == "copies").keys() == {"class", "lang"}  # not open
    assert f"4 copies of this posting · 25.0 % to {percent(screener.screen(LURE).probability)}" in shown
    assert "4 shown of 9 screened 2 high 2 to review 1 shown as campaigns" in shown
    assert [a["data-id"] for a in outline.all("li") if "data-id" in a] == ["b", "c", "d"]
    assert copies_in(document).count(", the same text") == 1
    assert copies_in(document).count("<blockquote") == 1


def test_copies_of_one_score_have_no_range(screener: Screener) -> None:
    chance = screener.screen(LURE).probability
    document = page([campaign(screener, Copy("b", "high", chance))], "a.csv", 2, screener.prevalence)
    assert f"<summary>2 copies of this posting · {percent(chance)}</summary>" in document


def test_without_campaigns_the_page_says_nothing_of_them(screener: Screener) -> None:
    body = html_page(LURE, screener=screener).partition("<body")[2].partition("<script>")[0]
    assert not re.search("campaign|copies", body)


def test_hostile_copies_are_inert(screener: Screener) -> None:
    others = Copy(HOSTILE, "high", 0.4, HOSTILE + "!"), Copy('"><b>', "high", 0.4)
    postings = [Posting("x", screener.screen(LURE), HOSTILE, others)]
    outline = Outline(page(postings, "a.csv", 3, screener.prevalence))
    assert len(outline.all("script")) == 1
    assert not outline.all("img") + outline.all("b")
    assert [a["data-id"] for a in outline.all("li") if "data-id" in a][1] == '"><b>'
    assert not set("\x00\x1b\ud800") & set(outline.text)


def test_long_copies_are_cut(screener: Screener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screening.report.MAX_COPY", 5)
    document = page([campaign(screener, Copy("b", "high", 0.4, "abcdefgh"))], "a.csv", 2, screener.prevalence)
    assert "<bdi>abcde…</bdi>" in document


def test_decisions_of_another_set_of_copies_are_not_taken_up(screener: Screener) -> None:
    pages = [page([campaign(screener, Copy(k, "high", 0.4))], "a.csv", 2, screener.prevalence) for k in "bc"]
    digests = [str(Outline(document).all("body")[0]["data-report"]) for document in pages]
    assert digests[0] != digests[1]


# --- browser


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: the page's script is not run")

    def run(document: str, *flags: str) -> str:
        folder = tmp_path_factory.mktemp("browser")
        (folder / "page.html").write_text(document, "utf-8")
        command = [CHROMIUM, *CHROMIUM_FLAGS, f"--user-data-dir={folder / 'profile'}", *flags]
        done = subprocess.run(
            [*command, (folder / "page.html").as_uri()], capture_output=True, timeout=120, check=True, cwd=folder
        )
        return done.stdout.decode()

    return run


def test_script_runs_in_a_browser_under_the_policy(screener: Screener, browse: Callable[..., str]) -> None:
    dom = browse(html_page(LURE, HOSTILE, "Hello there, all is well", screener=screener), "--dump-dom")
    assert '<span id="visible" role="status">3 of 3 postings</span>' in dom
    assert '<span id="decided" role="status">0 decided</span>' in dom
    assert not re.search(r"<fieldset[^>]*hidden|<form[^>]*hidden", dom)


def driven(browse: Callable[..., str], document: str, drive: str) -> tuple[str, dict[str, str | None]]:
    """Return a page after a script has used it, and the attributes of its body."""
    dom = browse(document.replace("</body>", drive), "--dump-dom", "--virtual-time-budget=2000")
    return dom, next(attrs for tag, attrs in Outline(dom).tags if tag == "body")


def test_filters_decisions_and_export_work_in_a_browser(screener: Screener, browse: Callable[..., str]) -> None:
    # The policy bars foreign scripts, so the test drives the page from a copy with a policy that allows its own.
    document = html_page(LURE, '=1+1, "quoted" text', screener=screener)
    document = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", document)
    document = document.replace("id-1", "=cmd,&quot;x&quot;")
    drive = """<script>
    const say = (name, value) => document.body.setAttribute("data-" + name, value);
    const search = document.getElementById("search");
    search.value = "NAO conte";
    search.dispatchEvent(new Event("input", { bubbles: true }));
    say("found", document.getElementById("visible").textContent);
    for (const radio of document.querySelectorAll("input[value=disagree]")) radio.click();
    URL.createObjectURL = (blob) => { blob.text().then((text) => say("csv", text)); return "#"; };
    document.getElementById("export").click();
    say("decided", document.getElementById("decided").textContent);
    </script></body>"""
    _, body = driven(browse, document, drive)
    assert body["data-found"] == "1 of 2 postings"
    assert body["data-decided"] == "2 decided"
    assert body["data-csv"] == 'id,decision\r\nid-0,disagree\r\n"\'=cmd,""x""",disagree\r\n'


def test_one_decision_is_exported_for_all_copies_but_those_kept_apart(
    screener: Screener, browse: Callable[..., str]
) -> None:
    others = Copy("b", "high", 0.4, LURE), Copy("=c", "high", 0.4, "Zebra"), Copy("d", "high", 0.4)
    postings = [campaign(screener, *others), campaign(screener, Copy("f", "high", 0.4), key="e"), campaign(screener)]
    document = page(postings, "a.csv", 9, screener.prevalence)
    document = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", document)
    drive = """<script>
    const say = (name, value) => document.body.setAttribute("data-" + name, value);
    const boxes = document.querySelectorAll(".copies input");
    boxes[0].click(); boxes[2].click(); boxes[2].click();
    document.querySelector("#p1 input[value=agree]").click();
    const search = document.getElementById("search");
    search.value = "zebra";
    search.dispatchEvent(new Event("input", { bubbles: true }));
    say("found", document.getElementById("visible").textContent);
    say("decided", document.getElementById("decided").textContent);
    URL.createObjectURL = (blob) => { blob.text().then((text) => say("csv", text)); return "#"; };
    document.getElementById("export").click();
    </script></body>"""
    dom, body = driven(browse, document, drive)
    assert body["data-csv"] == "id,decision\r\nfirst,agree\r\n'=c,agree\r\nd,agree\r\n"
    assert body["data-decided"] == "1 decided, for 3 postings"
    assert body["data-found"] == "1 of 3 entries"
    assert re.findall(r'<li data-id="(\w+)" class="apart">', dom) == ["b"]


@pytest.mark.parametrize("width", [375, 1280])
def test_page_does_not_scroll_sideways(screener: Screener, browse: Callable[..., str], width: int) -> None:
    others = Copy("k" * 300, "high", 0.4, "w" * 500), Copy(HOSTILE, "review", 0.1)
    postings = [campaign(screener, *others, text=LURE + " " + "w" * 500), campaign(screener, text=HOSTILE)]
    document = page(postings, "file.csv", 9, screener.prevalence).replace("<details", "<details open")
    frame = (
        f'<iframe style="width:{width}px;height:800px" srcdoc="{html.escape(document)}" '
        """onload="this.title = this.contentDocument.documentElement.scrollWidth"></iframe>"""
    )
    dom = browse(frame, "--dump-dom", "--hide-scrollbars")
    assert re.search(r'title="(\d+)"', dom)[1] == str(width)  # type: ignore[index]


def test_screenshot_is_taken(screener: Screener, browse: Callable[..., str], tmp_path: Path) -> None:
    browse(html_page(LURE, screener=screener), f"--screenshot={tmp_path / 'page.png'}", "--window-size=1280,900")
    assert os.path.getsize(tmp_path / "page.png") > 20_000


# --- plain text


@pytest.mark.parametrize(
    ("language", "opening", "caveat"),
    [("es", "Exposición de motivos", "no prueba un delito"), ("pt", "Exposição de motivos", "não prova um crime"),
     ("en", "Statement of reasons", "proves no crime"), ("other", "Statement of reasons", "proves no crime")],
)  # fmt: skip
def test_statement_is_in_the_language_of_the_posting(language: str, opening: str, caveat: str) -> None:
    findings = finding("x", "risk", (0, 8)), finding("y", "bounded", (9, 15))
    a = assessment("pay  now\nplease", *findings, language=language)
    statement = a.statement_of_reasons()
    assert statement.startswith(opening)
    for part in ("pay now", "Title x", "Reason x", "Authority", "Title y", "1.0 %", caveat):
        assert part in statement


def test_statement_without_findings_says_so() -> None:
    assert "None of the signs in the catalogue." in statement_of_reasons(assessment("hello"))


def test_quotes_are_few_and_short() -> None:
    f = finding("x", "risk", *[(n, n + 400) for n in range(0, 4000, 400)])
    quotes = quotes_of(f, "y" * 4000)
    assert (len(quotes), len(quotes[0])) == (5, 301)


def test_terminal_and_statement_cannot_drive_a_terminal() -> None:
    a = assessment(HOSTILE, finding("x", "risk", (0, len(HOSTILE))))
    for text in ("\n".join(terminal(a, colour=False, width=80)), statement_of_reasons(a)):
        assert all(c.isprintable() or c == "\n" for c in text)
    assert "\x1b[1;33m" in next(terminal(a, colour=True, width=80))


def test_sum_names_every_part(screener: Screener) -> None:
    a = screener.screen(LURE)
    numbers = [float(n.replace("\N{MINUS SIGN}", "-")) for n in re.findall("[+\N{MINUS SIGN}][0-9.]+", sum_of(a))]
    assert sum(numbers[:-1]) == pytest.approx(numbers[-1], abs=0.02)
    assert numbers[-1] == pytest.approx(a.logit, abs=0.006)


@pytest.mark.parametrize(("value", "text"), [(0.0, "< 0.1 %"), (1.0, "> 99.9 %"), (0.012, "1.2 %"), (0.999, "99.9 %")])
def test_percentages_never_claim_certainty(value: float, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.01, "1 in 100"), (0.002, "1 in 500"), (0.7, "70 in 100")])
def test_prevalence_reads_as_a_share(value: float, text: str) -> None:
    assert share(value) == text
