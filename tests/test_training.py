"""Training: what it reads, what it makes up, what it must not see, and that serving scores as training does."""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from screening import Screener
from screening.catalogue import AUTOMATA, COMPILED, Catalogue, hash_of, load_catalogue, read_sources
from screening.features import COMBINATION, Featuriser
from screening.model import load_model, save_model
from training import __main__ as command
from training import build, export, generate
from training.build import assemble, out_of_fold
from training.calibrate import calibrate, curve, expected_calibration_error, operating_points
from training.corpus import (
    COLUMNS,
    ENVIRONMENT,
    EVALUATION_ONLY,
    POST_LENGTHS,
    DataFolderError,
    corpus_hash,
    data_folder,
    post_window,
    read_corpus,
    stretches,
    template_group,
    with_windows,
)
from training.design import Blocks, Design, Vocabulary, featurise_all, vocabulary_of
from training.evaluation import gate
from training.evaluation.gate import FloorError, failures, renew
from training.evaluation.quality import quality
from training.fit import bounds_of, fit, prior_of
from training.generate import PairError, draw_noise, generated
from training.split import FOLDS, grouped_folds
from training.weighing import Recipe, sample_weights, usable

SCORE_TOLERANCE = 1e-4  # logits, between the matrix in float32 and the tables
HALF_TOLERANCE = 0.05  # logits, after the weights were stored in half precision


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


# --- generated texts

TRIPLE = {
    "type": "fee-fraud",
    "form": "ad",
    "lure": "Señora, en {lugar}: deposita {suma} hoy, uno, y viajas.",
    "honest": "Señora, en {lugar}: deposita {suma} hoy, dos, y viajas.",
    "framed": "Señora, en {lugar}: deposita {suma} hoy, tres, y viajas.",
}
SLOTS = {"lugar": ["Perú", "Chile", "Japón"], "suma": ["50", "80"]}
PAIRS = {"slots": SLOTS, "triple": [TRIPLE, {**TRIPLE, "type": "other"}], "plain": [{"kind": "chat", "text": "Hola"}]}


