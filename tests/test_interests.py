"""Several vectors per user: Ward against SciPy, medoids, weights, search, files, planted users."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from graphemb import EdgeType, Embeddings, HeteroGraph, Index, Vectors
from graphemb.errors import (
    ChecksumMismatch,
    ConfigError,
    CorruptManifest,
    GraphError,
    UnknownName,
    UnknownNode,
)
from graphemb.ids import Ids
from graphemb.interests import Interests, interests
from graphemb.linalg import unit_rows

BUYS = EdgeType("user", "buys", "item")


def shop(baskets: list[list[int]], items: int, **columns: Any) -> HeteroGraph:
    """User u<i> bought the items of basket i."""
    src = [f"u{user}" for user, basket in enumerate(baskets) for _ in basket]
    return HeteroGraph.from_tables(
        {
            "user": {"id": [f"u{user}" for user in range(len(baskets))]},
            "item": {"id": np.arange(items)},
        },
        {BUYS: {"src": src, "dst": [item for basket in baskets for item in basket], **columns}},
    )


def embedded(matrix: Any) -> Embeddings:
    return Embeddings.from_arrays({"item": (np.arange(len(matrix)), np.asarray(matrix))})


TWO_SIDES = [[1, 0], [1, 0.1], [1, -0.1], [0, 1], [0.1, 1], [0.5, 0.5]]


# -- clusters --------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3, 5, 12])
def test_clusters_are_those_of_scipys_ward(k: int) -> None:
    rng = np.random.default_rng(k)
    matrix = rng.standard_normal((200, 6)).astype(np.float32)
    baskets = [rng.choice(200, size, replace=False).tolist() for size in (1, 2, 3, 5, 12, 40)]
    found = interests(embedded(matrix), shop(baskets, 200), along=BUYS, k=k)
    units = unit_rows(matrix).astype(np.float64)
    for user, basket in enumerate(baskets):
        own = np.sort(basket)
        labels = np.ones(1, int)
        if len(own) > 1:
            labels = fcluster(linkage(units[own], "ward"), k, "maxclust")
        expected = set()
        for label in np.unique(labels):
            inside = own[labels == label]
            gaps = ((units[inside][:, None] - units[inside][None]) ** 2).sum(axis=(1, 2))
            nearest = np.flatnonzero(gaps <= gaps.min() + 1e-6)[0]
            expected.add((int(inside[nearest]), round(len(inside) / len(own), 5)))
        assert {(item, round(weight, 5)) for item, weight in found[f"u{user}"]} == expected


def test_a_users_vectors_are_its_medoids_own() -> None:
    found = interests(embedded(TWO_SIDES), shop([[0, 1, 2, 3, 4]], 6), along=BUYS, k=2)
    assert found["u0"] == [(0, pytest.approx(0.6)), (3, pytest.approx(0.4))]
    np.testing.assert_array_equal(found.vectors("u0"), np.float32([[1, 0], [0, 1]]))


def test_weights_are_of_the_edges_and_parallel_edges_add_up() -> None:
    graph = shop([[0, 1, 3, 3]], 6, weight=[1.0, 1.0, 4.0, 2.0])
    found = interests(embedded(TWO_SIDES), graph, along=BUYS, k=2)
    assert found["u0"] == [(3, pytest.approx(0.75)), (0, pytest.approx(0.25))]


def test_old_interests_fade() -> None:
    day = 86_400_000_000
    times = pa.array([0, day, 2 * day, 30 * day], pa.timestamp("us", "UTC"))
    graph = shop([[0, 1, 2, 3]], 6, time=times)
    emb = embedded(TWO_SIDES)
    assert interests(emb, graph, along=BUYS, k=2)["u0"][0][0] == 0
    faded = interests(emb, graph, along=BUYS, k=2, weight={"recency": "5d"})["u0"]
    assert faded[0][0] == 3
    old = sum(2.0 ** -((30 - age) / 5) for age in (0, 1, 2))
    assert faded[0][1] == pytest.approx(1 / (1 + old), rel=1e-5)


def test_only_the_heaviest_members_are_looked_at() -> None:
    graph = shop([[0, 1, 3, 4]], 6, weight=[1.0, 1.0, 5.0, 4.0])
    found = interests(embedded(TWO_SIDES), graph, along=BUYS, k=2, most=2)
    assert [item for item, _ in found["u0"]] == [3, 4]


def test_alike_joins_what_is_one_interest() -> None:
    graph, emb = shop([[0, 1, 2], [0, 1, 3, 4]], 6), embedded(TWO_SIDES)
    assert len(interests(emb, graph, along=BUYS, k=3)["u0"]) == 3
    found = interests(emb, graph, along=BUYS, k=3, alike=0.9)
    assert [len(found[user]) for user in ("u0", "u1")] == [1, 2]


def test_all_weights_zero_count_by_members() -> None:
    graph = shop([[0, 1, 3]], 6)
    found = interests(embedded(TWO_SIDES), graph, along=BUYS, k=2, weight=np.zeros(3))
    assert [round(weight, 4) for _, weight in found["u0"]] == [0.6667, 0.3333]


def test_fault_091_who_has_no_embedded_member_is_missing() -> None:
    graph = shop([[5], [0], []], 6)
    emb = Embeddings([Vectors("item", Ids.of([0, 1]), np.eye(2), Ids.of([2, 3, 4, 5]))])
    found = interests(emb, graph, along=BUYS)
    assert found.ids.to_list() == ["u1"]
    assert found.missing.to_list() == ["u0", "u2"]
    with pytest.raises(UnknownNode):
        found["u0"]


def test_a_reverse_edge_type_gives_items_their_buyers() -> None:
    graph = shop([[0, 1], [0], [1]], 2)
    emb = Embeddings.from_arrays({"user": (["u0", "u1", "u2"], np.eye(3))})
    found = interests(emb, graph, along=BUYS.reverse, k=5)
    assert found.node_type == "item"
    assert sorted(user for user, _ in found[0]) == ["u0", "u1"]


# -- search ----------------------------------------------------------------------------------------


def test_turns_give_places_by_weight_and_best_by_score() -> None:
    matrix = [[10.0, 0.0]] * 6 + [[0.0, 1.0]] * 4
    graph = shop([[0, 6, 7]], 10)
    emb = embedded(matrix)
    index = Index.build(emb["item"], metric="dot")
    found = interests(emb, graph, along=BUYS, k=2)
    assert found["u0"] == [(6, pytest.approx(2 / 3)), (0, pytest.approx(1 / 3))]
    ids, scores = found.search(index, "u0", 3, exclude=[0, 6, 7])
    assert ids == [8, 1, 9]  # two thirds of the places, and first
    assert scores.tolist() == [1, 100, 1]
    ids, scores = found.search(index, "u0", 3, merge="best", exclude=[0, 6, 7])
    assert ids == [1, 2, 3]
    assert scores.tolist() == [100, 100, 100]


def test_best_is_brute_force_over_all_interests() -> None:
    rng = np.random.default_rng(0)
    emb = embedded(rng.standard_normal((80, 5)))
    graph = shop([rng.choice(80, 20, replace=False).tolist()], 80)
    found = interests(emb, graph, along=BUYS, k=4)
    for metric in ("dot", "cosine", "l2"):
        index = Index.build(emb["item"], metric=metric)
        medoids = [item for item, _ in found["u0"]]  # all of them are at 1 from themselves
        ids, scores = found.search(index, "u0", 15, merge="best", exclude=medoids)
        own, all_ = found.vectors("u0"), emb["item"].matrix
        if metric == "l2":
            table = -np.linalg.norm(own[:, None] - all_[None], axis=2)
        elif metric == "cosine":
            table = unit_rows(own) @ unit_rows(all_).T
        else:
            table = own @ all_.T
        table[:, medoids] = -np.inf
        assert ids == np.argsort(-table.max(axis=0))[:15].tolist()
        best = np.sort(table.max(axis=0))[::-1][:15]
        assert np.abs(scores).tolist() == pytest.approx(np.abs(best).tolist(), abs=1e-5)


@pytest.mark.parametrize("merge", ["best", "turns"])
def test_fault_032_a_search_gives_k_or_all_each_once(merge: Any) -> None:
    emb = embedded(TWO_SIDES)
    index = Index.build(emb["item"])
    found = interests(emb, shop([[0, 1, 3]], 6), along=BUYS, k=3)
    for k in (1, 4, 6, 50):
        ids, scores = found.search(index, "u0", k, merge=merge)
        assert len(ids) == len(set(ids)) == len(scores) == min(k, 6)
    with pytest.raises(ConfigError):
        found.search(index, "u0", 0, merge=merge)


def two_interest_users(seed: int) -> tuple[Embeddings, HeteroGraph, list[list[int]]]:
    """Users who like two of 40 kinds of items, in a space too narrow for 40; held-out items."""
    rng = np.random.default_rng(seed)
    kinds, each, dim = 40, 12, 6
    centers = unit_rows(rng.standard_normal((kinds, dim)).astype(np.float32))
    matrix = np.repeat(centers, each, axis=0) + 0.1 * rng.standard_normal((kinds * each, dim))
    baskets, held = [], []
    for _ in range(150):
        one, two = rng.choice(kinds, 2, replace=False)
        items = [one * each + rng.permutation(each), two * each + rng.permutation(each)]
        baskets.append(np.concatenate([part[:6] for part in items]).tolist())
        held.append(np.concatenate([part[6:] for part in items]).tolist())
    return embedded(unit_rows(matrix.astype(np.float32))), shop(baskets, kinds * each), held


@pytest.mark.parametrize("seed", range(3))
def test_two_interests_find_what_one_vector_between_them_does_not(seed: int) -> None:
    emb, graph, held = two_interest_users(seed)
    index = Index.build(emb["item"])
    found = interests(emb, graph, along=BUYS, k=2)
    one, two = [], []
    for user, wanted in enumerate(held):
        name = f"u{user}"
        seen = graph.neighbors("user", name, BUYS)
        mean = emb["item"].vectors(seen).mean(axis=0)
        one.append(len({*index.search(mean, 12, exclude=seen)[0]} & {*wanted}) / 12)
        two.append(len({*found.search(index, name, 12, exclude=seen)[0]} & {*wanted}) / 12)
    assert np.mean(two) > 0.8
    assert np.mean(two) > 1.5 * np.mean(one)


# -- files and refusals ----------------------------------------------------------------------------


def test_interests_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    emb, graph, _ = two_interest_users(0)
    found = interests(emb, graph, along=BUYS, k=2, weight="log1p")
    found.save(tmp_path / "interests")
    found.save(tmp_path / "interests")
    again = Interests.load(tmp_path / "interests", mmap=True)
    assert again["u7"] == found["u7"]
    assert again.matrix.tobytes() == found.matrix.tobytes()
    assert again.offsets.tobytes() == found.offsets.tobytes()
    assert (again.node_type, again.members) == ("user", "item")
    assert again.ids == found.ids
    assert again.provenance == json.loads(json.dumps(found.provenance))
    assert again.provenance["interests"]["weight"] == "log1p"


def test_fault_010_a_changed_file_is_refused(tmp_path: Path) -> None:
    found = interests(embedded(TWO_SIDES), shop([[0, 3]], 6), along=BUYS)
    found.save(tmp_path / "interests")
    path = tmp_path / "interests" / "matrix.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChecksumMismatch):
        Interests.load(tmp_path / "interests")


def test_a_manifest_without_its_keys_is_refused(tmp_path: Path) -> None:
    found = interests(embedded(TWO_SIDES), shop([[0, 3]], 6), along=BUYS)
    found.save(tmp_path / "interests")
    path = tmp_path / "interests" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["members"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(CorruptManifest):
        Interests.load(tmp_path / "interests")


@pytest.mark.parametrize("options", [{"k": 0}, {"most": 0}, {"alike": 2.0}, {"weight": "heavy"}])
def test_fault_090_fields_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        interests(embedded(TWO_SIDES), shop([[0]], 6), along=BUYS, **options)


def test_what_is_not_there_is_named() -> None:
    graph, emb = shop([[0]], 6), embedded(TWO_SIDES)
    with pytest.raises(UnknownName, match="user-sees-item"):
        interests(emb, graph, along=EdgeType("user", "sees", "item"))
    with pytest.raises(UnknownName, match="node type"):
        interests(emb, graph, along=BUYS.reverse)
    with pytest.raises(GraphError, match="no times"):
        interests(emb, graph, along=BUYS, weight={"recency": "5d"})


def test_interests_are_the_same_at_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    emb, graph, _ = two_interest_users(1)
    parts = []
    for threads in (1, 3):
        monkeypatch.setattr("graphemb.linalg._WORTH_THREADS", 0)
        monkeypatch.setattr("graphemb.linalg.num_threads", lambda threads=threads: threads)
        parts.append(interests(emb, graph, along=BUYS, k=3))
    assert all(a.matrix.tobytes() == b.matrix.tobytes() for a, b in pairwise(parts))
