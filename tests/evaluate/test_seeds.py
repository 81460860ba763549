"""Several seeds: means and Student's intervals over whole evaluations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.evaluate import Estimate, Evaluation, Report, Row, Section, evaluate_seeds
from graphemb.evaluate.seeds import mean_report
from graphemb.graph import HeteroGraph
from graphemb.split import SplitRule, split_by
from tests.evaluate.shop import BUYS, shop, vectors

RULE = SplitRule(edge_type=BUYS, test=0.2)
FEW = Evaluation(at=(5,), baselines=("popularity",), negatives=("uniform",))


def test_every_seed_has_its_own_split_and_fit() -> None:
    graph = shop()
    called: list[tuple[str, int]] = []

    def fit(train: HeteroGraph, seed: int) -> dict[str, Embeddings]:
        called.append((train.fingerprint, seed))
        return {"mine": vectors(train, seed)}

    report = evaluate_seeds(fit, graph, RULE, seeds=3, evaluation=FEW)
    assert [seed for _, seed in called] == [0, 1, 2]
    assert len({fingerprint for fingerprint, _ in called}) == 3
    single = []
    for seed in range(3):
        split = split_by(SplitRule(edge_type=BUYS, test=0.2, seed=seed), graph)
        rules = Evaluation(at=(5,), baselines=("popularity",), negatives=("uniform",), seed=seed)
        single.append(rules.run({"mine": vectors(graph, seed)}, split).metrics)
    for name in ("mine", "popularity"):
        for measure in ("recall@5", "auc uniform"):
            values = [found[name][measure] for found in single]
            figure = report.sections[0].row(name).values[measure]
            spread = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / np.sqrt(3)
            assert figure.value == pytest.approx(np.mean(values))
            assert figure.low == pytest.approx(np.mean(values) - spread)
            assert figure.high == pytest.approx(np.mean(values) + spread)
    assert "3 seeds" in report.sections[0].notes[-1]


def test_chosen_seeds_give_the_same_report_again() -> None:
    graph = shop()
    one, two = (
        evaluate_seeds(
            lambda train, seed: vectors(train, seed), graph, RULE, seeds=[4, 9], evaluation=FEW
        )
        for _ in "ab"
    )
    assert one.to_dict() == two.to_dict()


def test_one_seed_has_no_interval_and_is_refused() -> None:
    with pytest.raises(ConfigError):
        evaluate_seeds(lambda train, seed: vectors(train), shop(), RULE, seeds=1)
    with pytest.raises(ConfigError):
        mean_report([])


def test_reports_of_different_candidates_have_no_mean() -> None:
    def report(name: str) -> Report:
        return Report((Section("t", (Row(name, "candidate", {"a": Estimate(1.0)}),)),))

    with pytest.raises(ConfigError, match="different rows"):
        mean_report([report("one"), report("two")])


def test_a_bucket_that_some_seeds_lack_is_averaged_over_the_others() -> None:
    def report(columns: dict[str, float]) -> Report:
        values = {name: Estimate(value) for name, value in columns.items()}
        return Report((Section("t", (Row("x", "candidate", values),), "buckets"),))

    mean = mean_report([report({"0": 0.1, "1-3": 0.2}), report({"0": 0.3})])
    values = mean.sections[0].rows[0].values
    assert values["0"].value == pytest.approx(0.2)
    assert values["1-3"] == Estimate(0.2)
