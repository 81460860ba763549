"""Floors that are published or measured beside the public data sets, found again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv

from graphemb.evaluate import Evaluation, GivenNegatives
from graphemb.graph import HeteroGraph
from graphemb.split import SplitRule, audit_leaks, given_split, split_by
from graphemb.types import EdgeType

DataSet = Callable[[str], Path]


def read(path: Path) -> pa.Table:
    names = csv.read_csv(path, read_options=csv.ReadOptions(block_size=1 << 24)).column_names
    options = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    parse = csv.ParseOptions(newlines_in_values=True)
    return csv.read_csv(path, convert_options=options, parse_options=parse)


def stamps(column: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    return pc.strptime(column, format=pattern, unit="us")


def test_jobs_views_gives_its_floors_and_its_traps(data_set: DataSet) -> None:
    folder = data_set("jobs_views")
    views, jobs = read(folder / "Job_Views.csv"), read(folder / "Jobs.csv")
    city = pc.binary_join_element_wise(jobs["City"], jobs["State.Code"], ", ")
    seen, lies = EdgeType("applicant", "views", "job"), EdgeType("job", "in", "city")
    graph = HeteroGraph.from_tables(
        {
            "applicant": {"id": pc.unique(views["Applicant.ID"])},
            "job": {"id": jobs["Job.ID"]},
            "city": {"id": pc.unique(city)},
        },
        {
            seen: {
                "src": views["Applicant.ID"],
                "dst": views["Job.ID"],
                "time": stamps(views["View.Start"], "%Y-%m-%d %H:%M:%S UTC"),
            },
            lies: {"src": jobs["Job.ID"], "dst": city},
        },
    )
    split = split_by(SplitRule(edge_type=seen, by="leave_one_out"), graph)
    assert len(split.test) == 1672
    rules = Evaluation(
        at=(10,), baselines=("popularity", "item_knn", "same_attribute"), negatives=()
    )
    found = rules.run({}, split).metrics
    floors = {
        "popularity": (0.0236, 0.0106),
        "ItemKNN": (0.0272, 0.0143),
        "same city": (0.263, 0.160),
    }
    for name, (hit, ndcg) in floors.items():
        assert found[name]["hit@10"] == pytest.approx(hit, abs=0.0006)
        assert found[name]["ndcg@10"] == pytest.approx(ndcg, abs=0.0006)
    probes = {probe.name: probe for probe in audit_leaks(split).probes}
    assert probes["row distance to the last positive"].recall == pytest.approx(0.70, abs=0.01)
    assert probes["row distance to the last positive"].wins == ("recall", "auc")
    assert "auc" in probes["never seen in training"].wins


def test_complete_journey_gives_its_floors(data_set: DataSet) -> None:
    rows = read(data_set("complete_journey") / "transactions_sample.csv")
    buys = EdgeType("household", "buys", "product")
    graph = HeteroGraph.from_tables(
        {
            "household": {"id": pc.unique(rows["household_id"])},
            "product": {"id": pc.unique(rows["product_id"])},
        },
        {
            buys: {
                "src": rows["household_id"],
                "dst": rows["product_id"],
                "time": stamps(rows["transaction_timestamp"], "%Y-%m-%d %H:%M:%S"),
            }
        },
    )
    split = split_by(SplitRule(edge_type=buys, cutoff="2017-11-27T05:00", cold="drop"), graph)
    rules = Evaluation(
        at=(20,), baselines=("popularity", "item_knn"), negatives=(), candidates="seen"
    )
    report = rules.run({}, split)
    assert report.sections[0].facts["queries"] == 1500
    found = report.metrics
    assert found["popularity"]["recall@20"] == pytest.approx(0.0559, abs=0.0005)
    assert found["popularity"]["ndcg@20"] == pytest.approx(0.0375, abs=0.0005)
    assert found["ItemKNN"]["recall@20"] == pytest.approx(0.0285, abs=0.0005)
    assert found["ItemKNN"]["ndcg@20"] == pytest.approx(0.0233, abs=0.0005)


def test_gowalla_popularity_is_that_of_bars(data_set: DataSet) -> None:
    folder = data_set("gowalla")

    def pairs(name: str) -> dict[str, np.ndarray]:
        lines = [line.split() for line in (folder / name).read_text().splitlines()]
        users = np.repeat(
            [int(line[0]) for line in lines if line], [len(x) - 1 for x in lines if x]
        )
        return {"src": users, "dst": np.array([int(v) for x in lines for v in x[1:]])}

    train, test = pairs("train.txt"), pairs("test.txt")
    visits = EdgeType("user", "visits", "place")
    nodes = {
        kind: {"id": np.unique(np.concatenate([train[end], test[end]]))}
        for kind, end in (("user", "src"), ("place", "dst"))
    }
    split = given_split(HeteroGraph.from_tables(nodes, {visits: train}), visits, test)
    rules = Evaluation(at=(20,), baselines=("popularity",), negatives=())
    found = rules.run({}, split).metrics["popularity"]
    assert found["recall@20"] == pytest.approx(0.0416, abs=0.0001)
    assert found["ndcg@20"] == pytest.approx(0.0317, abs=0.0001)


def test_ncf_popularity_among_its_given_negatives(data_set: DataSet) -> None:
    folder = data_set("ncf_ml1m")
    train = np.loadtxt(folder / "ml-1m.train.pairs.tsv", dtype=np.int64)
    test = np.loadtxt(folder / "ml-1m.test.rating", dtype=np.int64)[:, :2]
    lines = [x.split("\t") for x in (folder / "ml-1m.test.negative").read_text().splitlines()]
    drawn = np.array([[int(value) for value in line[1:]] for line in lines])
    rates = EdgeType("user", "rates", "movie")
    graph = HeteroGraph.from_tables(
        {"user": {"id": np.arange(6040)}, "movie": {"id": np.arange(3706)}},
        {rates: {"src": train[:, 0], "dst": train[:, 1]}},
    )
    split = given_split(graph, rates, {"src": test[:, 0], "dst": test[:, 1]})
    given = GivenNegatives(test[:, 0].repeat(drawn.shape[1]), drawn.ravel())
    report = Evaluation(at=(10,), baselines=("popularity",)).run({}, split, given=given)
    found = report.metrics["popularity"]
    assert found["hit@10"] == pytest.approx(0.4538, abs=0.002)
    assert found["ndcg@10"] == pytest.approx(0.2545, abs=0.002)
    assert report.sections[0].facts["negatives_left_out"] == 156
