"""The teacher that softens labels, the ablation, the worst mistakes and the cards: on a few made-up texts."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from screening.catalogue import Catalogue, load_catalogue
from training import ablate, build, card, hard, meaning
from training.corpus import COLUMNS
from training.evaluation import mistakes
from training.fit import bounds_of
from training.weighing import Recipe

LURES = ("Señoritas a Chile, pasaje pago, lo descuentas trabajando", "Deposita 50 dólares y viajas mañana")
OTHERS = ("Hotel contrata cocinero con experiencia y contrato", "Hola mamá, mañana te llamo")
RECIPE = Recipe(generated=False)


def table_of(kinds: tuple[str, ...] = ("lure", "job-ad"), copies: int = 6) -> pd.DataFrame:
    """Return copies of the lures and of the other texts, the latter of the second kind."""
    rows = [
        (f"{n}:{i}:{kind}", text, int(kind == "lure"), kind, "es", "ad", f"s{n}", f"g{n}", True)
        for n in range(copies)
        for kind, texts in ((kinds[0], LURES), (kinds[1], OTHERS))
        for i, text in enumerate(texts)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def prepared(table: pd.DataFrame, catalogue: Catalogue, vectors: Any = None) -> build.Prepared:
    return replace(build.prepare(table, catalogue, RECIPE, None), vectors=vectors)


def told_apart(table: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return vectors in which the first number tells the label."""
    vectors = np.random.default_rng(0).normal(size=(len(table), 4)).astype(np.float32)
    vectors[:, 0] = 4 * table.label.to_numpy() - 2
    return vectors


# --- the teacher


def test_without_encoder_or_share_the_labels_stand(catalogue: Catalogue) -> None:
    table = table_of()
    rows = np.ones(len(table), bool)
    for data, recipe in (
        (prepared(table, catalogue), RECIPE),
        (prepared(table, catalogue, told_apart(table)), replace(RECIPE, distilled=0.0)),
    ):
        np.testing.assert_array_equal(build.targets(data, rows, recipe), table.label)


def test_a_teacher_softens_labels_by_its_share(catalogue: Catalogue) -> None:
    table = table_of()
    rows = np.ones(len(table), bool)
    softened = build.targets(prepared(table, catalogue, told_apart(table)), rows, replace(RECIPE, distilled=0.5))
    lure = table.label.to_numpy() == 1
    assert (softened[lure] > 0.5).all()
    assert (softened[~lure] < 0.5).all()
    assert not np.isin(softened, (0.0, 1.0)).any()


def test_kinds_with_labels_of_their_own_are_not_softened(catalogue: Catalogue) -> None:
    table = table_of(("lure", "look-alike"))
    data = prepared(table, catalogue, told_apart(table))
    softened = build.targets(data, np.ones(len(table), bool), replace(RECIPE, distilled=0.5))
    assert (softened[(table.kind == "look-alike").to_numpy()] == 0).all()


def test_the_teacher_sees_only_the_rows_it_teaches(catalogue: Catalogue) -> None:
    table = table_of()
    rows = np.arange(len(table)) >= 4
    data = prepared(table, catalogue, told_apart(table))
    turned = replace(data, table=table.assign(label=np.where(rows, table.label, 1 - table.label)))
    recipe = replace(RECIPE, distilled=0.5)
    np.testing.assert_array_equal(build.targets(data, rows, recipe), build.targets(turned, rows, recipe))


def test_a_layer_is_fitted_on_its_rows_only() -> None:
    table = table_of()
    vectors = told_apart(table)
    layer = meaning.fitted_layer(table, np.arange(len(table)) < 8, vectors)
    assert (layer.predict(vectors) == table.label).all()


# --- hard stretches

ANSWER = "Deposita 50 dólares y viajas mañana, envía tus datos al WhatsApp de la empresa"
PLAIN = "Hotel contrata cocinero con experiencia, contrato anual y 40 horas a la semana"


