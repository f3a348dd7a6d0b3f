"""A screener as bytes, of which another process makes the same one: plain arrays and JSON, nothing pickled."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from screening import __version__
from screening.catalogue import load_catalogue
from screening.errors import ModelError
from screening.model import ARRAYS, Model
from screening.screener import Screener
from screening.semantic import load_second_look

STATE = "state"  # beside the model's arrays: JSON, as bytes


def to_bytes(screener: Screener) -> bytes:
    """Return the model's arrays and all that was chosen of a screener; the catalogue and the encoder stay behind."""
    model = screener._model
    state = {
        "version": __version__,
        "fingerprint": screener.fingerprint,
        "model": {"indicators": dict(model.indicators), "intercept": model.intercept, "manifest": dict(model.manifest)},
        "prevalence": screener._prevalence,
        "thresholds": screener._thresholds,
        "edge": None if screener._second_look is None else screener._edge,
    }
    # Not `save_model`, which rounds weights to half precision: a model fresh from training would change on the way.
    arrays: dict[str, Any] = {name: getattr(model, name) for name in ARRAYS}
    arrays[STATE] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def from_bytes(packed: bytes) -> Screener:
    """Return a screener that scores as the one that was packed.

    Raises
    ------
    ModelError
        If it would score otherwise, since this process has another catalogue or second look: another
        version of the package.
    MissingExtraError
        If the screener looks twice and the extra `semantic` is not installed here.
    """
    with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in (*ARRAYS, STATE)}
    state = json.loads(arrays.pop(STATE).tobytes())
    screener = Screener(Model(**arrays, **state["model"]), load_catalogue()).with_prevalence(state["prevalence"])
    screener._thresholds = state["thresholds"]
    if state["edge"] is not None:
        screener._second_look, screener._edge = load_second_look(), state["edge"]
    if screener.fingerprint != state["fingerprint"]:
        raise ModelError(
            f"the screener comes from version {state['version']} and scores otherwise here, with {__version__}: "
            "install the same deceptive-offer-screening on the driver and on every worker"
        )
    return screener
