"""Arrow arrays out of Python values, and pyarrow itself, which is an extra.

`pyarrow.array` imports pandas, where it is installed, to ask whether a list is one of its series: 40 MB and
0.3 s for nothing. Arrays are made of buffers here instead.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screening.errors import MissingExtraError

_NUMBERS = {"double": np.float64, "int64": np.int64}


def import_arrow(module: str = "pyarrow", need: str = "Parquet") -> Any:
    """Return pyarrow, or a module of it; `need` is what asks for it.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError("pyarrow", "tables", need) from error


def array_of(values: Sequence[Any], kind: str) -> Any:
    """Return an array of "string", "double", "int64", "bool" or "list" (of strings); None is null."""
    arrow = import_arrow()
    held = np.array([value is not None for value in values], bool)
    valid = None if held.all() else _bits(held)
    if kind == "list":
        offsets = array_of(np.cumsum([0, *map(len, values)]).tolist(), "int64").cast(arrow.int32())
        return arrow.ListArray.from_arrays(offsets, array_of([item for value in values for item in value], "string"))
    if kind == "string":
        pieces = [value.encode() if value is not None else b"" for value in values]
        ends = np.cumsum([0, *map(len, pieces)])
        # A batch of the longest posts is past 2 GiB only if each row holds megabytes: batches are cut long before.
        buffers = [valid, arrow.py_buffer(ends.astype(np.int32)), arrow.py_buffer(b"".join(pieces))]
        return arrow.Array.from_buffers(arrow.string(), len(values), buffers)
    if kind == "bool":
        return arrow.Array.from_buffers(arrow.bool_(), len(values), [valid, _bits(np.array(values, bool))])
    numbers = np.array([value if value is not None else 0 for value in values], _NUMBERS[kind])
    return arrow.Array.from_buffers(arrow.type_for_alias(kind), len(values), [valid, arrow.py_buffer(numbers)])


def _bits(flags: NDArray[np.bool_]) -> Any:
    arrow = import_arrow()
    return arrow.py_buffer(np.packbits(flags, bitorder="little").tobytes())
