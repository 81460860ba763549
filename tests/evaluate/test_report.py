"""Reports: immutable, printed, saved, read back, joined, drawn."""

from __future__ import annotations

import dataclasses
import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest

from graphemb.errors import ConfigError, StoreError, UnknownName
from graphemb.evaluate import Estimate, Report, Row, Section, evaluate_links
from graphemb.evaluate.figures import draw
from graphemb.evaluate.report import mark_best
from graphemb.evaluate.table import shown_value
from graphemb.split import split_edges
from tests.evaluate.shop import BUYS, shop, vectors


def estimate(value: float) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01)


def small() -> Report:
    rows = (
        Row("walks", "candidate", {"recall@10": estimate(0.31), "ndcg@10": estimate(0.2)}),
        Row("floor", "candidate", {"recall@10": estimate(0.35), "ndcg@10": estimate(0.18)}),
        Row("popularity", "baseline", {"recall@10": estimate(0.05), "ndcg@10": Estimate(math.nan)}),
    )
    buckets = (
        Row("walks", "candidate", {"0 (cold)": estimate(0.1), "1-3": estimate(0.2)}),
        Row("popularity", "baseline", {"0 (cold)": estimate(0.0), "1-3": Estimate(0.01)}),
    )
    return Report(
        (
            Section("user-buys-item", rows, facts={"queries": 12_345}, notes=("a note",)),
            Section(
                "by degree", buckets, "buckets", facts={"positives": {"0 (cold)": 7, "1-3": 5}}
            ),
        ),
        {"seed": 3},
    )


def real() -> Report:
    graph = shop()
    split = split_edges(graph, BUYS, test=0.2)
    return evaluate_links({"mine": vectors(graph), "other": vectors(graph, seed=1)}, split)


def test_a_report_survives_json() -> None:
    for report in (small(), real()):
        record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        again = Report.from_dict(record)
        assert again.to_dict() == report.to_dict()
        assert str(again) == str(report)


def test_saving_writes_json_text_and_figures(tmp_path: Path) -> None:
    report = real()
    paths = report.save(tmp_path / "deep" / "report")
    assert [path.name for path in paths if path.suffix != ".png"] == ["report.txt", "report.json"]
    assert sum(path.suffix == ".png" for path in paths) == len(report.sections)
    assert Report.load(tmp_path / "deep" / "report").metrics == report.metrics
    report.save(tmp_path / "deep" / "report")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        small().save(tmp_path / "file" / "report")


@pytest.mark.parametrize("report", [small(), real()], ids=["small", "real"])
def test_figures_are_png_of_a_readable_size(report: Report) -> None:
    for name, data in draw(report).items():
        assert name.endswith(".png") and data[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", data[16:24])
        assert 400 < width < 3000 and 250 < height < 3000


def test_figures_leave_the_users_own_plots_alone() -> None:
    import matplotlib.pyplot as plt

    before = dict(plt.rcParams)
    draw(small())
    assert plt.get_fignums() == [] and dict(plt.rcParams) == before


def test_the_best_candidate_is_named_by_the_measure() -> None:
    report = small()
    assert report.best() == report.best("ndcg@10") == "walks"
    assert report.best("recall@10") == "floor"
    with pytest.raises(UnknownName, match="ndcg@10"):
        report.best("ndcg@11")


def test_baselines_are_never_the_best() -> None:
    rows = (Row("popularity", "baseline", {"mrr": Estimate(0.9)}),)
    with pytest.raises(ConfigError, match="no candidate"):
        Report((Section("x", rows),)).best()


def test_a_candidate_that_is_not_a_number_is_not_the_best() -> None:
    rows = (
        Row("broken", "candidate", {"mrr": Estimate(math.nan)}),
        Row("fine", "candidate", {"mrr": Estimate(0.1)}),
    )
    assert Report((Section("x", rows),)).best() == "fine"


def test_the_text_shows_names_figures_intervals_and_notes() -> None:
    text = str(small())
    for part in ("walks", "popularity", ".310 ±.0100", "a note", "12,345", "by degree", "1-3"):
        assert part in text
    assert "\x1b" not in text
    line = next(line for line in text.splitlines() if line.strip().startswith("floor"))
    assert "*" in line


def test_hit_is_not_shown_twice_where_it_equals_recall() -> None:
    one = {"recall@5": Estimate(0.5), "hit@5": Estimate(0.5)}
    two = {"recall@5": Estimate(0.5), "hit@5": Estimate(0.7)}
    assert "hit@5" not in str(Report((Section("x", (Row("a", "candidate", one),)),)))
    assert "hit@5" in str(Report((Section("x", (Row("a", "candidate", two),)),)))


def test_the_best_is_marked_but_not_where_many_share_it() -> None:
    rows = tuple(
        Row(name, "baseline", {"a": Estimate(value), "b": Estimate(0.5), "c": Estimate(value)})
        for name, value in (("x", 0.1), ("y", 0.9), ("z", 0.3))
    )
    section = Section("t", rows, neutral=("c",))
    assert mark_best(section, "a").tolist() == [False, True, False]
    assert not mark_best(section, "b").any() and not mark_best(section, "c").any()


@pytest.mark.parametrize(
    ("value", "text"), [(0.3331, ".333"), (0.02364, ".0236"), (1.0, "1.000"), (-0.05, "-.0500")]
)
def test_figures_are_shown_with_three_significant_digits(value: float, text: str) -> None:
    assert shown_value(value) == text


def test_reports_join_and_take_published_rows() -> None:
    first, second = small(), small()
    both = first.joined(Report(second.sections[1:], {"more": 1}))
    assert len(both.sections) == 3 and both.facts == {"seed": 3, "more": 1}
    published = Row("a paper", "published", {"recall@10": Estimate(0.4)})
    more = first.with_rows([published])
    assert more.metrics["a paper"] == {"recall@10": 0.4}
    assert "a paper" not in first.metrics and "a paper" in str(more)
    assert draw(more)


def test_sections_and_rows_are_found_by_name() -> None:
    report = small()
    assert report.section("by").row("walks").values["1-3"].value == 0.2
    with pytest.raises(UnknownName):
        report.section("nothing")
    with pytest.raises(UnknownName):
        report.sections[0].row("nobody")


def test_a_report_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        small().facts = {}  # type: ignore[misc]


def test_intervals_hold_the_figure_and_shrink_with_queries() -> None:
    from graphemb.evaluate.measures import mean_of

    rng = np.random.default_rng(0)
    few, many = mean_of(rng.random(50)), mean_of(rng.random(5000))
    assert few.low is not None and few.high is not None
    assert many.low is not None and many.high is not None
    assert few.low < 0.5 < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    inside = 0
    for _ in range(400):
        found = mean_of(rng.random(60))
        assert found.low is not None and found.high is not None
        inside += found.low < 0.5 < found.high
    assert 0.91 < inside / 400 < 0.98
