"""The benchmarks measure what they say, on a handful of invented texts; how fast is not looked at."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from screening.catalogue import Phrase, load_catalogue
from screening.features import Featuriser
from training.generate import generated

pytest.importorskip("numba", reason="the compiled path needs the extra `fast`: pip install -e '.[fast]'")
sys.path.insert(0, str(Path(__file__).parent / "bench"))

import bench_cores
import bench_count
import bench_length
import bench_patterns
import bench_scorer
import common
import page
from expressions import Expressions

PIECES = [
    "Se buscan chicas para trabajar en Chile, pasaje pago y sin experiencia.",
    "Girls wanted for work abroad, we pay the flight, send a photo on WhatsApp!",
    "Vaga de cozinheira em Lisboa, das 9 às 17 horas, com contrato.",
    "The clinic seeks a nurse with two years of experience, 40 hours a week.",
]
RATES = {"texts", "bytes", "mb_s", "texts_s", "elapsed_mb_s", "elapsed_texts_s", "repeats"}
CASES = {
    "scorer": (bench_scorer.BENCH, ["--rows", "4"], {"subject", "ready_s", "postings", "messages"}),
    "length": (bench_length.BENCH, ["--mb", "0.002"], {"subject", "length", "max_text", "compiled_times"} | RATES),
    "patterns": (
        bench_patterns.BENCH,
        ["--rows", "4", "--phrases", "1,300"],
        {"subject", "phrases", "compiled_times"} | RATES,
    ),
    "cores": (bench_cores.BENCH, ["--rows", "4", "--rounds", "2"], {"threads", "gain", "cpu_ratio", "round"} | RATES),
    "count": (
        bench_count.BENCH,
        ["--most", "1000", "--chunk", "300"],
        {"count", "of_first", "before_mb", "peak_mb"} | RATES,
    ),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of reports of small runs, all in this process."""
    folder = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common, "in_own_process", lambda script, job, pieces: MEASURES[script](job, pieces))
        patch.setattr(common, "sentences", lambda data: PIECES)
        patch.setattr(bench_scorer, "_training", lambda: (PIECES, [1, 1, 0, 0]))
        patch.setattr(bench_scorer, "SUBJECTS", ("compiled", "scikit-learn", "alt-profanity-check"))
        patch.setattr(bench_length, "LENGTHS", (50, 2300))
        patch.setitem(sys.modules, "profanity_check", None)  # as if it were not installed
        for name, (bench, options, _) in CASES.items():
            common.run(bench, [*options, "--repeats", "1", "--json", str(folder / f"{name}.json")])
    return folder


