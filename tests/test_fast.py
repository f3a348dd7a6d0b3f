"""The compiled path gives what the reference path gives, on any text."""

from __future__ import annotations

import dataclasses
import importlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import screening.fast
from screening.catalogue import LANGUAGES, compile_catalogue, read_sources
from screening.errors import MissingExtraError
from screening.fast import LEVELS, SPOKEN, BatchScorer, Scores, encoded
from screening.neutral import names_of
from screening.screener import MAX_TEXT, Screener
from training.corpus import data_folder
from training.evaluation import evasion
from training.generate import generated

pytest.importorskip("numba", reason="the compiled path needs the extra `fast`: pip install -e '.[fast]'")

PACKAGE = Path(screening.fast.__file__).parent
OFFER = (
    "Se buscan chicas para trabajar en Chile, pasaje pago, sin experiencia. No cobramos nada! Escríbeme al WhatsApp."
)
WORDS = (
    "se buscan chicas señoritas trabajo trabajar viaje pasaporte pasaje visa pago no sin nunca never cannot nao sem "
    "girls work abroad fee deposit costa rica estados unidos venezolanas 24hs m/f 1.200,50 $500 50% a.b.c x@y.com"
).split()
ALPHABETS = [
    "trabjo0134578@$_.,-* '\n!:;()",
    "abc \N{ZERO WIDTH SPACE}\N{CYRILLIC SMALL LETTER A}\N{GREEK SMALL LETTER ALPHA}\N{VULGAR FRACTION ONE HALF}",
    "aA1 .,@$_\N{FIRE}\N{AIRPLANE}\N{VARIATION SELECTOR-16}\N{CIRCLED DIGIT ONE}\N{IDEOGRAPHIC NUMBER ZERO}",
    "x\ud800\udfff \N{KHAROSHTHI DIGIT ONE}\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}\N{HANGUL SYLLABLE GAG}",
    "no_|~-*/ chicas",
]
awkward = st.one_of([st.text(st.sampled_from(alphabet), max_size=80) for alphabet in ALPHABETS])
phrases = st.lists(st.sampled_from(WORDS) | awkward, max_size=25).flatmap(
    lambda words: st.sampled_from([" ", ", ", " . ", "\n", ".", "_", "  "]).map(lambda joiner: joiner.join(words))
)
any_text = st.text(st.characters(exclude_categories=()), max_size=80) | awkward | phrases


@pytest.fixture(scope="module")
def screener() -> Screener:
    return Screener.load()


@pytest.fixture(scope="module")
def scorer(screener: Screener) -> BatchScorer:
    return BatchScorer(screener, compiled=True)


@pytest.fixture(scope="module")
def invented() -> list[str]:
    return generated(1).text.tolist()


