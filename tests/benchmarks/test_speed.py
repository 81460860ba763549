"""The speed benchmark on a tiny graph, without peers: every row, readable, judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import graphs, speed
from benchmarks.speed.processes import peers
from benchmarks.speed.rows import ROWS
from benchmarks.speed.table import summed_up, with_ratios


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    size = graphs.GraphSize(600, 6_000, 4, max_degree=60)
    monkeypatch.setitem(graphs.SIZES, "G0", size)


@pytest.mark.usefixtures("tiny")
def test_every_row_is_measured_and_written(tmp_path: Path) -> None:
    out = tmp_path / "RESULTS.md"
    asked = ["--graph", "G0", "--rounds", "1", "--walks-per-node", "1", "--no-limits"]
    assert speed.main([*asked, "--cache", str(tmp_path), "--out", str(out)]) == 0
    found = json.loads(out.with_suffix(".json").read_text())
    assert set(found["rows"]) == {row.task for row in ROWS}
    assert not found["missing"]
    for row in found["rows"].values():
        assert row["title"] in out.read_text()
        assert row["entries"]["graphemb"]["seconds"] > 0
    fastrp = found["rows"]["fastrp"]["entries"]["graphemb"]
    assert fastrp["auc"] > 0.6  # communities are planted
    assert fastrp["knn"] > 0.5


def test_every_row_has_a_runner_of_ours() -> None:
    from benchmarks.speed.ours import TASKS

    assert set(TASKS) == {row.task for row in ROWS}


def test_peers_are_a_list_and_a_runner_each() -> None:
    folder = Path(speed.__file__).parents[1] / "peers"
    assert {path.stem for path in folder.glob("[!_]*.py")} == set(peers())


def test_ratios_are_of_medians_to_the_best_peer() -> None:
    entries = {
        "graphemb": summed_up([{"seconds": s, "count": 100.0} for s in (1.0, 2.0, 9.0)]),
        "slow": summed_up([{"seconds": 10.0, "count": 100.0}]),
        "fast": summed_up([{"seconds": 4.0, "count": 100.0}]),
    }
    row = next(row for row in ROWS if row.task == "walks.deepwalk")
    made = with_ratios(row, entries, {"random_reads_per_s": 400.0}, {})
    assert made["best_peer"] == "fast"
    assert np.isclose(made["times_best_peer"], 2.0)
    assert np.isclose(made["share_of_limit"], 0.25)