def with_whole(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with each text the start of a longer one."""
    return table.assign(whole=[f"{text}.\n{PLAIN}.\n{ANSWER} {i}" for i, text in enumerate(table.text)])


def test_the_rest_is_of_honest_texts_that_may_teach() -> None:
    table = with_whole(table_of(copies=2))
    table.loc[3, "train"] = False
    cut = hard.cut_stretches(table)
    assert {row for row, _ in cut} == {2, 6, 7}
    assert len({text for _, text in cut}) == len(cut)
    assert all(text in table.whole[row] and text not in set(table.text) for row, text in cut)


def test_texts_that_were_not_cut_have_no_rest(catalogue: Catalogue) -> None:
    table = table_of()
    for same in (table, table.assign(whole=table.text), table.assign(whole=None)):
        assert build.prepare(same, catalogue, RECIPE, None).rest is None


def test_the_hardest_stretches_of_the_rows_come_first(catalogue: Catalogue) -> None:
    data = build.prepare(with_whole(table_of(copies=3)), catalogue, RECIPE, None)
    assert data.rest is not None
    rows = np.arange(len(data.table)) < 8
    fitted = build.fit_rows(data, rows, catalogue, replace(RECIPE, hard=0))
    chosen = hard.hardest(data.rest, rows, fitted, 3)
    scores = data.rest.matrix @ fitted.weights
    own = rows[data.rest.parents]
    assert own[chosen].all()
    assert scores[chosen].tolist() == sorted(scores[own], reverse=True)[:3]


def test_a_hard_stretch_scores_lower_once_it_has_taught(catalogue: Catalogue) -> None:
    data = build.prepare(with_whole(table_of(copies=3)), catalogue, RECIPE, None)
    assert data.rest is not None
    rows = np.ones(len(data.table), bool)
    before, after = (build.fit_rows(data, rows, catalogue, replace(RECIPE, hard=count)) for count in (0, 6))
    chosen = hard.hardest(data.rest, rows, before, 6)
    scores = [data.rest.matrix[chosen] @ fitted.weights + fitted.intercept for fitted in (before, after)]
    assert scores[1].mean() < scores[0].mean() - 0.5


# --- bounds


def test_weak_signs_are_held_down_when_asked(catalogue: Catalogue) -> None:
    codes = ("female-only", "upfront-fee", "framing-report")
    assert bounds_of(catalogue, codes, 0.8) == [(0, 0.8), (0, None), (None, 0)]
    assert bounds_of(catalogue, codes) == [(0, None), (0, None), (None, 0)]


# --- the ablation


def test_each_step_adds_and_none_takes_away() -> None:
    found = ablate.steps()
    for before, after in itertools.pairwise(found):
        assert before.blocks <= after.blocks
        assert (before.blocks, before.recipe) != (after.blocks, after.recipe)
    assert found[-1].blocks == {"words", "pairs", "indicators", "acts", "grams", "vectors"}


def test_other_blocks_are_silent(catalogue: Catalogue) -> None:
    data = prepared(table_of(), catalogue)
    codes = data.design.vocabulary.codes
    everything = ablate.only(data, frozenset({"indicators", "acts", "words", "pairs", "grams"}), catalogue)
    assert (everything.matrix != data.matrix).nnz == 0
    acts = ablate.only(data, frozenset({"acts"}), catalogue)
    spoken = {codes[column] for column in np.unique(acts.matrix.nonzero()[1])}
    assert spoken == {"offer-to-reader"} or all(code.startswith(("framing", "offer")) for code in spoken)
    assert data.matrix.nnz > acts.matrix.nnz


# --- mistakes


def test_the_worst_mistakes_come_first(tmp_path: Path) -> None:
    table = table_of(copies=60)
    ads = (table.kind == "job-ad").to_numpy()
    logits = np.where(ads, np.linspace(-5, -3, len(table)), 1.0)
    logits[np.flatnonzero(ads)[0]] = 9.0  # an honest ad above all
    lures = np.flatnonzero(~ads)
    logits[lures[:2]] = (-6.0, -9.0)
    found = mistakes.worst(table, logits)
    assert found[found.mistake == "missed"].id.tolist() == table.id.iloc[lures[[1, 0]]].tolist()
    assert found[found.mistake == "flagged"].id.tolist()[0] == table.id[np.flatnonzero(ads)[0]]
    path = tmp_path / "mistakes.jsonl"
    assert mistakes.write(path, table, logits) == len(found)
    assert len([json.loads(line) for line in path.read_text("utf-8").splitlines()]) == len(found)


# --- cards


def test_the_model_card_holds_what_was_printed_and_only_that(tmp_path: Path) -> None:
    manifest = {
        "trained_on": {"real_texts": True, "corpus_hash": "abc", "texts": {"lure/es": 3}},
        "thresholds": {"review": -1.0, "high": 2.0},
        "encoder": "none",
        "prevalence": 0.01,
    }
    card.write_card(tmp_path, manifest, {"evasion": "leet 0.91", "model": "noise of the build"})
    text = (tmp_path / "card.md").read_text("utf-8")
    assert "## Evasion" in text
    assert "leet 0.91" in text
    assert "noise of the build" not in text
    card.write_card(tmp_path, manifest, {})
    assert "None yet" in (tmp_path / "card.md").read_text("utf-8")


def test_the_data_card_counts_and_quotes_nothing(tmp_path: Path) -> None:
    table = table_of()
    card.write_data_card(tmp_path / "card.md", table, np.ones(len(table), bool))
    text = (tmp_path / "card.md").read_text("utf-8")
    assert "job-ad" in text
    assert not any(quote in text for quote in (*LURES, *OTHERS))