def assert_equal(one: Scores, other: Scores) -> None:
    for name in ("logit", "probability", "level", "language", "notes", "codes"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def assert_same(screener: Screener, scorer: BatchScorer, texts: Sequence[str], threads: int = 1) -> None:
    scores = scorer.score(texts, threads=threads)
    assert len(scores) == len(texts)
    assert_equal(scores, scorer.score_buffers(*encoded(texts), threads=threads))
    for row, text in enumerate(texts):
        wanted = screener.screen(text, second_look=False)
        shown = ascii(text[:200])
        assert scores.found(row) == {finding.code for finding in wanted.findings}, shown
        assert scores.indicators(row) == wanted.indicators, shown
        assert scores.logit[row] == pytest.approx(wanted.logit, abs=1e-9), shown
        assert scores.probability[row] == pytest.approx(wanted.probability, abs=1e-9), shown
        assert SPOKEN[scores.language[row]] == wanted.language, shown
        assert LEVELS[scores.level[row]] == wanted.level, shown
        assert scores.notes_of(row) == wanted.notes, shown


def test_the_compiled_path_is_taken_where_numba_is_there(screener: Screener, scorer: BatchScorer) -> None:
    assert scorer.path == BatchScorer(screener).path == "compiled"
    assert BatchScorer(screener, compiled=False).path == "reference"


def test_invented_texts(screener: Screener, scorer: BatchScorer, invented: list[str]) -> None:
    assert_same(screener, scorer, random.Random(0).sample(invented, min(1500, len(invented))))


def test_hits_and_misses_of_the_phrases(screener: Screener, scorer: BatchScorer) -> None:
    examples = compile_catalogue(read_sources()).examples
    assert {example.language for example in examples} == set(LANGUAGES)
    assert_same(screener, scorer, [example.text for example in examples])


@pytest.mark.parametrize("attack", evasion.ATTACKS)
def test_evasions(screener: Screener, scorer: BatchScorer, attack: str, invented: list[str]) -> None:
    assert_same(screener, scorer, [evasion.attacked(text, attack) for text in invented[:60]])


def test_names_of_groups(screener: Screener, scorer: BatchScorer) -> None:
    names = names_of("country") + names_of("nationality")
    assert_same(screener, scorer, [f"chicas de {name} para trabajar, {name}.{name} {name}" for name in names])


@settings(deadline=None, max_examples=400)
@given(text=any_text)
def test_any_text(screener: Screener, scorer: BatchScorer, text: str) -> None:
    assert_same(screener, scorer, [text])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n\N{ZERO WIDTH SPACE}", id="nothing to see"),
        pytest.param("@ _ @", id="chunks that are left out"),
        pytest.param("t r a b a j o.t_r_a_b_a_j_o tra.ba.jo v i a j e p a g o", id="cut words"),
        pytest.param("tr4b4j0 ch1c@s trabajooooo viiiiaje " + "a" * 50 + "b", id="leet and repeats"),
        pytest.param("no, chicas. no solo chicas nunca te cobramos visa", id="negation and clauses"),
        pytest.param("costa rica u s a estados unidos de america costa", id="names of several words"),
        pytest.param("\N{KHAROSHTHI DIGIT ONE}" * 3000 + " b", id="a long token that is no word"),
        pytest.param("1.5a 1,5 1..5 x,5 5x24 1" + "0" * 500, id="numbers"),
        pytest.param("chicas para trabajar \N{FIRE}\N{FIRE} en chile \N{FIRE}", id="emoji between words"),
        pytest.param(" a" * 3000, id="spaced letters that hide nothing"),
        pytest.param(" ".join(f"w{i}x" for i in range(20_000)), id="more words than there is room for at first"),
    ],
)
def test_a_text(screener: Screener, scorer: BatchScorer, text: str) -> None:
    assert_same(screener, scorer, [text, OFFER])


def test_what_stands_after_the_longest_text_is_left_out(screener: Screener, scorer: BatchScorer) -> None:
    filler = "é" * (MAX_TEXT - len(OFFER) - 1)
    assert_same(screener, scorer, [f"{filler} {OFFER} chicas", f"{filler}\N{FIRE} {OFFER}", OFFER])


def test_a_batch_is_its_texts_one_by_one_and_threads_change_nothing(
    screener: Screener, scorer: BatchScorer, monkeypatch: pytest.MonkeyPatch, invented: list[str]
) -> None:
    monkeypatch.setattr(screening.fast, "PART", 2000)
    texts = invented[:300]
    together, threaded = scorer.score(texts), scorer.score(texts, threads=2)
    assert_equal(together, threaded)
    assert_equal(together, scorer._joined([scorer.score([text]) for text in texts]))


@pytest.mark.parametrize("place", range(34))
def test_hidden_spellings_wherever_they_stand(screener: Screener, scorer: BatchScorer, place: int) -> None:
    """Strings are folded in blocks, and letters side by side may stand in two of them."""
    hiding = [
        "a\N{CYRILLIC SMALL LETTER A}",
        "\N{GREEK SMALL LETTER ALPHA}a",
        "a\N{ZERO WIDTH SPACE}\xadb",
        "\xada",
        "\ufb01",
    ]
    wide = ["", "\N{FIRE}", "\N{EM DASH}"]  # of which a string takes four bytes, or two, for each code point
    assert_same(screener, scorer, [f"{'é' * place}{sign} {'x' * 40} {end}" for sign in hiding for end in wide])


class Shout(str):
    def encode(self, *_: object) -> bytes:
        return b"chicas"


def test_strings_are_read_as_they_are_in_any_sequence(scorer: BatchScorer) -> None:
    texts = [OFFER, "", "ni\N{LATIN SMALL LETTER N WITH TILDE}a \N{FIRE}"]
    wanted = scorer.score(texts)
    for others in (tuple(texts), np.array(texts), [Shout(text) for text in texts]):
        assert_equal(scorer.score(others), wanted)


class Liar:
    __class__ = str  # type: ignore[assignment]


