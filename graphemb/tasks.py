"""Downstream tasks: predicting labels of nodes from their vectors, beside the majority class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graphemb.checks import check_int, check_number
from graphemb.embeddings import Vectors
from graphemb.errors import GraphError
from graphemb.evaluate.report import Report, Role, Row, Section
from graphemb.evaluate.seeds import over_seeds
from graphemb.graph.columns import as_table, require
from graphemb.ids import Ids, key_array
from graphemb.split.pairs import id_keys
from graphemb.types import BoolArray, IntArray

Doubles: TypeAlias = npt.NDArray[np.float64]
_MAJORITY = "majority class"
_ITERATIONS = 500
_TOLERANCE = 1e8
"""Stop when a step lowers the loss by less than this many machine epsilons of itself."""
_NEVER, _ALWAYS = -30.0, 30.0


def classify_nodes(
    vectors: Vectors | Mapping[str, Vectors],
    labels: Any,
    *,
    train_shares: Sequence[float] = (0.1, 0.5, 0.9),
    seeds: int = 5,
    seed: int = 0,
    scaled: bool = True,
) -> Report:
    """Predict labels by one-vs-rest logistic regression, as DeepWalk's evaluation does.

    Perozzi, Al-Rfou, Skiena 2014: of each test node the number of its labels is known, and that
    many of the likeliest are predicted; Micro- and Macro-F1 at several shares of training nodes.
    With one label a node Micro-F1 is the accuracy, and is called so. Differs in that the
    intercept is not penalised, and that a label without training nodes is never predicted.

    A labelled node without a vector is not left out: it takes part with a vector of zeros, so
    that only the labels' frequencies speak for it. What is drawn depends on ids and seeds.

    Args:
        vectors: of one node type; or candidate name -> vectors.
        labels: a table `id`, `label`, one row for each label of a node; or id -> label or list
            of labels. Null labels are left out.
        train_shares: of the labelled nodes, each between 0 and 1.
        seeds: divisions for each share; intervals are Student's t over them.
        seed: of the first division.
        scaled: multiply a candidate's vectors by one number, so that their mean squared length
            is 1 and the same penalty weighs alike on all candidates. False: as they are, as in
            DeepWalk's own script.

    Raises:
        ConfigError: a share or number out of range.
        GraphError: no labels, or one class alone; ids of another type than the vectors'.
    """
    named = {"vectors": vectors} if isinstance(vectors, Vectors) else dict(vectors)
    check_int("seeds", seeds, low=1)
    check_int("seed", seed, low=0)
    for share in train_shares:
        check_number("train_shares", share, above=0.0, high=0.99)
    task = _read_labels(labels)
    features = {name: _features(part, task.ids, scaled) for name, part in named.items()}
    rows: list[Row] = []
    scored: dict[str, list[dict[str, float]]] = {name: [] for name in (*named, _MAJORITY)}
    for number in range(seed, seed + seeds):
        for name, found in _one_division(task, features, train_shares, number).items():
            scored[name].append(found)
    for name, runs in scored.items():
        role: Role = "baseline" if name == _MAJORITY else "candidate"
        columns = {column: over_seeds([run[column] for run in runs]) for column in runs[0]}
        rows.append(Row(name, role, columns))
    facts: dict[str, Any] = {
        "nodes": len(task.ids),
        "classes": len(task.classes),
        "seeds": seeds,
        "missing": {name: int((~known).sum()) for name, (_, known) in features.items()},
    }
    notes = tuple(
        f"{name}: {count:,} labelled nodes have no vector and are judged by frequency alone"
        for name, count in facts["missing"].items()
        if count
    )
    title = f"labels of {next(iter(named.values())).node_type}" if named else "labels"
    return Report((Section(title, tuple(rows), facts=facts, notes=notes),))


@dataclass(frozen=True, eq=False)
class _Labels:
    """Labelled nodes in an order of their own; `marks` bool [n, classes]."""

    ids: Ids
    classes: tuple[Any, ...]
    marks: BoolArray

    @property
    def single(self) -> bool:
        return bool((self.marks.sum(axis=1) == 1).all())


def _read_labels(labels: Any) -> _Labels:
    if isinstance(labels, Mapping) and set(labels) != {"id", "label"}:
        pairs = [
            (key, label)
            for key, given in labels.items()
            for label in (given if isinstance(given, list | tuple | set | frozenset) else [given])
        ]
        labels = {"id": [key for key, _ in pairs], "label": [label for _, label in pairs]}
    table = as_table(labels, "labels")
    require(table, ("id", "label"), "labels")
    table = table.filter(pc.is_valid(table["label"]))
    if not table.num_rows:
        raise GraphError("there are no labels", source="labels", field="label")
    keys = key_array(table["id"], source="labels")
    ids = Ids(pc.unique(keys))
    encoded = pc.dictionary_encode(table["label"].combine_chunks())
    values = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    classes = values.dictionary.to_pylist()
    order = sorted(range(len(classes)), key=lambda place: str(classes[place]))
    if len(order) < 2:
        raise GraphError("all nodes have the same label", source="labels", value=classes[0])
    place = np.argsort(order)
    marks = np.zeros((len(ids), len(order)), np.bool_)
    marks[ids.rows(Ids(keys)), place[np.asarray(values.indices)]] = True
    by_id = np.argsort(id_keys(ids, 0))
    return _Labels(ids.take(by_id), tuple(classes[n] for n in order), marks[by_id])


def _features(vectors: Vectors, ids: Ids, scaled: bool) -> tuple[Doubles, BoolArray]:
    """float64 [n, dim] of the labelled nodes, zeros where there is no vector; and where one is."""
    rows = vectors.ids.find(ids)
    found = np.zeros((len(ids), vectors.dim))
    known = rows >= 0
    found[known] = vectors.matrix[rows[known]]
    length = np.sqrt((found**2).sum() / max(int(known.sum()), 1))
    return (found / length if scaled and length > 0 else found), known


def _one_division(
    task: _Labels,
    features: Mapping[str, tuple[Doubles, BoolArray]],
    train_shares: Sequence[float],
    seed: int,
) -> dict[str, dict[str, float]]:
    """Name -> column -> figure, with the nodes shuffled once by the seed."""
    order = np.argsort(id_keys(task.ids, seed))
    found: dict[str, dict[str, float]] = {name: {} for name in (*features, _MAJORITY)}
    for share in train_shares:
        cut = min(max(round(share * order.size), 1), order.size - 1)
        train, test = order[:cut], order[cut:]
        truth = task.marks[test]
        micro = "accuracy" if task.single else "micro-f1"
        for name, parts in found.items():
            if name == _MAJORITY:
                scores = np.tile(task.marks[train].mean(axis=0), (test.size, 1))
            else:
                weights, bias = fit_one_vs_rest(features[name][0][train], task.marks[train])
                scores = features[name][0][test] @ weights + bias
            guess = likeliest(scores, truth.sum(axis=1))
            parts[f"{micro} {share:.0%}"], parts[f"macro-f1 {share:.0%}"] = f1(truth, guess)
    return found


def fit_one_vs_rest(
    features: Doubles, marks: BoolArray, *, penalty: float = 1.0
) -> tuple[Doubles, Doubles]:
    """Logistic regressions of every class against the rest, all fitted at once.

    Each minimises the sum of log losses plus `penalty` / 2 times the squared weights, which is
    scikit-learn's C = 1 / penalty.

    Args:
        features: float64 [n, dim].
        marks: bool [n, classes].

    Returns:
        Weights float64 [dim, classes] and intercepts float64 [classes].
    """
    from scipy.optimize import fmin_l_bfgs_b

    dim, classes = features.shape[1], marks.shape[1]
    bias = np.where(marks.any(axis=0), _ALWAYS, _NEVER)
    weights = np.zeros((dim, classes))
    open_ = np.flatnonzero(marks.any(axis=0) & ~marks.all(axis=0))
    if not open_.size:
        return weights, bias
    signs = np.where(marks[:, open_], 1.0, -1.0)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        slope, shift = _unpacked(flat, dim)
        odds = np.exp(np.minimum(-signs * (features @ slope + shift), 500.0))  # of being wrong
        pull = -signs * (odds / (1.0 + odds))
        value = np.log(1.0 + odds).sum() + penalty / 2 * (slope**2).sum()
        gradient = np.vstack([features.T @ pull + penalty * slope, pull.sum(axis=0)])
        return float(value), gradient.ravel()

    start = np.zeros((dim + 1) * open_.size)
    found = fmin_l_bfgs_b(loss, start, m=20, factr=_TOLERANCE, maxiter=_ITERATIONS)[0]
    weights[:, open_], bias[open_] = _unpacked(found, dim)
    return weights, bias


def _unpacked(flat: Doubles, dim: int) -> tuple[Doubles, Doubles]:
    both = flat.reshape(dim + 1, -1)
    return both[:-1], both[-1]


def likeliest(scores: Doubles, counts: IntArray) -> BoolArray:
    """bool [n, classes]: in each row the `counts[row]` highest scores; ties by class."""
    order = np.argsort(-scores, axis=1, kind="stable")
    chosen = np.arange(scores.shape[1]) < counts[:, None]
    out = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(out, order, chosen, axis=1)
    return out


def f1(truth: BoolArray, guess: BoolArray) -> tuple[float, float]:
    """Micro- and Macro-F1 over classes; a class neither true nor guessed scores 0, as in DeepWalk.

    Args:
        truth, guess: bool [n, classes].
    """
    right = (truth & guess).sum(axis=0)
    total = truth.sum(axis=0) + guess.sum(axis=0)
    per_class = np.divide(2.0 * right, total, out=np.zeros(total.size), where=total > 0)
    return float(2.0 * right.sum() / max(int(total.sum()), 1)), float(per_class.mean())
