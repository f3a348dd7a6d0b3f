"""Spark, batch and structured streaming: the columns of ours, added by `mapInArrow`.

The screener is broadcast once, as plain arrays and JSON, and each Python worker makes one scorer of it
for all its tasks. Every worker needs this package; rows are scored as `Screener.screen` scores them.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from screening.errors import InputError, MissingExtraError
from screening.scorers import PATHS, Scorer, make_scorer
from screening.screener import Screener
from screening.tables import OUR_COLUMNS
from screening.transport import from_bytes, to_bytes

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

__all__ = ["mapper", "screen_column", "screened_schema"]

NEEDED = ("pyspark", "pyarrow", "pandas")  # mapInArrow asks for pandas too, though none is used
BROADCASTS = 4  # held by a driver: a megabyte each
SCORERS = 2  # held by a worker: 75 MB each on the compiled path
NO_OPINION = (None, None, None, ())


def screen_column(
    frame: DataFrame,
    text: str = "text",
    *,
    screener: Screener | None = None,
    prefix: str = "",
    second_look: bool = False,
    path: str = "auto",
) -> DataFrame:
    """Return the frame, batch or streaming, with columns probability, level, language and indicators after its own.

    A text that is null gets null, null, null and an empty array, and so does every row of a column
    that does not hold strings. The other columns keep their values, types, nullability and metadata, and a
    stream its watermark. Spark itself refuses year-month and calendar intervals in `mapInArrow`: cast them first.

    Parameters
    ----------
    text
        Name of the column to screen, exactly as it is written. For a field of a struct, select it first.
    screener
        The bundled one if none is given. One that looks twice does so on the workers.
    prefix
        Stands before the names of our columns.
    second_look
        Short for `screener.with_second_look()`; needs the extra `semantic` on the driver and every worker.
    path
        "compiled", "reference", or "auto" for the compiled one on workers that have numba. Results are equal.
        The first worker on a machine compiles for a minute, then finds it on disk if numba may write there.

    Raises
    ------
    KeyError
        If no column is named `text`; the message lists those there are.
    InputError
        If several columns are named `text`, or a column has a name of ours, in whatever case.
    ValueError
        If there is no such path.
    MissingExtraError
        If pyspark, pyarrow or pandas is not installed, or what the second look needs.
    ModelError
        Raised by Spark, when rows are asked for, if a worker has another version of this package.
    """
    names = frame.columns
    place = _place_of(text, names)
    schema = screened_schema(frame.schema, prefix)
    # Numbered while Python has them: mapInArrow looks columns up by name, and fails where one has a dot or comes twice.
    numbered = frame.toDF(*map(str, range(len(names))))
    function = mapper(str(place), screener=screener, second_look=second_look, path=path, session=frame.sparkSession)
    return numbered.mapInArrow(function, schema)


def mapper(
    text: str = "text",
    *,
    screener: Screener | None = None,
    prefix: str = "",
    second_look: bool = False,
    path: str = "auto",
    session: SparkSession | None = None,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that `screen_column` gives to `mapInArrow`, for those who call it themselves.

    Its schema is `screened_schema(frame.schema, prefix)`. The parameters are those of `screen_column`, and
    `session` is that of the frame, by default the active one. Where a session cannot broadcast (Spark
    Connect) the function carries the screener: about a megabyte.

    Raises
    ------
    ValueError
        If there is no such path.
    MissingExtraError
        If pyspark, pyarrow or pandas is not installed, or what the second look needs.

    Notes
    -----
    The function raises KeyError if no column of a record batch is named `text`, InputError if several are.
    """
    sql = _spark("sql")
    if path not in PATHS:
        raise ValueError(f"path is one of {', '.join(PATHS)}, not {path!r}")
    screener = screener or Screener.load()
    if second_look and screener._second_look is None:
        screener = screener.with_second_look()
    session = session or sql.SparkSession.getActiveSession()
    context = getattr(session, "sparkContext", None)  # a Connect session says AttributeError
    packed = to_bytes(screener)
    return _Mapper(_broadcast(context, packed) if context else packed, text, prefix, path)