def rows_of(table: dict[str, Any], copies: int = 6, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(list(generate._file_rows("es_x.toml", table, copies, seed)), columns=COLUMNS)


def test_a_triple_gives_three_rows_a_copy() -> None:
    rows = rows_of(PAIRS)
    triples = rows[rows.kind != "generated-plain"]
    assert len(triples) == 2 * 6 * 3
    for _, copy in triples.groupby(triples.id.str.rsplit(":", n=1).str[0]):
        assert dict(zip(copy.kind, copy.label, strict=True)) == {
            "generated-lure": 1,
            "generated-honest": 0,
            "generated-framed": 0,
        }
    assert triples.group.nunique() == 2
    assert set(rows.language) == {"es"}
    assert rows.id.is_unique


def test_slots_are_filled_alike_in_all_three() -> None:
    rows = rows_of(PAIRS)
    assert not rows.text.str.contains("[{}]").any()
    assert {place for place in SLOTS["lugar"] if rows.text.str.contains(place).any()} == set(SLOTS["lugar"])


def test_the_three_get_the_same_noise() -> None:
    rows = rows_of(PAIRS, copies=40)
    triples = rows[rows.kind != "generated-plain"]
    plain = triples.text.str.replace("(?i)uno|dos|tres", "X", regex=True)
    assert (plain.groupby(triples.id.str.rsplit(":", n=1).str[0]).nunique() == 1).all()
    assert plain.nunique() > len(SLOTS["lugar"]) * len(SLOTS["suma"])  # there is noise


def test_the_first_copy_is_written_with_care() -> None:
    first = rows_of(PAIRS, copies=1)
    assert first.text.str.contains("Señora, en", regex=False).sum() == 2 * 3


def test_generating_is_deterministic_and_files_do_not_disturb_one_another() -> None:
    pd.testing.assert_frame_equal(rows_of(PAIRS), rows_of(PAIRS))
    longer = {**PAIRS, "triple": [*PAIRS["triple"], TRIPLE], "plain": []}
    assert set(rows_of({**PAIRS, "plain": []}).text) <= set(rows_of(longer).text)
    assert not rows_of(PAIRS).text.equals(rows_of(PAIRS, seed=1).text)


def test_noise_is_the_same_for_the_same_draw() -> None:
    text = "Señora, ¿va a Perú? Sí; ¡ya!"
    for seed in range(50):
        noise = draw_noise(random.Random(seed))
        assert noise(text) == noise(text) == draw_noise(random.Random(seed))(text)
        assert "ñ" in noise(text).lower()


WRONG_PAIRS = {
    "a missing role": ({"triple": [{k: v for k, v in TRIPLE.items() if k != "framed"}], "slots": SLOTS}, "framed"),
    "an unknown key": ({"triple": [{**TRIPLE, "colour": "red"}], "slots": SLOTS}, "colour"),
    "an empty text": ({"triple": [{**TRIPLE, "lure": ""}], "slots": SLOTS}, "wants"),
    "an unknown slot": ({"triple": [TRIPLE], "slots": {"lugar": ["Perú"]}}, "suma"),
    "a plain text without text": ({"plain": [{"kind": "chat"}]}, "plain"),
}


@pytest.mark.parametrize(("table", "part"), WRONG_PAIRS.values(), ids=WRONG_PAIRS.keys())
def test_a_wrong_file_of_pairs_is_refused_by_name(table: dict[str, Any], part: str) -> None:
    with pytest.raises(PairError, match=rf"es_x\.toml: entry 0.*{part}"):
        rows_of(table)


def test_the_files_of_pairs_are_right() -> None:
    texts = generated(copies=2)
    assert not texts.text.str.contains(r"\{\w*\}").any()
    assert texts.text.is_unique
    assert texts.id.is_unique
    assert set(texts.language) == {"es", "pt", "en"}
    assert (texts.label == (texts.kind == "generated-lure")).all()
    triples = texts[texts.kind != "generated-plain"].kind.value_counts(normalize=True)
    assert triples.max() - triples.min() < 0.05  # twins alike in text are dropped, and few are


# --- the corpus

AD = "Se busca cocinero con experiencia para hotel en la playa, contrato anual."


def make_data(folder: Path) -> Path:
    """Write a data folder with a few invented rows in the shape of the real one."""
    for name in ("background", "quoted", "suspicious", "emscad"):
        (folder / name).mkdir(parents=True)
    background = [
        ("b", AD, "job-ad", None, "es", "somewhere", "g1"),
        ("a", AD, "job-ad", "", "es", "somewhere", "g1"),
        ("c", " ", "comment", "", "es", "somewhere", "g2"),
        ("d", None, "comment", "", "pt", "somewhere", "g3"),
        ("e", "Picking apples", "job-ad", "H-2A/H-2B, composed from fields", "en", "gov", "g4"),
        ("f", "Oferta de panadero", "job-ad", "", "es", next(iter(EVALUATION_ONLY)), "g5"),
    ]
    columns = ["id", "text", "kind", "form", "lang", "source", "group"]
    pd.DataFrame(background, columns=columns).to_parquet(folder / "background" / "background.parquet")
    lure = {"id": "1", "text": "Deposita y viajas", "lang": "es", "form": "ad", "source_url": "u"}
    twin = {"id": "2", "text": "No deposites", "lang": "es", "form": "post", "source_title": "t"}
    (folder / "quoted" / "lures.jsonl").write_text(json.dumps(lure) + "\n", "utf-8")
    (folder / "quoted" / "hard_negatives.jsonl").write_text(json.dumps(twin) + "\n", "utf-8")
    pd.DataFrame({"id": [1], "text": ["Sospechoso"], "lang": ["es"], "source": ["s"], "group": [7]}).to_parquet(
        folder / "suspicious" / "suspicious.parquet"
    )
    emscad = {
        "title": ["A", "B"],
        "description": ["work", None],
        "requirements": [None, "none"],
        "benefits": [None, None],
        "fraudulent": [1, 0],
        "job_id": [5, 6],
        "source_repo": ["r", "r"],
        "text_group": [1, 2],
    }
    pd.DataFrame(emscad).to_parquet(folder / "emscad" / "emscad_part.parquet")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


def test_the_corpus_is_one_table_in_a_fixed_order(data: Path) -> None:
    corpus = read_corpus(data)
    assert list(corpus.columns) == COLUMNS
    assert list(corpus.id) == sorted(corpus.id)
    assert corpus.id.is_unique
    assert corpus.text.is_unique
    assert dict(zip(corpus.kind, corpus.label, strict=True)) == {
        "job-ad": 0,
        "job-ad-seasonal": 0,
        "lure": 1,
        "look-alike": 0,
        "suspicious": 1,
        "emscad-fraud": 1,
        "emscad-genuine": 0,
    }
    pd.testing.assert_frame_equal(corpus, read_corpus(data))


def test_blank_texts_and_second_copies_are_left_out(data: Path) -> None:
    ids = set(read_corpus(data).id)
    assert ids.isdisjoint({"background:c", "background:d"})
    assert len(ids & {"background:a", "background:b"}) == 1


def test_texts_for_evaluation_only_do_not_teach(data: Path) -> None:
    corpus = read_corpus(data).set_index("id")
    assert not corpus.train["background:f"]
    assert corpus.train["quoted:lures:1"]


def test_the_hash_is_of_ids_labels_and_texts(data: Path) -> None:
    corpus = read_corpus(data)
    changes = [corpus.iloc[1:], corpus.assign(label=1 - corpus.label), corpus.assign(text=corpus.text + ".")]
    hashes = [corpus_hash(corpus), *map(corpus_hash, changes), corpus_hash(corpus.assign(id=corpus.id + "x"))]
    assert len(set(hashes)) == len(hashes)
    assert corpus_hash(corpus.assign(form="", train=False)) == hashes[0]


def test_the_data_folder_is_that_of_the_option_or_the_environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert data_folder(None) is None
    assert data_folder(str(data)) == data
    monkeypatch.setenv(ENVIRONMENT, str(data))
    assert data_folder(None) == data
    with pytest.raises(DataFolderError, match=r"nowhere.*background\.parquet"):
        data_folder(str(data / "nowhere"))


@pytest.mark.skipif(ENVIRONMENT not in os.environ, reason=f"${ENVIRONMENT} names no folder of real texts")
def test_the_real_corpus_is_sound() -> None:
    folder = data_folder(None)
    assert folder is not None
    corpus = read_corpus(folder)
    assert corpus.id.is_unique
    assert set(corpus.label) == {0, 1}
    assert not corpus.kind.str.startswith("generated").any()
    assert corpus_hash(corpus) == corpus_hash(read_corpus(folder))
    assert set(corpus.text).isdisjoint(generated().text)
    if gate.FLOORS.exists():
        windows = corpus_hash(with_windows(corpus))
        assert json.loads(gate.FLOORS.read_text("utf-8"))["corpus_hash"] == windows, "renew the floors"


LONG = " ".join(f"Esta es la frase número {n} de un anuncio largo." for n in range(60))


def test_short_texts_are_not_cut() -> None:
    assert post_window("Hola, ¿qué tal?", "key") == "Hola, ¿qué tal?"


@settings(deadline=None)
@given(st.text(min_size=1).filter(str.strip), st.text(max_size=5))
def test_a_window_is_a_stretch_of_the_text(text: str, key: str) -> None:
    long = (text.strip() + " ") * 60 + LONG
    window = post_window(long, key)
    assert window in long
    assert window == post_window(long, key)
    assert len(window) <= POST_LENGTHS[1]


def test_windows_start_at_sentences_end_at_words_and_vary() -> None:
    windows = {key: post_window(LONG, str(key)) for key in range(60)}
    words = set(LONG.split())
    for window in windows.values():
        assert window.startswith("Esta es")
        assert set(window.split()) <= words
        assert POST_LENGTHS[0] - 15 <= len(window) <= POST_LENGTHS[1]
    assert len(set(windows.values())) > 30


def test_windows_keep_ids_and_labels(data: Path) -> None:
    corpus = read_corpus(data)
    cut = with_windows(corpus)
    pd.testing.assert_frame_equal(cut.drop(columns=["text", "whole"]), corpus.drop(columns="text"))
    assert cut.whole.tolist() == corpus.text.tolist()


@given(st.text(st.sampled_from("ab \n.!?ñ"), max_size=1500), st.text(max_size=5))
def test_stretches_are_parts_of_the_text_in_order_and_of_post_length(text: str, key: str) -> None:
    at = 0
    for stretch in stretches(text, key):
        assert len(stretch) <= POST_LENGTHS[1]
        assert len(stretch.strip()) >= POST_LENGTHS[0]
        at = text.index(stretch, at) + len(stretch)


def test_stretches_of_one_key_are_always_the_same() -> None:
    text = "Una frase de ejemplo sin nada especial. " * 30
    assert stretches(text, "a") == stretches(text, "a") != stretches(text, "b")
    assert len("".join(stretches(text, "a"))) > len(text) / 2


# --- folds


def frame(rows: Sequence[tuple[str, str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["text", "source", "group", "kind"]).assign(language="es")


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["uno dos tres cuatro cinco seis", "Únó dos, TRES cuatro cinco seis", "hola", "adios", LONG]
            ),
            st.sampled_from(["s1", "s2", "s3", "s4", "s5", "s6", ""]),
            st.sampled_from(["g1", "g2", "g3", "g4", "g5", "g6", ""]),
            st.sampled_from(["lure", "job-ad"]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_folds_keep_sources_groups_and_copies_together(rows: list[tuple[str, str, str, str]]) -> None:
    corpus = frame(rows)
    folds = grouped_folds(corpus)
    assert folds.shape == (len(corpus),)
    assert set(folds) <= set(range(FOLDS))
    opening = corpus.text.map(template_group)
    openings = opening.where(opening.str.split().str.len() >= 5, "")
    for column in (corpus.source, corpus.group, openings):
        named = column.to_numpy() != ""
        assert (pd.Series(folds)[named].groupby(column[named].to_numpy()).nunique() <= 1).all()


def test_folds_spread_every_kind() -> None:
    corpus = frame([(f"texto {n}", f"s{n}", f"g{n}", kind) for kind in ("lure", "job-ad") for n in range(50)])
    corpus[["source", "group"]] += corpus.kind.to_numpy()[:, None]
    sizes = corpus.assign(fold=grouped_folds(corpus)).groupby(["kind", "fold"]).size()
    assert (sizes == 10).all()


def test_short_openings_do_not_join_texts() -> None:
    corpus = frame([("hola amiga", f"s{n}", f"g{n}", "lure") for n in range(10)])
    assert set(grouped_folds(corpus)) == set(range(FOLDS))


# --- the fit


def matrix_of(rows: list[list[float]]) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.array(rows, np.float32))


def test_without_evidence_weights_are_the_prior() -> None:
    labels = np.array([0.0, 1.0])
    fitted = fit(matrix_of([[0, 0, 0], [0, 0, 0]]), labels, np.ones(2), np.array([1.5, -0.4]), [(0, None), (None, 0)])
    np.testing.assert_allclose(fitted.weights, [1.5, -0.4, 0.0])
    assert fitted.intercept == pytest.approx(0.0, abs=1e-4)


def test_signs_hold_against_all_evidence() -> None:
    rows = [[1, 0, 1]] * 50 + [[0, 1, 0]] * 50
    labels = np.array([0.0] * 50 + [1.0] * 50)  # the risk column goes with honest texts, the other with lures
    fitted = fit(matrix_of(rows), labels, np.ones(100), np.array([1.5, -0.4]), [(0, None), (None, 0)])
    assert fitted.weights[0] == 0
    assert fitted.weights[1] == 0
    assert fitted.weights[2] < 0  # a free column may say what the evidence says


def test_evidence_moves_weights_from_the_prior_and_the_penalty_holds_them() -> None:
    rows, labels = [[1.0]] * 40 + [[0.0]] * 40, np.array([1.0] * 40 + [0.0] * 40)
    weights = [
        fit(matrix_of(rows), labels, np.ones(80), np.array([0.5]), [(0, None)], penalty).weights[0]
        for penalty in (100.0, 1.0, 0.01)
    ]
    assert 0.5 < weights[0] < weights[1] < weights[2]


def test_sample_weights_count_as_copies() -> None:
    rows, labels = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], np.array([1.0, 0.0, 1.0])
    copied = fit(matrix_of([*rows, rows[0]]), np.append(labels, 1.0), np.ones(4), np.zeros(1), [(None, None)])
    weighted = fit(matrix_of(rows), labels, np.array([2.0, 1.0, 1.0]), np.zeros(1), [(None, None)])
    np.testing.assert_allclose(weighted.weights, copied.weights, atol=1e-3)


def test_texts_of_one_label_cannot_teach() -> None:
    with pytest.raises(ValueError, match="same label"):
        fit(matrix_of([[1.0]]), np.array([1.0]), np.ones(1), np.zeros(1), [(0, None)])


def test_priors_keep_to_the_bounds(catalogue: Catalogue) -> None:
    codes = (*catalogue.codes, COMBINATION)
    for prior, (low, high) in zip(prior_of(catalogue, codes), bounds_of(catalogue, codes), strict=True):
        assert low is None or prior >= low
        assert high is None or prior <= high
    signs = dict(zip(codes, bounds_of(catalogue, codes), strict=True))
    for indicator in catalogue.indicators:
        wanted = {"risk": (0, None), "framing": (None, 0), "bounded": (None, 0)}.get(indicator.role, (None, None))
        assert signs[indicator.code] == wanted


# --- what a fold must not see

TEXTS = [
    "Deposita 50 dólares para apartar tu cupo y viajas este mes, trabajo seguro en Chile",
    "Hotel contrata cocinero con experiencia, contrato anual y 40 horas semanales",
    "No acepten esas ofertas, es una estafa, denuncien a la policía",
    "Hola mamá, llegué bien, mañana te llamo",
    "Faça um pix de 50 reais para liberar as tarefas, fala comigo no Telegram",
    "We pay your flight and you pay us back from your wages, no contract needed",
    "I am looking for work as a nurse in a hospital near the sea",
    "Alugo quarto mobiliado perto do metrô, contrato de seis meses",
]


def table_of(texts: Sequence[str], copies: int = 4) -> pd.DataFrame:
    rows = [
        {
            "id": f"{i}:{copy}",
            "text": text,
            "label": int(i in (0, 4, 5)),
            "kind": "lure" if i in (0, 4, 5) else "job-ad",
            "language": "es",
            "form": "ad",
            "source": f"s{i}",
            "group": f"g{i}",
            "train": True,
        }
        for copy in range(copies)
        for i, text in enumerate(texts)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def small(table: pd.DataFrame, catalogue: Catalogue) -> build.Prepared:
    """Return the texts with the columns of indicators, words and pairs only: a fit without n-grams takes no time."""
    whole = build.prepare(table, catalogue, Recipe(), None)
    return replace(whole, matrix=whole.matrix[:, : whole.design.edges[2]])


def test_a_fold_is_scored_by_a_model_that_saw_nothing_of_it(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(TEXTS)
    table.loc[[1, 5], "train"] = False
    prepared = small(table, catalogue)
    folds = np.arange(len(table)) // 8 - 1  # -1: always teaches, never scored
    taught: list[np.ndarray[Any, Any]] = []
    real = build.fit_rows

    def spy(data: Any, rows: Any, *rest: Any) -> Any:
        taught.append(rows.copy())
        return real(data, rows, *rest)

    monkeypatch.setattr(build, "fit_rows", spy)
    monkeypatch.setattr(build, "JOBS", 1)  # in this process, where the spy is
    logits = out_of_fold(prepared, folds, catalogue, Recipe())
    assert len(taught) == 3
    for fold, rows in enumerate(taught):
        np.testing.assert_array_equal(rows, table.train.to_numpy() & (folds != fold))
    assert (logits[folds == -1] == 0).all()
    assert (logits[folds >= 0] != 0).all()


def test_a_changed_label_changes_no_score_of_its_own_fold(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "JOBS", 1)
    table = table_of(TEXTS)
    folds = np.arange(len(table)) // 8
    prepared = small(table, catalogue)
    inside = folds == 0
    turned = table.assign(label=np.where(inside, 1 - table.label, table.label))
    other = replace(prepared, table=turned)
    one, two = (out_of_fold(p, folds, catalogue, Recipe()) for p in (prepared, other))
    np.testing.assert_array_equal(one[inside], two[inside])
    assert not np.array_equal(one[~inside], two[~inside])


def test_lures_and_other_texts_weigh_the_same(catalogue: Catalogue) -> None:
    table = table_of(TEXTS)
    weights = sample_weights(table, Recipe())
    lure = table.label.to_numpy() == 1
    assert weights[lure].sum() == pytest.approx(weights[~lure].sum())
    assert weights.mean() == pytest.approx(1)


def test_a_recipe_leaves_parts_out() -> None:
    kinds = ["lure", "generated-lure", "suspicious", "emscad-fraud", "job-ad"]
    table = pd.DataFrame({"kind": kinds, "train": [True, True, True, True, False]})
    whole = Recipe(generated=True, suspicious=True, emscad=True)
    assert usable(table, whole).tolist() == [True, True, True, True, False]
    assert usable(table, replace(whole, generated=False)).tolist() == [True, False, True, True, False]
    assert usable(table, replace(whole, suspicious=False)).tolist() == [True, True, False, True, False]
    assert usable(table, replace(whole, emscad=False)).tolist() == [True, True, True, False, False]


# --- training = serving

UNSEEN = [
    "",
    "Zarandajas inauditas por doquier, 1.500 cachivaches",
    "Deposita 50 dólares, zutano, y viajas; nadie te cobra más 💰💰",
    "Deposita deposita deposita deposita",
    "Nurse wanted near the sea, 40 hours, unheard-of flimflam",
    "Precisa de moça para zanzibar, pix de 50 pra liberar",
    "tr4b4jo f4cil y t r a b a j o seguro",
]
VECTOR_SIZE = 4


class MadeUpVectors:
    """Vectors of some words, as `WordVectors` has; zeros for the rest."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)

    def __call__(self, words: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        rows = [np.random.default_rng(sum(map(ord, w))).normal(size=VECTOR_SIZE) * (w in self.words) for w in words]
        return np.array(rows, np.float32).reshape(-1, VECTOR_SIZE)


MANIFEST = {"prevalence": 0.01, "thresholds": {"review": 0.0, "high": 2.0}, "curve": [[0.0, 0.9, 0.01]]}


def design_of(catalogue: Catalogue, blocks: Blocks, with_vectors: bool) -> Design:
    """Return a design that knows the words of TEXTS, and vectors of all words but those that start with z."""
    vocabulary = vocabulary_of(featurise_all(TEXTS * 3, catalogue), catalogue)
    words = sorted({w for f in featurise_all([*TEXTS, *UNSEEN], catalogue) for w in f.words if w[0] != "z"})
    vectors: Any = MadeUpVectors(words) if with_vectors else None
    return Design(vocabulary, blocks, vectors)


@pytest.mark.parametrize("with_vectors", [False, True], ids=["without vectors", "with vectors"])
def test_serving_scores_as_training_does(catalogue: Catalogue, with_vectors: bool, tmp_path: Path) -> None:
    blocks = Blocks(indicators=1.3, words=0.7, pairs=0.9, grams=0.35, vectors=0.5)
    design = design_of(catalogue, blocks, with_vectors)
    texts = [*TEXTS, *UNSEEN, " ".join(TEXTS)]
    matrix = design.matrix(featurise_all(texts, catalogue))
    weights = np.random.default_rng(0).normal(size=matrix.shape[1]) * 0.2
    model = design.fold(weights, -1.5, {**MANIFEST, "codes": list(catalogue.codes)})
    trained = matrix @ weights - 1.5

    served = [a.logit for a in Screener(model, catalogue).screen_many(texts)]
    np.testing.assert_allclose(served, trained, atol=SCORE_TOLERANCE)

    save_model(model, tmp_path)
    loaded = [a.logit for a in Screener(load_model(tmp_path), catalogue).screen_many(texts)]
    np.testing.assert_allclose(loaded, trained, atol=HALF_TOLERANCE)


@pytest.mark.parametrize(
    "text",
    [
        "You dont pay, I don't ask, they dont come, you don't wait",
        "Write an email or an e-mail, we don't mind",
        "Hay zarandajas y z4r4nd4j4s, z a r a n d a j a s y zaran-dajas",
    ],
    ids=["apostrophe", "hyphen", "hidden word of the model"],
)
def test_words_of_the_model_do_not_change_what_serving_sees(catalogue: Catalogue, text: str) -> None:
    """Repairing to words of the model would show serving other words than training saw."""
    texts = [*TEXTS, text]
    vocabulary = vocabulary_of(featurise_all(texts * 3, catalogue), catalogue)
    design = Design(vocabulary, Blocks())
    matrix = design.matrix(featurise_all(texts, catalogue))
    weights = np.random.default_rng(0).normal(size=matrix.shape[1]) * 0.2
    model = design.fold(weights, 0.0, {**MANIFEST, "codes": list(catalogue.codes)})
    served = [a.logit for a in Screener(model, catalogue).screen_many(texts)]
    np.testing.assert_allclose(served, matrix @ weights, atol=SCORE_TOLERANCE)


def test_a_matrix_has_a_column_for_all_that_is_learnt(catalogue: Catalogue) -> None:
    design = design_of(catalogue, Blocks(), True)
    features = featurise_all(TEXTS, catalogue)
    matrix = design.matrix(features)
    assert matrix.shape == (len(TEXTS), design.edges[-1] + VECTOR_SIZE)
    assert matrix.dtype == np.float32
    codes = matrix[:, : design.edges[0]].toarray()
    for row, f in zip(codes, features, strict=True):
        seen = dict(zip(design.vocabulary.codes, row.tolist(), strict=True))
        assert {c: v for c, v in seen.items() if v} == pytest.approx(dict(f.values))


def test_the_vocabulary_is_what_stands_in_enough_texts(catalogue: Catalogue) -> None:
    once = vocabulary_of(featurise_all(TEXTS[:1], catalogue), catalogue)
    thrice = vocabulary_of(featurise_all(TEXTS[:1] * 3, catalogue), catalogue)
    assert (once.words, once.pairs) == ((), ())
    assert "deposita" in thrice.words
    assert "deposita #2" in thrice.pairs
    assert thrice.codes == (*catalogue.codes, COMBINATION)
    assert list(thrice.words) == sorted(set(thrice.words))


def test_texts_are_assembled_in_their_order(catalogue: Catalogue) -> None:
    table = table_of(TEXTS, copies=1)
    features = featurise_all(TEXTS, catalogue)
    empty = Vocabulary((*catalogue.codes, COMBINATION), (), ())
    prepared = assemble(table, features, empty, Recipe(), None)
    assert prepared.matrix.shape[0] == len(table)
    featuriser = Featuriser(catalogue)
    assert [f.words for f in prepared.features] == [featuriser(text).words for text in TEXTS]


# --- calibration

rng = np.random.default_rng(0)
LURES = np.repeat([True, False], [200, 1800])
LOGITS = np.where(LURES, rng.normal(2, 1.5, 2000), rng.normal(-2, 1.5, 2000))


@pytest.mark.parametrize("prevalence", [0.001, 0.01, 0.5])
def test_calibration_keeps_the_order_and_the_prevalence(prevalence: float) -> None:
    calibration = calibrate(LOGITS, LURES, prevalence)
    calibrated = calibration(LOGITS)
    assert calibration.slope > 0
    np.testing.assert_array_equal(np.argsort(calibrated, kind="stable"), np.argsort(LOGITS, kind="stable"))
    weights = np.where(LURES, prevalence / LURES.mean(), (1 - prevalence) / (1 - LURES.mean()))
    mean = np.average(1 / (1 + np.exp(-calibrated)), weights=weights)
    assert mean == pytest.approx(prevalence, rel=0.1)


def test_scores_that_fall_with_lures_cannot_be_calibrated() -> None:
    with pytest.raises(ValueError, match="do not rise with lures"):
        calibrate(-LOGITS, LURES)


def test_operating_points_pass_the_stated_share_of_honest_ads() -> None:
    points = operating_points(LOGITS, ~LURES)
    assert points["review"] < points["high"]
    assert (LOGITS[~LURES] > points["review"]).mean() == pytest.approx(0.01, abs=0.001)


def test_the_curve_runs_from_the_lowest_threshold_to_the_highest() -> None:
    points = np.array(curve(LOGITS, LURES))
    assert (np.diff(points[:, 0]) >= 0).all()
    assert (np.diff(points[:, 1]) <= 0).all()
    assert (np.diff(points[:, 2]) <= 0).all()
    assert ((points[:, 1:] >= 0) & (points[:, 1:] <= 1)).all()


def test_calibration_error_is_the_gap_between_stated_and_observed() -> None:
    lures = np.array([True, False] * 500)
    ones = np.ones(1000)
    assert expected_calibration_error(np.full(1000, 0.5), lures, ones) == pytest.approx(0, abs=0.02)
    assert expected_calibration_error(np.full(1000, 0.9), lures, ones) == pytest.approx(0.4, abs=0.02)


def form_table(language: str, form: str) -> pd.DataFrame:
    """Return 400 ads, 100 look-alikes and 100 lures of one language and form, each from a source of its own."""
    kinds = ["job-ad"] * 400 + ["look-alike"] * 100 + ["lure"] * 100
    return pd.DataFrame({"kind": kinds, "language": language, "form": form, "source": range(600)}).assign(
        label=lambda table: (table.kind == "lure").astype(int)
    )


def test_calibration_is_judged_by_form_and_language_with_the_one_all_share() -> None:
    table = pd.concat([form_table("es", "ad"), form_table("en", "message"), form_table("pt", "ad")], ignore_index=True)
    lures = table.label.to_numpy() == 1
    logits = np.random.default_rng(0).normal(np.where(lures, 1.0, -1.0), 1.0)
    alike = quality(table, logits)
    apart = quality(table, logits + 3.0 * (table.form == "message"))
    assert {*alike["forms"]} == {"ad", "message"}
    for rows, key in (("forms", "message"), ("languages", "en")):
        assert alike[rows][key]["ece"]["even"] < 0.07
        assert apart[rows][key]["ece"]["even"] > 0.2


# --- the gate

RECALLS = ("recall_at_1%_of_ads", "recall_at_5%_of_ads")


def results(value: float, corpus: str = "abc") -> dict[str, Any]:
    row = {"lures": 3, "ece": {}, **{key: {"value": value, "low": 0.0, "high": 1.0} for key in RECALLS}}
    return {"corpus_hash": corpus, "grouped": {"languages": {"es": row, "pt": row, "en": row}, "all": row}}


@pytest.fixture
def floors(tmp_path: Path) -> Path:
    path = tmp_path / "floors.json"
    renew(path, results(0.8), allow_lower=False)
    return path


def pinned(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def test_floors_stand_a_little_below_what_set_them(floors: Path) -> None:
    assert set(pinned(floors)["floors"].values()) == {0.78}
    assert "es.recall_at_1%_of_ads" in pinned(floors)["floors"]
    assert failures(pinned(floors), results(0.8)) == []
    assert failures(pinned(floors), results(0.785)) == []


def test_results_below_a_floor_fail_by_name(floors: Path) -> None:
    failed = failures(pinned(floors), results(0.7))
    assert len(failed) == len(pinned(floors)["floors"])
    assert "pt.recall_at_5%_of_ads: 0.700 is below the floor 0.780" in failed


def test_another_corpus_fails(floors: Path) -> None:
    assert failures(pinned(floors), results(0.99, "xyz")) == [
        "floors are for corpus abc, this is xyz; renew the floors"
    ]


def test_floors_are_not_lowered_unasked(floors: Path) -> None:
    before = floors.read_bytes()
    with pytest.raises(FloorError, match=r"all\.recall_at_1%_of_ads.*--lower-floors"):
        renew(floors, results(0.7), allow_lower=False)
    assert floors.read_bytes() == before
    renew(floors, results(0.7), allow_lower=True)
    assert set(pinned(floors)["floors"].values()) == {0.68}


def test_floors_are_raised_freely(floors: Path) -> None:
    renew(floors, results(0.9), allow_lower=False)
    assert set(pinned(floors)["floors"].values()) == {0.88}


def test_a_measure_that_is_gone_counts_as_fallen(floors: Path) -> None:
    fewer = results(0.9)
    del fewer["grouped"]["languages"]["pt"]
    with pytest.raises(FloorError, match=r"pt\.recall"):
        renew(floors, fewer, allow_lower=False)


def test_another_corpus_gets_floors_of_its_own(floors: Path) -> None:
    renew(floors, results(0.5, "xyz"), allow_lower=False)
    assert pinned(floors)["corpus_hash"] == "xyz"


@pytest.mark.parametrize(("value", "corpus", "code"), [(0.8, "abc", 0), (0.7, "abc", 1), (0.8, "xyz", 1)])
def test_the_check_fails_where_a_floor_is_not_reached(
    floors: Path, monkeypatch: pytest.MonkeyPatch, value: float, corpus: str, code: int
) -> None:
    monkeypatch.setattr(gate, "FLOORS", floors)
    measured = {**results(value, corpus), "random": results(value)["grouped"], "shortcuts": {}}
    monkeypatch.setattr(gate, "measure", lambda *args: measured)
    monkeypatch.setattr(gate, "as_text", lambda grouped: "")
    options = argparse.Namespace(
        data=None, output=None, mistakes=None, random_split=False, renew_floors=False, lower_floors=False, check=True
    )
    assert gate.judge(options, None) == code


def test_generated_texts_are_never_measured(data: Path) -> None:
    corpus = read_corpus(data).assign(kind="generated-lure")
    with pytest.raises(ValueError, match="generated texts are never scored"):
        quality(corpus, np.zeros(len(corpus)))


# --- the commands, from end to end


def test_evaluating_needs_real_texts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert command.main(["evaluate"]) == 2
    assert command.main(["corpus"]) == 2
    assert f"${ENVIRONMENT}" in capsys.readouterr().err


def test_the_corpus_is_counted_and_hashed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["corpus", "--data", str(data)]) == 0
    corpus = read_corpus(data)
    assert f"{len(corpus)} texts, corpus hash {corpus_hash(corpus)}" in capsys.readouterr().out


def test_compiling_writes_files_of_these_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PACKAGE_DATA", tmp_path)
    assert command.main(["compile"]) == 0
    assert json.loads((tmp_path / COMPILED).read_bytes())["sources"] == hash_of(read_sources())
    assert (tmp_path / AUTOMATA).is_file()


def test_a_handful_of_triples_becomes_a_model_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = generated(copies=1)
    few = texts[texts.group.isin(texts.group.unique()[::25])].reset_index(drop=True)
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(export, "generated", lambda: few)
    monkeypatch.setattr(export, "grouped_folds", lambda table: grouped_folds(table, folds=2))
    monkeypatch.setattr("training.fit.MAX_ITERATIONS", 8)
    monkeypatch.setattr(build, "JOBS", 1)  # in this process, where the patches are
    folder = tmp_path / "model"
    assert export.build_model(export.held_out(None, None), folder) == 0
    assert str(folder) in capsys.readouterr().out

    screener = Screener.load(folder)
    manifest = load_model(folder).manifest
    assert manifest["trained_on"]["real_texts"] is False
    assert sum(manifest["trained_on"]["texts"].values()) == len(few)
    assert manifest["encoder"] == "none"
    assert "Invented matched texts only" in (folder / "card.md").read_text("utf-8")
    lures, others = (
        np.mean([screener.screen(text).logit for text in few.text[few.label == label]]) for label in (1, 0)
    )
    assert lures > others
    review, high = screener.thresholds["review"], screener.thresholds["high"]
    assert 0 < review <= high < 1


def test_real_texts_go_before_generated_ones_and_are_cut(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "generated", lambda: table_of(TEXTS, 1).assign(kind="generated-lure"))
    table, real = export.training_table(str(data))
    assert real.sum() == len(read_corpus(data))
    assert real[: real.sum()].all()
    assert not real[real.sum() :].any()
    assert list(table.columns) == [*COLUMNS, "whole"]
