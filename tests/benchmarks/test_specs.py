"""The run files over public sets: their Cypher against Python's own CSV reader, and what they show.

Where GRAPHEMB_DATA is set each file is run once, with the baselines that the tests ask about.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from graphemb.graph import HeteroGraph
from graphemb.pipeline.config import RunConfig
from graphemb.pipeline.run import Places, RunResult, run
from graphemb.split import audit_leaks, split_edges
from graphemb.types import EdgeType

SPECS = Path(__file__).parents[2] / "benchmarks" / "specs"
SETS = {"complete_journey": "complete_journey", "jobs": "jobs_views", "olist": "olist_sample"}

Pairs = set[tuple[str, str]]
DataSet = Callable[[str], Path]
Runs = Callable[[str], RunResult]


@cache
def config_of(name: str) -> RunConfig:
    return RunConfig.read(SPECS / f"{name}.toml")


@pytest.fixture(scope="module")
def kept() -> dict[str, RunResult]:
    return {}


@pytest.fixture
def result_of(data_set: DataSet, kept: dict[str, RunResult], tmp_path: Path) -> Runs:
    """`result_of("jobs")` is what that file's run made."""

    def result(name: str) -> RunResult:
        data_set(SETS[name])
        if name not in kept:
            config = config_of(name)
            wanted = set(config.evaluate.baselines) & {"popularity", "item_knn", "same_attribute"}
            few = replace(config.evaluate, negatives=(), baselines=tuple(sorted(wanted)))
            config = replace(
                config,
                evaluate=few,
                classify=tuple(replace(one, seeds=2) for one in config.classify),
            )
            kept[name] = run(config, places=Places(work=tmp_path / "w", report=tmp_path / "r"))
        return kept[name]

    return result


def rows(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        yield from reader


def pairs(graph: HeteroGraph, edge_type: str) -> Pairs:
    table = graph.edge_table(EdgeType.parse(edge_type))
    return set(zip(table["src"].to_pylist(), table["dst"].to_pylist(), strict=True))


def times(graph: HeteroGraph, edge_type: str) -> dict[tuple[str, str], datetime]:
    table = graph.edge_table(EdgeType.parse(edge_type))
    keys = zip(table["src"].to_pylist(), table["dst"].to_pylist(), strict=True)
    return dict(zip(keys, table["time"].to_pylist(), strict=True))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)


def metrics(result: RunResult) -> dict[str, dict[str, float]]:
    assert result.report is not None
    return result.report.metrics


def stratified(result: RunResult, name: str) -> dict[str, float]:
    assert result.report is not None
    section = result.report.section("among candidates of the positive's own status")
    (row,) = [row for row in section.rows if row.name == name]
    return {column: figure.value for column, figure in row.values.items()}


@pytest.mark.parametrize("name", SETS)
def test_a_spec_is_read_and_names_no_folder_of_this_machine(name: str) -> None:
    assert config_of(name).describe()["graph"]["root"].startswith("${GRAPHEMB_DATA}")
    assert config_of(name).fit


class TestCompleteJourney:
    def test_purchases_are_the_files_pairs_at_their_first_time(
        self, result_of: Runs, data_set: DataSet
    ) -> None:
        first: dict[tuple[str, str], datetime] = {}
        for row in rows(data_set("complete_journey") / "transactions_sample.csv"):
            pair, at = (row[0], row[3]), utc(row[10])
            first[pair] = min(at, first.get(pair, at))
        graph = result_of("complete_journey").graph
        assert times(graph, "household-buys-product") == first
        assert graph.num_nodes("household") == 2_377
        assert graph.num_nodes("product") == 20_902
        assert graph.num_nodes("store") == 293

    def test_makers_departments_and_coupons_are_those_of_bought_products(
        self, result_of: Runs, data_set: DataSet
    ) -> None:
        folder = data_set("complete_journey")
        bought = {row[3] for row in rows(folder / "transactions_sample.csv")}
        catalogue = [row for row in rows(folder / "products.csv") if row[0] in bought]
        graph = result_of("complete_journey").graph
        assert pairs(graph, "manufacturer-makes-product") == {(r[1], r[0]) for r in catalogue}
        assert pairs(graph, "product-in-department") == {(r[0], r[2]) for r in catalogue}
        assert pairs(graph, "product-in-category") == {(r[0], r[4]) for r in catalogue if r[4]}
        coupons = {(r[0], r[1]) for r in rows(folder / "coupons.csv") if r[1] in bought}
        assert pairs(graph, "coupon-for-product") == coupons

    def test_the_cutoff_is_the_end_of_week_48(self, result_of: Runs, data_set: DataSet) -> None:
        split = result_of("complete_journey").split
        assert split is not None and split.train_until is not None
        cutoff = datetime.fromtimestamp(split.train_until / 1e6, UTC)
        for row in rows(data_set("complete_journey") / "transactions_sample.csv"):
            assert (utc(row[10]) >= cutoff) == (int(row[9]) > 48)

    def test_new_products_are_found_above_popularity_and_makers_derived(
        self, result_of: Runs
    ) -> None:
        result = result_of("complete_journey")
        found = metrics(result)
        popular, ours = found["popularity"], found["svd"]
        assert popular["recall@20"] == pytest.approx(0.0559, abs=2e-4)
        assert popular["ndcg@20"] == pytest.approx(0.0375, abs=1e-4)
        assert found["ItemKNN"]["recall@20"] == pytest.approx(0.0285, abs=1e-4)
        assert ours["recall@20"] > popular["recall@20"] + 0.004
        assert ours["ndcg@20"] > popular["ndcg@20"] + 0.001
        assert len(result.candidates["svd"]["manufacturer"]) == 2_430


