"""The rows of the table: what each counts, and which limit of the machine it runs into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Limit = Callable[[Mapping[str, float], Mapping[str, Any]], float]


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        task: the name that runners know it by.
        title: for people.
        unit: of a rate; empty where seconds are told.
        limit: the machine's most, in the row's unit, from what `roofline.measure` found and the
            plan; None where no single limit speaks for it.
    """

    task: str
    title: str
    unit: str = ""
    limit: Limit | None = None


def _steps(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
    return machine["random_reads_per_s"] / 2  # a line of offsets, a line of neighbours


def _tokens(radius: int) -> Limit:
    """Mean windows hold radius + 1 contexts; 6 flops a component of each pair."""

    def most(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
        pairs = (radius + 1) * (1 + plan["negatives"])
        return float(machine["float32_flops_per_s"] / (pairs * 6 * plan["dim"]))

    return most


def _sums(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
    return float(machine["row_updates_per_s"] * 128 / plan["dim"])


def _queries(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
    return float(machine["float32_flops_per_s"] / (2 * plan["num_nodes"] * plan["dim"]))


def _draws(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
    return machine["random_reads_per_s"]


ROWS = (
    Row("load", "load from Parquet", "edges/s"),
    Row("walks.deepwalk", "walks, DeepWalk", "steps/s", _steps),
    Row("walks.node2vec", "walks, node2vec p=.5 q=2", "steps/s", _steps),
    Row("walks.weighted", "walks, weighted node2vec, 3 edge types", "steps/s", _steps),
    Row("walks.metapath", "walks, metapath of 3 hops", "steps/s", _steps),
    Row("skipgram.r10", "skip-gram, radius 10", "tokens/s", _tokens(10)),
    Row("skipgram.r5", "skip-gram, radius 5", "tokens/s", _tokens(5)),
    Row("whole", "DeepWalk, Parquet to saved vectors"),
    Row("fastrp", "FastRP"),
    Row("svd", "SVD"),
    Row("prone", "ProNE"),
    Row("derive", "aggregation over edges", "edges/s", _sums),
    Row("topk", "exact top-k", "queries/s", _queries),
    Row("negatives.uniform", "negatives, uniform", "draws/s", _draws),
    Row("negatives.degree", "negatives, by degree", "draws/s", _draws),
)
