"""The rows of the table: what each counts, and which limit of the machine it runs into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
        makes: `vectors` to be judged, an `answer` that must be everybody's, or neither.
        files: input files that it needs, of `inputs.FILES`.
    """

    task: str
    title: str
    unit: str = ""
    limit: Limit | None = None
    makes: Literal["", "vectors", "answer"] = ""
    files: tuple[str, ...] = ()


def _steps(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
    return machine["random_reads_per_s"] / 2  # a line of offsets, a line of neighbours


def _tokens(radius: int) -> Limit:
    """Mean windows hold radius + 1 contexts; 6 flops a component of each pair."""

    def most(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
        pairs = (radius + 1) * (1 + plan["negatives"])
        return float(machine["float32_flops_per_s"] / (pairs * 6 * plan["dim"]))

    return most


def _sums(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
    return float(machine["row_reads_per_s"] * 128 / plan["dim"])


def _queries(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
    return float(machine["float32_flops_per_s"] / (2 * plan["num_nodes"] * plan["dim"]))


def _draws(machine: Mapping[str, float], plan: Mapping[str, Any]) -> float:
    return machine["random_reads_per_s"]


_AGAIN = "15 and 10, with replacement"  # as the peer draws; the rows before draw an edge once
_TEXT, _DENSE = ("edges.txt",), ("dense.npy",)
ROWS = (
    Row("load", "load from Parquet", "edges/s", files=_TEXT),
    Row("load.named", "load from Parquet, ids are words", "edges/s", files=("named.parquet",)),
    Row("walks.deepwalk", "walks, DeepWalk", "steps/s", _steps, files=_TEXT),
    Row("walks.node2vec", "walks, node2vec p=.5 q=2", "steps/s", _steps, files=_TEXT),
    Row("walks.weighted", "walks, weighted node2vec, 3 edge types", "steps/s", _steps),
    Row("walks.metapath", "walks, metapath of 3 hops", "steps/s", _steps),
    Row(
        "skipgram.r10",
        "skip-gram, radius 10",
        "tokens/s",
        _tokens(10),
        files=("walks_short.txt", *_TEXT),
    ),
    Row(
        "skipgram.r5",
        "skip-gram, radius 5",
        "tokens/s",
        _tokens(5),
        files=("walks_short.txt", *_TEXT),
    ),
    Row(
        "whole",
        "DeepWalk, Parquet to saved vectors",
        makes="vectors",
        files=("walks.txt", *_TEXT),
    ),
    Row("deepwalk", "DeepWalk, graph to vectors", makes="vectors", files=_TEXT),
    Row("best", "best walk model, graph to vectors", makes="vectors"),
    Row("fastrp", "FastRP", makes="vectors", files=_TEXT),
    Row("svd", "SVD", makes="vectors"),
    Row("prone", "ProNE", makes="vectors"),
    Row("graphsage", "GraphSAGE", makes="vectors", files=_TEXT),
    Row("derive", "aggregation over edges", "edges/s", _sums, "answer", _DENSE),
    Row("neighbors.uniform", "neighbour sampling, 15 and 10", "edges/s", _draws),
    Row("neighbors.uniform.again", f"neighbour sampling, {_AGAIN}", "edges/s", _draws),
    Row("neighbors.weighted", "neighbour sampling by weight, 15 and 10", "edges/s", _draws),
    Row("neighbors.weighted.again", f"neighbour sampling by weight, {_AGAIN}", "edges/s", _draws),
    Row("topk", "exact top-k", "queries/s", _queries, "answer", _DENSE),
    Row("negatives.uniform", "negatives, uniform", "draws/s", _draws),
    Row("negatives.degree", "negatives, by degree", "draws/s", _draws),
    Row("start.first", "first process: import, then DeepWalk with a cold kernel cache"),
    Row("start.second", "second process: the same, kernels compiled"),
    Row("start.demo", "`graphemb demo` with a cold kernel cache"),
)