def screened_schema(schema: StructType, prefix: str = "") -> StructType:
    """Return a frame's schema with our columns after its own.

    Raises
    ------
    InputError
        If a column has a name of ours. Spark tells no upper from lower case unless asked to, and neither does this.
    MissingExtraError
        If pyspark, pyarrow or pandas is not installed.
    """
    types = _spark("sql.types")
    string = types.StringType()
    kinds = (types.DoubleType(), string, string, types.ArrayType(string, containsNull=False))
    names = [prefix + name for name in OUR_COLUMNS]
    reserved = {name.lower() for name in names}
    if taken := [name for name in schema.names if name.lower() in reserved]:
        raise InputError(
            f"the frame already has a column {taken[0]!r}, a name of ours; give ours another: prefix='screening_'"
        )
    fields = [types.StructField(name, kind, name != names[-1]) for name, kind in zip(names, kinds, strict=True)]
    whole: StructType = types.StructType([*schema.fields, *fields])
    return whole


class _Mapper:
    """Record batches in, the same with our columns out. Spark pickles it by name: workers import this module."""

    def __init__(self, packed: Any, text: str, prefix: str, path: str) -> None:
        self._packed, self._text, self._prefix, self._path = packed, text, prefix, path

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield each batch with our columns."""
        for batch in batches:
            packed = self._packed if isinstance(self._packed, bytes) else self._packed.value
            yield screened(batch, _scorer_of(packed, self._path), self._text, self._prefix)


def screened(batch: pa.RecordBatch, scorer: Scorer, text: str, prefix: str) -> pa.RecordBatch:
    """Return a record batch with our columns after its own.

    Raises
    ------
    KeyError
        If no column is named `text`.
    InputError
        If several are.
    """
    import pyarrow as pa

    texts = _texts_of(batch.column(_place_of(text, batch.schema.names)))
    verdicts = iter(scorer.score([text for text in texts if text is not None]))
    rows = [NO_OPINION if text is None else next(verdicts).cells for text in texts]
    # Spark holds a list's own nullability against the schema declared.
    kinds = (pa.float64(), pa.string(), pa.string(), pa.list_(pa.field("element", pa.string(), nullable=False)))
    cells = list(zip(*rows, strict=True)) or [()] * len(kinds)
    ours = [pa.array(column, kind) for column, kind in zip(cells, kinds, strict=True)]
    fields = [pa.field(prefix + name, kind) for name, kind in zip(OUR_COLUMNS, kinds, strict=True)]
    schema = pa.schema([*batch.schema, *fields], metadata=batch.schema.metadata)
    return pa.RecordBatch.from_arrays([*batch.columns, *ours], schema=schema)


def _texts_of(column: pa.Array) -> list[str | None]:
    """Return the strings of a column, None for null; all None if it holds no strings."""
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return [None] * len(column)
    try:
        texts: list[str | None] = column.to_pylist()
        return texts
    except UnicodeDecodeError:
        # Spark lets any bytes be a string and shows the wrong ones as U+FFFD: what is shown is what is screened.
        cells = column.cast(pa.large_binary()).to_pylist()
        return [None if cell is None else cell.decode("utf-8", "replace") for cell in cells]


def _place_of(text: str, names: Sequence[str]) -> int:
    """Return the index of the one column of that name."""
    places = [place for place, name in enumerate(names) if name == text]
    if not places:
        raise KeyError(f"no column {text!r}; the frame has: {', '.join(names)}")
    if len(places) > 1:
        raise InputError(f"{len(places)} columns are named {text!r}; give the one to be screened a name of its own")
    return places[0]


@functools.lru_cache(maxsize=BROADCASTS)
def _broadcast(context: Any, packed: bytes) -> Any:
    """Return the broadcast of these bytes; one for each screener, however often it is used (as in `foreachBatch`)."""
    return context.broadcast(packed)


@functools.lru_cache(maxsize=SCORERS)
def _scorer_of(packed: bytes, path: str) -> Scorer:
    """Return the scorer of a packed screener; made once a process, and Spark's workers outlive their tasks."""
    screener = from_bytes(packed)
    return make_scorer(screener, path, second_look=screener._second_look is not None)


def _spark(module: str) -> Any:
    """Return a module of pyspark, once all that it needs for us is there."""
    for package in NEEDED:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise MissingExtraError(package, "spark", "Spark") from error
    return importlib.import_module(f"pyspark.{module}")