@pytest.mark.parametrize("odd", [None, b"bytes", 1.5, pytest.param(Liar(), id="liar")])
@pytest.mark.parametrize("in_place", [True, False])
def test_what_is_no_string_is_named(
    scorer: BatchScorer, monkeypatch: pytest.MonkeyPatch, odd: object, in_place: bool
) -> None:
    monkeypatch.setattr(importlib.import_module("screening._kernel"), "IN_PLACE", in_place)
    with pytest.raises(TypeError, match="row 2 is no str but"):
        scorer.score([OFFER, "", odd])  # type: ignore[list-item]


def test_where_strings_cannot_be_read_in_place_they_are_encoded(
    screener: Screener, scorer: BatchScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("screening._kernel"), "IN_PLACE", False)
    assert_same(screener, scorer, [OFFER, "", "x\ud800\udfff \N{FIRE}"], threads=2)
    assert len(scorer.score([])) == 0


def test_small_caches_change_nothing(screener: Screener, monkeypatch: pytest.MonkeyPatch, invented: list[str]) -> None:
    monkeypatch.setattr(screening.fast, "TEXT_ROOM", 1 << 10)
    tiny = BatchScorer(screener, True, cached_words=2)
    assert_same(screener, tiny, [*invented[:200], " ".join(invented[:200])])


def test_the_reference_path_gives_the_same_scores(screener: Screener, scorer: BatchScorer, invented: list[str]) -> None:
    texts = [*invented[:50], "", "\ud800 x"]
    plain, fast = BatchScorer(screener, compiled=False).score(texts), scorer.score(texts)
    assert np.allclose(plain.logit, fast.logit, rtol=0, atol=1e-9)
    for name in ("level", "language", "notes", "codes"):
        assert np.array_equal(getattr(plain, name), getattr(fast, name))


def test_prevalence_and_thresholds_are_the_screeners(screener: Screener, invented: list[str]) -> None:
    for other in (screener.with_prevalence(0.2), screener.at_capacity(500)):
        assert_same(other, BatchScorer(other, compiled=True), invented[:100])


def test_another_catalogue_and_model_are_read_not_assumed(screener: Screener, invented: list[str]) -> None:
    catalogue = screener.catalogue
    first = catalogue.indicators[0]
    changed = dataclasses.replace(
        catalogue, indicators=(dataclasses.replace(first, role="framing"), *catalogue.indicators[1:])
    )
    model = dataclasses.replace(
        screener._model,
        indicators=dict.fromkeys(screener._model.indicators, 0.25),
        word_weights=-screener._model.word_weights,
    )
    other = Screener(model, changed)
    assert_same(other, BatchScorer(other, compiled=True), invented[:200])


@pytest.mark.parametrize("width", [np.int32, np.int64])
def test_a_row_that_is_not_utf8_is_named(scorer: BatchScorer, width: type) -> None:
    for broken in (b"\xff", b"a\xc3", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"\x80", b"\xed\xa0"):
        data = np.frombuffer(b"fine" + broken + b"fine", np.uint8)
        offsets = np.array([0, 4, 4 + len(broken), 8 + len(broken)], width)
        for which in (scorer, BatchScorer(scorer._screener, compiled=False)):
            with pytest.raises(ValueError, match="row 1 is not UTF-8"):
                which.score_buffers(data, offsets)


def test_the_kernel_is_compiled_once_whatever_the_arrays(scorer: BatchScorer) -> None:
    kernel = importlib.import_module("screening._kernel")
    scorer.score([OFFER])
    before = len(kernel.score_texts.signatures)
    for width in (np.int32, np.int64):
        data = np.frombuffer(OFFER.encode(), np.uint8)
        for held in (data, data.copy(), data.repeat(2)[::2]):
            scorer.score_buffers(held, np.array([0, len(data)], width))
    assert len(kernel.score_texts.signatures) == before


def test_invalid_utf8_after_the_longest_text_is_an_error_too(scorer: BatchScorer) -> None:
    data = np.frombuffer(b"a" * (MAX_TEXT + 5) + b"\xff", np.uint8)
    with pytest.raises(ValueError, match="row 0 is not UTF-8"):
        scorer.score_buffers(data, np.array([0, len(data)]))