class TestJobs:
    def test_views_are_distinct_pairs_at_their_first_time(
        self, result_of: Runs, data_set: DataSet
    ) -> None:
        first: dict[tuple[str, str], datetime] = {}
        for row in rows(data_set("jobs_views") / "Job_Views.csv"):
            pair, at = (row[0], row[1]), utc(row[9])
            first[pair] = min(at, first.get(pair, at))
        assert len(first) == 8_179
        assert times(result_of("jobs").graph, "applicant-views-job") == first

    def test_what_a_job_is_made_of(self, result_of: Runs, data_set: DataSet) -> None:
        jobs = list(rows(data_set("jobs_views") / "Jobs.csv"))
        graph = result_of("jobs").graph
        place = {row[0]: ", ".join(part for part in (row[4], row[6]) if part) for row in jobs}
        assert pairs(graph, "job-located_in-city") == set(place.items())
        named = {(row[0], row[3].lower()) for row in jobs if row[3] not in ("", "NA")}
        assert pairs(graph, "job-posted_by-company") == named
        industries = {(row[0], row[7]) for row in jobs if row[7] not in ("", "NA")}
        assert pairs(graph, "job-of-industry") == industries
        assert pairs(graph, "job-for-position") == {(r[0], r[2].lower().strip(" ")) for r in jobs}
        words = {row[0]: set(re.findall("[a-z0-9]+", row[1].lower())) for row in jobs}
        table = graph.edge_table(EdgeType.parse("job-titled-word"))
        columns = (table[name].to_pylist() for name in ("src", "dst", "weight"))
        weights = {(src, dst): weight for src, dst, weight in zip(*columns, strict=True)}
        assert set(weights) == {(job, word) for job, found in words.items() for word in found}
        for (job, _), weight in weights.items():
            assert weight == pytest.approx(1 / math.sqrt(len(words[job])), rel=1e-6)

    def test_experience_and_interests(self, result_of: Runs, data_set: DataSet) -> None:
        graph = result_of("jobs").graph
        past = list(rows(data_set("jobs_views") / "Experience.csv"))
        for edge_type, column in (
            ("applicant-worked_as-position", 1),
            ("applicant-worked_at-employer", 2),
        ):
            told = {
                (r[0], r[column].lower().strip(" ")) for r in past if r[column] not in ("", "NA")
            }
            assert pairs(graph, edge_type) == told
        wanted = rows(data_set("jobs_views") / "Positions_Of_Interest.csv")
        assert pairs(graph, "applicant-wants-position") == {
            (row[0], row[1].lower().strip(" ")) for row in wanted if row[1]
        }

    def test_the_two_sets_meet_in_cities_and_companies(
        self, result_of: Runs, data_set: DataSet
    ) -> None:
        graph, folder = result_of("jobs").graph, data_set("linkedin_jobs_2023")
        postings = list(rows(folder / "job_postings.csv"))
        names = {row[0]: row[1].lower() for row in rows(folder / "Nodes.csv") if row[1]}
        located = {(r[0], r[4]) for r in postings if re.fullmatch(".+, [A-Z][A-Z]", r[4])}
        assert pairs(graph, "posting-located_in-city") == located
        posted = {(row[0], names[row[1]]) for row in postings if row[1] in names}
        assert pairs(graph, "posting-posted_by-company") == posted
        known = {row[0] for row in postings}
        skills = {(r[0], r[1]) for r in rows(folder / "job_skills.csv") if r[0] in known}
        assert pairs(graph, "posting-needs-skill") == skills
        industry = {row[0]: row[1] for row in rows(folder / "industries.csv") if row[1]}
        told = [row for row in rows(folder / "job_industries.csv") if row[1] in industry]
        assert pairs(graph, "posting-of-industry") == {
            (row[0], industry[row[1]]) for row in told if row[0] in known
        }
        shared = {company for _, company in pairs(graph, "job-posted_by-company")} & {
            *names.values()
        }
        assert len(shared) == 156

    def test_attributes_find_the_next_job_above_every_floor(self, result_of: Runs) -> None:
        result = result_of("jobs")
        assert result.split is not None and len(result.split.test) == 1_672
        found = metrics(result)
        for name, hit, ndcg in (
            ("popularity", 0.0236, 0.0106),
            ("ItemKNN", 0.0272, 0.0143),
            ("same city", 0.263, 0.160),
        ):
            assert found[name]["recall@10"] == pytest.approx(hit, abs=5e-4)
            assert found[name]["ndcg@10"] == pytest.approx(ndcg, abs=5e-4)
        assert found["attributes"]["recall@10"] >= 0.32
        assert found["attributes"]["ndcg@10"] >= 0.20

    def test_what_is_found_does_not_come_from_favouring_jobs_never_seen(
        self, result_of: Runs
    ) -> None:
        ours = stratified(result_of("jobs"), "attributes")
        city = stratified(result_of("jobs"), "same city")
        assert ours["recall@10"] > city["recall@10"] + 0.05
        assert ours["recall@10 seen"] > city["recall@10 seen"]
        assert ours["unseen in top 10"] == pytest.approx(0.25, abs=0.04)

    def test_the_order_of_the_file_tells_the_answer_and_is_lost_by_reading(
        self, result_of: Runs, data_set: DataSet
    ) -> None:
        """Jobs stand in the file in the order of sessions; nodes that are read stand by id."""
        result, views = result_of("jobs"), EdgeType.parse("applicant-views-job")
        in_file = [row[0] for row in rows(data_set("jobs_views") / "Jobs.csv")]
        as_filed = HeteroGraph.from_tables(
            {"applicant": result.graph.node_table("applicant"), "job": {"id": in_file}},
            {views: result.graph.edge_table(views)},
        )
        leaky = audit_leaks(split_edges(as_filed, views, by="leave_one_out"))
        assert result.audit is not None
        filed, read = (
            {probe.name: probe.recall for probe in audit.probes} for audit in (leaky, result.audit)
        )
        name = "row distance to the last positive"
        assert filed[name] == pytest.approx(0.706, abs=0.01)
        assert any(name in warning for warning in leaky.warnings)
        assert read[name] < 0.05