MEASURES = {bench.script: bench.measure for bench, _, _ in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_a_report_holds_what_was_measured_and_how(reports: Path, name: str) -> None:
    report = json.loads((reports / f"{name}.json").read_text("utf-8"))
    assert report["benchmark"] == name
    assert report["texts"] == "invented texts"
    assert report["repeats"] == 1
    assert report["command"] == shlex.join(
        ["python", f"tests/bench/bench_{name}.py", *CASES[name][1], "--repeats", "1"]
    )
    assert {"command", "date", "commit", "load_before"} <= set(report)
    assert {"cpu", "cores", "python", "versions"} <= set(report["machine"])
    assert {"numpy", "numba"} <= set(report["machine"]["versions"])
    for result in report["results"]:
        assert set(result) >= CASES[name][2] or "skipped" in result, result


@pytest.mark.parametrize("name", sorted(set(CASES) - {"scorer"}))
def test_rates_are_of_the_texts_that_were_asked_for(reports: Path, name: str) -> None:
    for row in json.loads((reports / f"{name}.json").read_text("utf-8"))["results"]:
        asked = {"length": row.get("texts"), "patterns": 4, "cores": 4, "count": row.get("count")}[name]
        size = {"length": row.get("length"), "count": common.MESSAGE}.get(name, common.POSTING)
        assert row["texts"] == asked
        assert size - 3 <= row["bytes"] / row["texts"] <= size  # a letter that is cut in two is left out
        assert row["mb_s"] / row["texts_s"] == pytest.approx(row["bytes"] / row["texts"] / 1e6, rel=0.02)


def test_a_missing_package_is_told_with_the_command_that_installs_it(reports: Path) -> None:
    results = json.loads((reports / "scorer.json").read_text("utf-8"))["results"]
    skipped = {result["subject"]: result["skipped"] for result in results if "skipped" in result}
    assert list(skipped) == ["alt-profanity-check"]
    assert skipped["alt-profanity-check"].endswith("pip install alt-profanity-check")


def test_the_best_round_of_each_number_of_threads_is_kept() -> None:
    rates = [(1, 8.0), (2, 10.0), (1, 5.0), (2, 16.0)]
    results = [{"threads": threads, "elapsed_mb_s": rate, "mb_s": 4.0} for threads, rate in rates]
    bench_cores.finish(results)
    assert [(row["threads"], row["elapsed_mb_s"], row["gain"]) for row in results] == [(1, 8.0, 1.0), (2, 16.0, 2.0)]


def test_a_benchmark_measures_in_a_process_of_its_own() -> None:
    job = {"subject": "compiled", "count": 5, "chunk": 2, "repeats": 1}
    assert common.in_own_process(bench_count.__file__, job, PIECES)["texts"] == 5


def test_a_process_that_fails_is_told_with_its_error() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'subject'"):
        common.in_own_process(bench_scorer.__file__, {"repeats": 1}, PIECES)


@pytest.mark.parametrize("size", [50, 200, 2300])
def test_texts_are_distinct_and_of_the_size_asked_for(size: int) -> None:
    texts = common.texts_of(PIECES, size, 40)
    assert len(set(texts)) == 40
    assert all(size - 3 <= len(text.encode()) <= size for text in texts)
    assert texts == common.texts_of(PIECES, size, 40)
    assert texts != common.texts_of(PIECES, size, 40, seed=1)


def test_more_texts_than_the_pieces_make_are_refused() -> None:
    with pytest.raises(ValueError, match="make no more than 1 texts of 4 bytes"):
        common.texts_of(["aaaa"], 4, 2)


def test_a_sample_of_the_catalogue_finds_what_the_whole_finds_of_its_phrases() -> None:
    catalogue, texts = load_catalogue(), generated(1).text.tolist()[::10]
    sample = bench_patterns.sample(catalogue, 400)
    kept, whole, part = set(sample.phrases), Featuriser(catalogue), Featuriser(sample)
    wanted = [{match.phrase for match in whole(text).matches} & kept for text in texts]
    assert [{match.phrase for match in part(text).matches} for text in texts] == wanted
    assert sum(map(len, wanted)) > 20


def test_samples_grow_and_the_largest_is_the_catalogue() -> None:
    catalogue = load_catalogue()
    small, large = (set(bench_patterns.sample(catalogue, count).phrases) for count in (50, 200))
    assert (len(small), len(large)) == (50, 200)
    assert small < large
    whole = bench_patterns.sample(catalogue, len(catalogue.phrases))
    assert whole.phrases == catalogue.phrases
    for name in ("first", "target", "start", "accept", "longest"):
        assert np.array_equal(getattr(whole.automata, name), getattr(catalogue.automata, name)), name


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        pytest.param("buscamos (chicas|chicos lindos)", "Buscamos CHICOS  lindos", True, id="alternatives and spaces"),
        pytest.param("buscamos chicas", "buscamos. chicas", False, id="not over the end of a sentence"),
        pytest.param("trabaj* en chile", "trabajarás, en Chile", True, id="a prefix, accents and a comma"),
        pytest.param("trabaj* en chile", "trabajo enchile", False, id="words are whole"),
        pytest.param("pago .. visa", "pago de toda la visa", True, id="a gap of three"),
        pytest.param("pago .. visa", "pago de toda la bendita visa", False, id="a gap of four is too long"),
        pytest.param("# pesos? fijos", "1.200,50 fijos", True, id="a number, and what is optional"),
        pytest.param("se busca cocinero", "se busca cocinera", True, id="both genders"),
        pytest.param("$ #", "paga $ 500", True, id="a sign"),
    ],
)
def test_an_expression_reads_a_phrase_as_written(pattern: str, text: str, found: bool) -> None:
    phrase = Phrase("urgency", "es", pattern)
    assert Expressions([phrase]).find([text]) == [[0] if found else []]


def test_the_expressions_find_nearly_what_the_library_finds() -> None:
    catalogue = bench_patterns.sample(load_catalogue(), 300)
    both, either = Expressions(catalogue.phrases).agreement(catalogue, generated(1).text.tolist()[::10])
    assert both > 50
    assert both / either > 0.9


def test_the_page_has_a_row_for_each_figure_and_says_how_to_measure_it_again(reports: Path) -> None:
    held = page.read_reports(reports)
    text = page.page(held)
    for shown in ("4 postings of 2,300 bytes", "texts of 50 B", "postings, 300 phrases", "1,000 messages", "2 threads"):
        assert shown in text
    assert "alt-profanity-check: skipped" in text
    assert all(report["command"] in text and report["machine"]["cpu"] in text for report in held.values())
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in lines} == {len(page.COLUMNS) - 1}
    assert "Not measured" not in text
    assert "Not measured: `bench_cores.py`." in page.page({name: held[name] for name in held if name != "cores"})


def test_the_plot_has_a_line_for_each_subject_and_a_bar_for_each_tool(reports: Path) -> None:
    svg = "{http://www.w3.org/2000/svg}"
    root = ElementTree.fromstring(page.plot(page.read_reports(reports)))
    assert len(root.findall(f"{svg}polyline")) == len(bench_length.SUBJECTS)
    assert len(root.findall(f"{svg}circle")) == 2 * len(bench_length.SUBJECTS)
    assert {"compiled path", "scikit-learn pipeline", "reference path"} <= {t.text for t in root.findall(f"{svg}text")}
    assert len(root.findall(f"{svg}rect")) == 1 + len(bench_length.SUBJECTS) + 2  # ground, legend, two bars


def test_a_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"benchmark": "speed"}')
    with pytest.raises(ValueError, match=r"other\.json: benchmark is 'speed'; wanted"):
        page.read_reports(tmp_path)
