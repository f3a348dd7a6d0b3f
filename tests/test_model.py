"""The model's files: what was written is read, and what was changed or is of another kind is refused."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from screening import ModelError, Screener
from screening.features import GRAM_BUCKETS, grams_of, key_of
from screening.model import ARRAYS, FORMAT, MANIFEST, WEIGHTS, Model, load_model, manifest_hash, save_model


def keyed(weights: dict[str, float]) -> tuple[Any, Any]:
    pairs = sorted((key_of(term), weight) for term, weight in weights.items())
    return np.array([k for k, _ in pairs], np.uint32), np.array([w for _, w in pairs], np.float32)


@pytest.fixture
def model() -> Model:
    grams = np.zeros(GRAM_BUCKETS, np.float32)
    grams[list(grams_of("pasajes"))] = 0.125
    return Model(
        *keyed({"pasaje": 1.5, "hola": -0.25}),
        *keyed({"pasaje pago": 2.0}),
        grams,
        {"upfront-fee": 1.25, "bounded-hours": -0.5},
        -2.5,
        {
            "codes": ["upfront-fee", "bounded-hours"],
            "prevalence": 0.01,
            "thresholds": {"review": 0.0, "high": 2.0},
            "curve": [[0.0, 0.9, 0.01]],
        },
    )


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


def seal(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest as the export would have written it, with a hash that holds."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    change(manifest)
    manifest["manifest_sha256"] = manifest_hash(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")


def put_weights(folder: Path, raw: bytes) -> None:
    """Replace the weights, with a manifest that vouches for them."""
    (folder / WEIGHTS).write_bytes(raw)
    seal(folder, lambda m: m.update(weights_sha256=hashlib.sha256(raw).hexdigest()))


def packed(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def arrays_of(folder: Path) -> dict[str, Any]:
    with np.load(folder / WEIGHTS) as stored:
        return {name: stored[name] for name in stored.files}


def test_what_is_saved_is_loaded(model: Model, folder: Path) -> None:
    loaded = load_model(folder)
    for name in ARRAYS:
        assert getattr(loaded, name).dtype == getattr(model, name).dtype
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    assert (loaded.indicators, loaded.intercept) == (model.indicators, model.intercept)
    assert {key: loaded.manifest[key] for key in model.manifest} == model.manifest
    assert sorted(f.name for f in folder.iterdir()) == sorted([MANIFEST, WEIGHTS])


def test_saving_what_was_loaded_changes_no_byte(folder: Path, tmp_path: Path) -> None:
    save_model(load_model(folder), tmp_path / "again")
    for name in (MANIFEST, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_words_have_their_own_weight_or_that_of_their_letters(model: Model) -> None:
    own, unseen, number = model.word_values(["pasaje", "pasajes", "#3"])
    assert own == 1.5
    assert unseen == pytest.approx(0.125 * len(list(grams_of("pasajes"))))
    assert number == 0.0
    assert model.pair_values(["pasaje pago", "pago pasaje"]) == [2.0, 0.0]
    assert (model.word_values([]), model.pair_values([])) == ([], [])


def test_the_model_knows_the_words_that_have_a_weight(model: Model) -> None:
    assert model.knows("pasaje")
    assert not model.knows("pasajes")


def test_a_model_without_words_gives_none_a_weight(model: Model) -> None:
    empty = Model(*keyed({}), *keyed({}), np.zeros(GRAM_BUCKETS, np.float32), {}, 0.0, {})
    assert empty.word_values(["pasaje"]) == [0.0]
    assert empty.pair_values(["pasaje pago"]) == [0.0]
    assert not empty.knows("pasaje")


def refused(folder: Path, *parts: str) -> None:
    """Check that the model is refused, by both doors, and that the message says where and what to do."""
    for load in (load_model, Screener.load):
        with pytest.raises(ModelError) as caught:
            load(folder)
        assert all(part in str(caught.value) for part in (str(folder), *parts)), str(caught.value)


def test_changed_weights_are_refused(folder: Path) -> None:
    raw = bytearray((folder / WEIGHTS).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(raw))
    refused(folder, WEIGHTS, "changed after export", "export it again with `python -m training` or reinstall")


def test_cut_weights_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1])
    refused(folder, WEIGHTS, "changed after export", "export it again with `python -m training` or reinstall")


@pytest.mark.parametrize("change", [{"intercept": 5.0}, {"indicators": {}}, {"weights_sha256": "0"}, {"new": 1}])
def test_a_changed_manifest_is_refused(folder: Path, change: dict[str, Any]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    (folder / MANIFEST).write_text(json.dumps(manifest | change), "utf-8")
    refused(folder, MANIFEST, "changed after export", "export it again")


@pytest.mark.parametrize("other", [FORMAT + 1, None, "1"])
def test_another_format_is_refused(folder: Path, other: object) -> None:
    seal(folder, lambda m: m.update(format=other))
    refused(folder, MANIFEST, f"format {other!r}", f"reads {FORMAT}")


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, f"no {name}", "python -m training")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", MANIFEST, "python -m training")


@pytest.mark.parametrize("text", ["", "{", "\x00"], ids=["empty", "cut", "binary"])
def test_a_manifest_that_is_not_json_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text, "utf-8")
    refused(folder, MANIFEST, "not JSON")


def test_a_manifest_that_is_no_table_is_refused(folder: Path) -> None:
    (folder / MANIFEST).write_text("[1]", "utf-8")
    refused(folder, MANIFEST)


def test_pickled_arrays_are_refused(folder: Path) -> None:
    put_weights(folder, packed(**arrays_of(folder) | {"word_weights": np.array([{"a": 1}, None], dtype=object)}))
    refused(folder, WEIGHTS)


def test_weights_that_are_no_archive_are_refused(folder: Path) -> None:
    put_weights(folder, b"not an archive")
    refused(folder, WEIGHTS)


def test_a_bare_pickle_is_refused(folder: Path) -> None:
    put_weights(folder, b"\x80\x04K\x01.")
    refused(folder, WEIGHTS)


def test_arrays_of_other_names_are_refused(folder: Path) -> None:
    put_weights(folder, packed(**arrays_of(folder), extra=np.zeros(1)))
    refused(folder, WEIGHTS, "extra", "wanted")
    put_weights(folder, packed(word_keys=np.zeros(1)))
    refused(folder, WEIGHTS, "word_weights", "wanted")


def test_another_number_of_buckets_is_refused(folder: Path) -> None:
    put_weights(folder, packed(**arrays_of(folder) | {"gram_weights": np.zeros(8, np.float16)}))
    refused(folder, WEIGHTS, "gram_weights", str(GRAM_BUCKETS))


def test_a_model_of_indicators_the_catalogue_lacks_is_refused(folder: Path) -> None:
    seal(folder, lambda m: m.update(codes=[*m["codes"], "no-such-code"]))
    with pytest.raises(ModelError, match="no-such-code"):
        Screener.load(folder)
