"""The speed benchmark on a tiny graph, without peers: every row, readable, judged."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import graphs, speed
from benchmarks.speed import inputs, quality, results
from benchmarks.speed.processes import Runner, peers
from benchmarks.speed.rows import ROWS
from benchmarks.speed.table import markdown
from benchmarks.speed.targets import TARGETS, Figures, Target
from graphemb.errors import ConfigError

QUICK = ["--graph", "G0", "--rounds", "1", "--no-limits"]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    size = graphs.GraphSize(600, 6_000, 4, max_degree=60)
    monkeypatch.setitem(graphs.SIZES, "G0", size)


def written(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


@pytest.mark.usefixtures("tiny")
def test_rows_are_measured_judged_and_put_into_the_same_table(tmp_path: Path) -> None:
    asked = [*QUICK, "--cache", str(tmp_path), "--out", str(tmp_path)]
    assert speed.main([*asked, "--only", "fastrp", "--only", "derive"]) == 0
    assert speed.main([*asked, "--only", "walks.deepwalk"]) == 0
    found = written(tmp_path)["graphs"]["G0"]["rows"]
    assert set(found) == {"fastrp", "derive", "walks.deepwalk"}
    assert found["walks.deepwalk"]["command"].endswith("--only walks.deepwalk")
    assert set(found["walks.deepwalk"]["entries"]) == {"graphemb", "graphemb (1 thread)"}
    for row in found.values():
        assert not row["missing"]
        assert row["title"] in (tmp_path / "RESULTS.md").read_text()
        assert row["entries"]["graphemb"]["seconds"] > 0
    fastrp = found["fastrp"]["entries"]["graphemb"]
    assert fastrp["auc"] > 0.6  # communities are planted
    assert fastrp["knn"] > 0.5


@pytest.mark.usefixtures("tiny")
def test_what_derive_gives_is_the_mean_of_the_neighbours(tmp_path: Path) -> None:
    """Beside it SciPy's product of matrices is timed; both must have done the same."""
    speed.main([*QUICK, "--cache", str(tmp_path), "--only", "derive"])
    folder = tmp_path / "G0-seed0"
    made = graphs.planted(graphs.SIZES["G0"], 0).graph
    adjacency = made.homogeneous().to_scipy().toarray()
    wanted = adjacency @ np.load(folder / "dense.npy")
    wanted /= np.maximum(adjacency.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(np.load(folder / "derive.answer.npy"), wanted, atol=1e-5)


def test_every_row_has_a_runner_of_ours_or_says_that_there_is_none() -> None:
    from benchmarks.speed.ours import TASKS

    rows = {row.task for row in ROWS}
    assert {task.partition(":")[0] for task in TASKS} <= rows
    assert {file for row in ROWS for file in row.files} == set(inputs.FILES)


def test_peers_are_a_list_and_a_runner_each() -> None:
    folder = Path(speed.__file__).parents[1] / "peers"
    assert {path.stem for path in folder.glob("[!_]*.py")} == set(peers())


def test_a_planted_graph_is_made_again_from_its_seed_and_keeps_its_promises() -> None:
    size = graphs.GraphSize(2_000, 20_000, 8, max_degree=200)
    made, again, other = (graphs.planted(size, seed) for seed in (0, 0, 1))
    assert made.graph.fingerprint == again.graph.fingerprint != other.graph.fingerprint
    kept = made.graph.homogeneous().to_scipy()
    assert kept.diagonal().sum() == 0
    assert kept.max() == 1  # no edge twice
    src, dst = made.held_out.T
    assert not np.asarray(kept[src, dst]).any()
    share = len(src) / (len(src) + kept.nnz / 2)
    assert share == pytest.approx(size.held_out, rel=0.2)
    ends = kept.tocoo()
    inside = (made.communities[ends.row] == made.communities[ends.col]).mean()
    assert inside == pytest.approx(size.inside + (1 - size.inside) / 8, abs=0.03)


def entries(**seconds: float) -> dict[str, results.Entry]:
    return {
        name.replace("_once", " (once)"): results.summed_up([{"seconds": s, "count": 100.0}])
        for name, s in seconds.items()
    }


def test_ratios_are_of_medians_to_the_best_peer() -> None:
    found = entries(slow=10.0, fast=4.0, graphemb_once=1.0)
    found["graphemb"] = results.summed_up([{"seconds": s, "count": 100.0} for s in (1.0, 2.0, 9.0)])
    row = next(row for row in ROWS if row.task == "walks.deepwalk")
    made = results.with_ratios(row, found, {"random_reads_per_s": 400.0}, {})
    assert made["best_peer"] == "fast"
    assert np.isclose(made["times_best_peer"], 2.0)
    assert np.isclose(made["share_of_limit"], 0.25)


def test_a_row_measured_again_takes_the_place_of_the_old_one() -> None:
    result = results.empty()
    for seconds, missing in ((1.0, {"gensim": "it is not there"}), (2.0, {})):
        row = {"title": "t", "unit": "", "entries": entries(graphemb=seconds)}
        results.add(result, {"graph": "G1"}, "whole", row, missing)
    results.add(result, {"graph": "G1"}, "prone", row, {})
    rows = result["graphs"]["G1"]["rows"]
    assert set(rows) == {"whole", "prone"}
    assert rows["whole"]["entries"]["graphemb"]["seconds"] == 2.0
    assert not rows["whole"]["missing"]


def test_figures_of_another_machine_are_not_mixed_in(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps({**results.empty(), "machine": "a faster one"}))
    with pytest.raises(ConfigError, match="two machines"):
        results.load(file)


def test_an_answer_that_is_not_ours_is_not_measured_as_if_it_were(tmp_path: Path) -> None:
    first, other = tmp_path / "first.npy", tmp_path / "other.npy"
    np.save(first, np.arange(3_000.0))
    np.save(other, np.arange(3_000.0) + 1e-6)
    quality.check_same(other, first)
    np.save(other, np.arange(3_000.0)[::-1])
    with pytest.raises(RuntimeError, match="differs"):
        quality.check_same(other, first)
    np.save(other, np.arange(2_000.0))
    with pytest.raises(RuntimeError, match="shape"):
        quality.check_same(other, first)


def test_the_judge_knows_planted_vectors_from_noise(tmp_path: Path) -> None:
    size = graphs.GraphSize(1_500, 15_000, 4, max_degree=100)
    made, rng = graphs.planted(size), np.random.default_rng(0)
    np.save(tmp_path / "held_out.npy", made.held_out)
    np.save(tmp_path / "communities.npy", made.communities)
    import pyarrow.parquet as pq

    pq.write_table(made.graph.edge_table(graphs.LINKS), tmp_path / "edges.parquet")
    noise = rng.standard_normal((1_500, 16)).astype(np.float32)
    np.save(tmp_path / "noise.npy", noise)
    centers = 4 * rng.standard_normal((4, 16)).astype(np.float32)
    np.save(tmp_path / "planted.npy", noise + centers[made.communities])
    bad = quality.judge(tmp_path / "noise.npy", tmp_path)
    good = quality.judge(tmp_path / "planted.npy", tmp_path)
    assert bad["auc"] == pytest.approx(0.5, abs=0.05)
    assert bad["knn"] < 0.4 and bad["lr"] < 0.4
    assert good["auc"] > 0.75 and good["knn"] > 0.97 and good["lr"] > 0.97


class TestTargets:
    ROWS = {  # noqa: RUF012
        "whole": {
            "entries": {
                "graphemb": {"seconds": 10.0, "auc": 0.83, "knn": 0.97, "peak_mb": 200.0},
                "graphemb (walks of 40)": {"seconds": 5.0, "auc": 0.82, "knn": 0.95},
                "gensim (rate .05)": {"seconds": 60.0, "auc": 0.82, "knn": 0.96},
                "gensim (rate .025)": {"seconds": 50.0, "auc": 0.80, "knn": 0.90},
            }
        }
    }

    def judged(self, what: str) -> tuple[float | None, str]:
        target = next(target for target in TARGETS if target.what.startswith(what))
        return target.judged(Figures(self.ROWS))

    def test_a_ratio_is_to_the_peers_fastest_run(self) -> None:
        assert self.judged("whole run, x gensim") == (5.0, "met")

    def test_time_to_quality_counts_only_runs_as_good_in_both(self) -> None:
        assert self.judged("time to gensim's") == (5.0, "met")

    def test_quality_is_to_the_peers_best(self) -> None:
        figure, verdict = self.judged("whole run, AUC above gensim's best")
        assert figure == pytest.approx(0.01) and verdict == "met"

    def test_what_was_not_measured_is_neither_met_nor_missed(self) -> None:
        assert self.judged("whole run, x ensmallen") == (None, "not measured")

    def test_threads_are_judged_against_the_machines_own_in_the_same_run(self) -> None:
        entries = {"graphemb": {"rate": 12.0}, "graphemb (1 thread)": {"rate": 10.0}}
        rows = {"skipgram.r5": {"entries": entries, "limits": {"private_speedup": 1.25}}}
        share = next(
            t for t in TARGETS if t.what.startswith("skip-gram, 2 threads") and "of" in t.what
        )
        figure, verdict = share.judged(Figures(rows))
        assert figure == pytest.approx(0.96) and verdict == "goal met"

    def test_bounds_have_a_side(self) -> None:
        def judged(figure: float | None, *, at_most: bool, must: float | None) -> str:
            target = Target("G1", "a", lambda _: figure, must, 2.0 if at_most else 5.0, at_most)
            return target.judged(Figures({}))[1]

        assert judged(2.0, at_most=True, must=4) == "goal met"
        assert judged(3.0, at_most=True, must=4) == "met"
        assert judged(4.1, at_most=True, must=4) == "missed"
        assert judged(5.0, at_most=False, must=4) == "goal met"
        assert judged(3.9, at_most=False, must=4) == "missed"
        assert judged(3.0, at_most=True, must=None) == "goal missed"
        assert judged(None, at_most=False, must=4) == "missed"


def test_the_page_tells_verdicts_variants_and_who_is_missing() -> None:
    result = results.empty()
    row = {
        "title": "DeepWalk",
        "unit": "",
        "command": "c",
        "date": "d",
        "load_average": 0.0,
        "limits": {"copy_bytes_per_s": 2e10},
        "entries": TestTargets.ROWS["whole"]["entries"],
    }
    for entry in row["entries"].values():
        entry.setdefault("runs", 3)
    plan = {
        "graph": "G1",
        "num_nodes": 5,
        "num_edges": 6,
        "seed": 0,
        "threads": 2,
        "dim": 4,
        "negatives": 5,
        "radius": 5,
        "walk_length": 80,
    }
    results.add(result, plan, "whole", row, {"ensmallen": "it cannot be installed"})
    page = markdown(result)
    assert "| G1 | whole run, x gensim | 5.00 | 5 | 10 | met |" in page
    assert "| DeepWalk | graphemb (walks of 40) | 5.00 s |" in page
    assert "- DeepWalk, ensmallen: it cannot be installed" in page
    assert "20.0 GB/s copied" in page


def test_turns_alternate_and_what_is_slow_can_be_measured_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    turns: list[str] = []

    def measured(runner: Runner, task: str, *_: Any) -> dict[str, float]:
        turns.append(f"{runner.name} {task}")
        if runner.name == "broken":
            raise RuntimeError("it fell over")
        return {"seconds": 1.0, "count": 1.0}

    monkeypatch.setattr(speed, "measured", measured)
    runners = [
        Runner("graphemb", (), frozenset({"load"})),
        Runner("slow", (), frozenset({"load:deep", "prone"})),
        Runner("broken", (), frozenset({"load"})),
    ]
    options = argparse.Namespace(rounds=3, once=["slow"], threads=1)
    *_, (found, missing) = speed._in_turn(ROWS[0], runners, options, tmp_path)
    assert turns == ["graphemb load", "slow load:deep", "broken load"] + 2 * ["graphemb load"]
    assert missing == {"broken": "it fell over"}
    assert {who: entry["runs"] for who, entry in found.items()} == {"graphemb": 3, "slow (deep)": 1}