class TestOlist:
    def test_the_label_is_the_category_of_most_of_a_sellers_items(
        self, result_of: Runs, data_set: DataSet
    ) -> None:
        folder = data_set("olist_sample")
        category = {r[0]: r[1] for r in rows(folder / "olist_products_dataset.csv") if r[1]}
        sold: dict[str, Counter[str]] = defaultdict(Counter)
        for row in rows(folder / "olist_order_items_dataset.csv"):
            if row[2] in category:
                sold[row[3]][category[row[2]]] += 1
        label = {
            seller: min(counts, key=lambda name: (-counts[name], name))
            for seller, counts in sold.items()
        }
        table = result_of("olist").graph.node_table("seller")
        found = dict(zip(table["id"].to_pylist(), table["category"].to_pylist(), strict=True))
        assert len(found) == 3_095
        assert {seller: name for seller, name in found.items() if name is not None} == label

    def test_no_product_that_is_sold_tells_its_category(
        self, result_of: Runs, data_set: DataSet
    ) -> None:
        folder = data_set("olist_sample")
        sold = {row[2] for row in rows(folder / "olist_order_items_dataset.csv")}
        graph = result_of("olist").graph
        assert pairs(graph, "product-in-category") == {
            (row[0], row[1])
            for row in rows(folder / "olist_products_dataset.csv")
            if row[1] and row[0] not in sold
        }
        assert not sold & {product for product, _ in pairs(graph, "product-in-category")}

    def test_customers_buy_what_their_orders_hold(self, result_of: Runs, data_set: DataSet) -> None:
        folder = data_set("olist_sample")
        person = {row[0]: row[1] for row in rows(folder / "olist_customers_dataset.csv")}
        buyer = {row[0]: person[row[1]] for row in rows(folder / "olist_orders_dataset.csv")}
        items: list[Any] = list(rows(folder / "olist_order_items_dataset.csv"))
        graph = result_of("olist").graph
        assert pairs(graph, "customer-buys-product") == {(buyer[r[0]], r[2]) for r in items}
        assert pairs(graph, "seller-sells-product") == {(row[3], row[2]) for row in items}

    def test_a_sellers_category_is_told_from_what_its_parcels_are_like(
        self, result_of: Runs
    ) -> None:
        found = metrics(result_of("olist"))
        assert found["majority class"]["accuracy 50%"] == pytest.approx(0.11, abs=0.02)
        assert found["categories"]["accuracy 50%"] > 2 * found["majority class"]["accuracy 50%"]
