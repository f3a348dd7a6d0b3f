"""Screen a folder while it is being filled, with Spark. Needs Java, and: pip install 'deceptive-offer-screening[spark]'

    python examples/stream_folder.py

Postings come in as JSONL files; those worth a review go out as JSONL. The stream keeps its place in a
checkpoint folder: killed and started again, it goes on, and no row is written twice.
"""

import csv
import itertools
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from pyspark.sql import SparkSession

from screening import Screener
from screening.spark import screen_column

POSTINGS = Path(__file__).parent / "postings.csv"
ROWS, PAUSE_S = 10, 0.2  # rows of one file, and what lies between two


def fill(folder: Path) -> None:
    """Put the invented postings beside this file into a folder, some at a time, as a feed would."""
    with POSTINGS.open(newline="", encoding="utf-8") as stream:
        rows = iter([{"id": row["id"], "text": row["text"]} for row in csv.DictReader(stream)])
    for number in itertools.count():
        if not (some := list(itertools.islice(rows, ROWS))):
            return
        part = folder / f".{number}.jsonl"  # Spark does not look at names that start with a dot
        part.write_text("".join(json.dumps(row) + "\n" for row in some), "utf-8")
        part.rename(folder / f"{number}.jsonl")  # so it never reads half a file
        time.sleep(PAUSE_S)


def main() -> None:
    """Stream until the feed ends, then show what was flagged."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the workers need the packages that are here
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    screener = Screener.load().with_prevalence(0.005)  # on this board we expect 1 lure in 200 postings
    with tempfile.TemporaryDirectory() as place:
        for name in ("in", "out"):
            Path(place, name).mkdir()
        postings = spark.readStream.schema("id string, text string").json(f"{place}/in")
        # The default path compiles at first, which so few rows would only wait for.
        flagged = screen_column(postings, "text", screener=screener, path="reference").where("level != 'low'")
        query = flagged.writeStream.format("json").option("checkpointLocation", f"{place}/state").start(f"{place}/out")
        feed = threading.Thread(target=fill, args=[Path(place, "in")])
        feed.start()
        feed.join()
        query.processAllAvailable()  # a real stream would `awaitTermination()`
        query.stop()
        lines = [line for part in Path(place, "out").glob("*.json") for line in part.read_text("utf-8").splitlines()]
    for row in sorted(map(json.loads, lines), key=lambda row: -row["probability"]):
        print(f"{row['id']:8}{row['level']:8}{row['probability']:.3f}  {', '.join(row['indicators'])}")
    spark.stop()


if __name__ == "__main__":
    main()