@pytest.mark.parametrize("offsets", [[], [0, 9], [3, 2], [-1, 2]], ids=str)
def test_offsets_that_do_not_fit_are_refused(scorer: BatchScorer, offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets must be"):
        scorer.score_buffers(np.frombuffer(b"abcd", np.uint8), np.array(offsets, np.int64))


def test_arrow_arrays_and_their_slices(screener: Screener, scorer: BatchScorer, invented: list[str]) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    texts = [*invented[:20], None, ""]
    plain = [text or "" for text in texts]
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(texts, kind)
        scores = scorer.score_arrow(array)
        assert np.isnan(scores.logit[20])
        assert scores.notes_of(21) == ("empty",)
        assert np.array_equal(scorer.score_arrow(array[3:9]).logit, scorer.score(plain[3:9]).logit)
        chunked = scorer.score_arrow(pa.chunked_array([array, array]))
        assert np.array_equal(chunked.codes, np.tile(scores.codes, 2))
    assert len(scorer.score_arrow(pa.chunked_array([], pa.string()))) == 0
    with pytest.raises(TypeError, match="string"):
        scorer.score_arrow(pa.array([1]))


@pytest.mark.parametrize(
    "unit",
    ["a ", "aab", "chicas para ", "no ", "1.", "@x_", "tra.", "4a", "\N{FIRE}", "se buscan chicas para trabajar en "],
)
def test_a_hostile_megabyte_takes_seconds_at_most(scorer: BatchScorer, unit: str) -> None:
    text = (unit * 1_000_000)[:1_000_000]
    started = time.process_time()
    scorer.score([text])
    assert time.process_time() - started < 10


def run(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=PACKAGE.parent,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_without_numba_the_reference_path_scores_and_the_other_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "from screening.errors import MissingExtraError\nfrom screening.fast import BatchScorer\n"
        "from screening import Screener\ns = Screener.load(); print(BatchScorer(s).path)\n"
        "try: BatchScorer(s, compiled=True)\nexcept MissingExtraError as error: print(error)"
    )
    path, message = run(program).splitlines()
    assert path == "reference"
    assert "screening[fast]" in message
    assert issubclass(MissingExtraError, Exception)


def test_screening_one_text_never_imports_numba() -> None:
    program = (
        "import sys, screening, screening.fast; screening.Screener.load().screen('hola'); print('numba' in sys.modules)"
    )
    assert run(program) == "False"


@pytest.mark.skipif(not os.environ.get("SCREENING_DATA"), reason="name the folder of real texts in SCREENING_DATA")
def test_real_texts(screener: Screener, scorer: BatchScorer) -> None:
    import pandas as pd

    folder = data_folder(None)
    assert folder is not None
    texts = pd.read_parquet(folder / "background" / "background.parquet", columns=["text"]).text.dropna()
    assert_same(screener, scorer, texts.sample(2000, random_state=0).tolist(), threads=2)


def test_a_full_word_cache_starts_anew(screener: Screener) -> None:
    """A thread's cache has places for 32,768 words; here are twice as many."""
    tiny = BatchScorer(screener, True, cached_words=2)
    rng = random.Random(3)
    invented = ["".join(rng.choices("aeioulnrst", k=8)) for _ in range(64_000)]
    texts = [f"{OFFER} {' '.join(invented[i : i + 400])}" for i in range(0, len(invented), 400)]
    scores = tiny.score([*texts, *texts[:5]])
    assert scores.logit[-5:].tolist() == scores.logit[:5].tolist()
    assert_same(screener, tiny, texts[-3:])


def test_stamps_start_anew_where_they_are_used_up(screener: Screener, scorer: BatchScorer) -> None:
    texts = [OFFER, "hola", OFFER + " y más", "the of and", OFFER]
    wanted = scorer.score(texts).logit.tolist()
    engine = scorer._engine
    assert engine is not None
    (_, _, layout), _ = engine._free[-1]
    layout.clock[0] = engine._kernel.MAX_STAMP - 2
    assert scorer.score(texts).logit.tolist() == wanted
    assert layout.clock[0] < len(texts)


def test_each_atom_of_a_class_stands_where_it_is_looked_for(scorer: BatchScorer) -> None:
    kernel, engine = importlib.import_module("screening._kernel"), scorer._engine
    assert engine
    phrases, tables = engine._phrases, engine._tables[3]
    atoms, (start, mask) = phrases.pair_atom, tables.class_sign[phrases.pair_class, 2:].T
    first = start + (kernel.atom_place.py_func(atoms.astype(np.uint64)) & mask)
    places = first[:, None] + np.arange(kernel.ATOM_PLACES, dtype=np.uint64)
    assert (tables.class_has[places] == atoms[:, None]).any(axis=1).all()
    assert (tables.class_has != kernel.NUMBERED - 1).sum() == len(atoms)
