"""The shared-table tower: parts and histories by hand, cold items, new nodes, random graphs."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb import EdgeType, HeteroGraph
from graphemb.errors import ConfigError, UnknownName
from graphemb.linalg import unit_rows
from graphemb.split import split_edges
from graphemb.testing import BUYS, SELLS, communities
from graphemb.trainers.attributes import AttributeTower
from graphemb.trainers.attributes.parts import Histories, Table

VIEWS = EdgeType("user", "views", "job")
IN = EdgeType("job", "in", "city")
PART = EdgeType("city", "part_of", "state")
WANTS = EdgeType("user", "wants", "city")
TOWER = AttributeTower(along=VIEWS, items={"job-in-city": 1.0}, dim=16, epochs=20)

_DAY = 86_400_000_000


def tiny() -> HeteroGraph:
    """Jobs a, b, c, d in cities x, x, y, none; x and y lie in one state; u saw a, then b."""
    return HeteroGraph.from_tables(
        {
            "user": {"id": ["u", "v", "w"]},
            "job": {"id": list("abcd")},
            "city": {"id": ["x", "y", "z"]},
            "state": {"id": ["s"]},
        },
        {
            VIEWS: {
                "src": ["u", "u", "u", "v"],
                "dst": ["a", "b", "a", "c"],
                "time": pa.array([_DAY, 2 * _DAY, 3 * _DAY, _DAY], pa.timestamp("us", "UTC")),
            },
            IN: {"src": ["a", "b", "c"], "dst": ["x", "x", "y"], "weight": [1.0, 1.0, 2.0]},
            PART: {"src": ["x", "y"], "dst": ["s", "s"]},
            WANTS: {"src": ["w"], "dst": ["y"]},
        },
    )


# -- what nodes are made of ------------------------------------------------------------------------


def test_parts_are_paths_of_length_one_times_their_weights() -> None:
    graph = tiny()
    table = Table({"city": graph.ids("city"), "state": graph.ids("state")})
    parts = table.parts_of(graph, "job", {(IN,): 1.5, (IN, PART): 0.5})
    expected = [[1.5, 0, 0, 0.5], [1.5, 0, 0, 0.5], [0, 1.5, 0, 0.5], [0, 0, 0, 0]]
    np.testing.assert_allclose(parts.toarray(), expected)


def test_many_attributes_say_no_more_than_one() -> None:
    graph = tiny().extend(edges={IN: {"src": ["a", "a"], "dst": ["y", "z"], "weight": [1.0, 1.0]}})
    parts = Table({"city": graph.ids("city")}).parts_of(graph, "job", {(IN,): 2.0})
    lengths = np.linalg.norm(parts.toarray(), axis=1)
    np.testing.assert_allclose(lengths, [2, 2, 2, 0])


@st.composite
def histories(draw: Any) -> tuple[list[list[int]], float, int]:
    users = draw(st.lists(st.lists(st.integers(0, 5), max_size=7), min_size=1, max_size=4))
    return users, draw(st.sampled_from([0.5, 0.9, 1.0])), draw(st.integers(1, 8))


@given(histories())
def test_histories_weigh_as_row_by_row(given_: tuple[list[list[int]], float, int]) -> None:
    users, decay, most = given_
    src = [user for user, own in enumerate(users) for _ in own]
    dst = [item for own in users for item in own]
    times = pa.array([place * _DAY for place in range(len(src))], pa.timestamp("us"))
    graph = HeteroGraph.from_tables(
        {"user": {"id": np.arange(len(users))}, "job": {"id": np.arange(6)}},
        {VIEWS: {"src": np.array(src, int), "dst": np.array(dst, int), "time": times}},
    )
    found = Histories.of(graph[VIEWS])
    once = [list(dict.fromkeys(own)) for own in users]
    assert found.items.tolist() == [item for own in once for item in own]

    def weighed(ranked: list[int]) -> list[float]:
        row = np.zeros(6)
        for rank, item in enumerate(ranked[:most]):
            row[item] = decay**rank
        return list(row / max(row.sum(), 1e-9))

    latest = found.latest(np.arange(len(users)), decay, most).toarray()
    np.testing.assert_allclose(latest, [weighed(own[::-1]) for own in once])
    around = found.around(np.arange(len(found)), found.owners(), decay, most).toarray()
    expected = []
    for own in once:
        for place in range(len(own)):
            others = [other for other in range(len(own)) if other != place]
            others.sort(key=lambda other, place=place: (abs(other - place), other > place))
            expected.append(weighed([own[other] for other in others]))
    np.testing.assert_allclose(around, np.reshape(expected, (-1, 6)))


def test_without_times_all_of_a_history_weighs_the_same() -> None:
    graph = HeteroGraph.from_tables(
        {"user": {"id": [0]}, "job": {"id": [0, 1, 2]}},
        {VIEWS: {"src": [0, 0, 0], "dst": [2, 0, 1]}},
    )
    found = Histories.of(graph[VIEWS])
    np.testing.assert_allclose(found.latest(np.array([0]), 0.5, 1).toarray(), [[1 / 3] * 3])


# -- vectors ---------------------------------------------------------------------------------------


def test_an_item_is_the_sum_of_its_attributes_and_a_user_of_its_items() -> None:
    graph = tiny()
    tower = AttributeTower(
        along=VIEWS,
        items={(IN,): 1.5, (IN, PART): 0.5},
        users={WANTS: 0.4},
        dim=8,
        epochs=3,
        history_decay=0.5,
    )
    emb = tower.fit(graph)
    city, state = emb["city"], emb["state"].vector("s")
    job = unit_rows(1.5 * city.vectors(["x", "x", "y"]) + 0.5 * state)
    np.testing.assert_allclose(emb["job"].vectors(["a", "b", "c"]), job, atol=1e-6)
    assert emb["job"].missing.to_list() == ["d"]
    assert emb["city"].missing.to_list() == ["z"]  # no job lies there
    user = unit_rows(np.stack([(job[1] + 0.5 * job[0]) / 1.5, job[2], 0.4 * city.vector("y")]))
    np.testing.assert_allclose(emb["user"].vectors(["u", "v", "w"]), user, atol=1e-6)


def cities(seed: int = 0, mixed: bool = False) -> HeteroGraph:
    """80 users who each view 5 jobs of one of 8 cities; half of 160 jobs nobody has viewed."""
    rng = np.random.default_rng(seed)
    job_city = np.arange(160) % 8
    user_city = np.arange(80) % 8
    viewed = np.arange(80)  # jobs 80 to 159 are new
    src, dst = [], []
    for user in range(80):
        pool = viewed if mixed else viewed[job_city[viewed] == user_city[user]]
        src += [user] * 5
        dst += rng.choice(pool, 5, replace=False).tolist()
    place = rng.permutation(8)
    return HeteroGraph.from_tables(
        {
            "user": {"id": np.arange(80)},
            "job": {"id": np.arange(160)},
            "city": {"id": np.arange(8)},
        },
        {
            VIEWS: {"src": src, "dst": dst},
            IN: {"src": np.arange(160), "dst": place[job_city]},
        },
    )


def nearest_share(graph: HeteroGraph, tower: AttributeTower) -> float:
    """How often a never-viewed job that a user has nearest is of the user's city."""
    emb = tower.fit(graph)
    scores = emb["user"].matrix @ emb["job"].matrix[80:].T
    best = scores.argmax(axis=1) + 80
    return float(np.mean(best % 8 == np.arange(80) % 8))


@pytest.mark.parametrize("seed", range(2))
def test_jobs_that_nobody_has_viewed_are_found_by_their_city(seed: int) -> None:
    assert nearest_share(cities(seed), replace(TOWER, seed=seed)) > 0.95


def test_views_at_random_teach_nothing() -> None:
    assert nearest_share(cities(mixed=True), TOWER) < 0.4


def test_training_sharpens_what_random_directions_begin() -> None:
    """Two attributes of which one is noise: its weight must fall."""
    graph = cities()
    rng = np.random.default_rng(1)
    color = EdgeType("job", "has", "color")
    graph = graph.extend(
        {"color": {"id": np.arange(8)}},
        {color: {"src": np.arange(160), "dst": rng.integers(8, size=160)}},
    )
    both = replace(TOWER, items={IN: 0.5, color: 1.0})
    assert nearest_share(graph, both) > nearest_share(graph, replace(both, learning_rate=1e-9))


def test_an_own_vector_tells_viewed_items_apart() -> None:
    graph = communities()
    plain = AttributeTower(along=BUYS, items={SELLS.reverse: 1.0}, dim=16, epochs=5)
    own = replace(plain, own_weight=1.0)
    sold_by = graph[SELLS.reverse].neighbors
    twins = np.flatnonzero(sold_by == sold_by[0])[:2]
    first, second = plain.fit(graph)["product"].matrix[twins]
    np.testing.assert_array_equal(first, second)  # the same seller, and nothing else
    first, second = own.fit(graph)["product"].matrix[twins]
    assert first @ second < 0.99


# -- graphs that come later ------------------------------------------------------------------------


def test_new_items_and_users_have_vectors_and_old_ones_keep_theirs() -> None:
    graph = cities()
    encoder = replace(TOWER, own_weight=0.5).fit_encoder(graph)
    before = encoder.embed(graph)
    later = graph.extend(
        {"job": {"id": [500, 501]}, "user": {"id": [900]}, "city": {"id": [77]}},
        {IN: {"src": [500, 501], "dst": [3, 77]}, VIEWS: {"src": [900], "dst": [500]}},
    )
    after = encoder.embed(later)
    old = before["job"].ids
    assert after["job"].vectors(old).tobytes() == before["job"].matrix.tobytes()
    assert after["user"].vectors(before["user"].ids).tobytes() == before["user"].matrix.tobytes()
    city = unit_rows(before["city"].vectors([3]))[0]
    np.testing.assert_allclose(after["job"].vector(500), city, atol=1e-6)
    np.testing.assert_allclose(after["user"].vector(900), city, atol=1e-6)
    assert after["job"].missing.to_list() == [501]  # in a city that nobody has heard of


def test_fit_is_the_encoder_on_the_same_graph() -> None:
    graph = cities()
    one, two = TOWER.fit(graph), TOWER.fit_encoder(graph).embed(graph)
    assert all(one[name].matrix.tobytes() == two[name].matrix.tobytes() for name in one)
    assert set(one) == {"user", "job", "city"}


# -- training --------------------------------------------------------------------------------------


def test_negatives_are_items_seen_in_training_alone() -> None:
    import torch

    from graphemb.trainers.attributes.model import SharedTable, Told, TowerTask

    graph = cities()
    table = Table({"city": graph.ids("city")})
    parts = table.parts_of(graph, "job", {(IN,): 1.0})
    users = table.parts_of(graph, "user", {})
    told = Told(parts, users, Histories.of(graph[VIEWS]), None)
    task = TowerTask(SharedTable(8, 4), told, TOWER, torch.device("cpu"))
    assert task.seen.tolist() == sorted(set(graph[VIEWS].neighbors.tolist()))
    owners = np.array([0, 5, 5])
    joined = task._joined(owners, task.seen)
    for row, user in enumerate(owners):
        viewed = set(graph.neighbors("user", int(user), VIEWS))
        assert [int(job) in viewed for job in task.seen] == joined[row].tolist()


@pytest.mark.parametrize("popularity", [0.0, 0.7])
def test_a_step_is_the_softmax_by_hand(popularity: float) -> None:
    import torch

    from graphemb.trainers.attributes.model import SharedTable, Told, TowerTask

    graph = cities()
    table = Table({"city": graph.ids("city")})
    parts = table.parts_of(graph, "job", {(IN,): 1.0})
    told = Told(parts, table.parts_of(graph, "user", {}), Histories.of(graph[VIEWS]), None)
    tower = replace(TOWER, temperature=0.3, batch_size=1000, popularity=popularity)
    task = TowerTask(SharedTable(8, 4), told, tower, torch.device("cpu"))
    jobs = unit_rows(parts.toarray() @ task.module.table.detach().numpy())
    degrees = np.bincount(graph[VIEWS].neighbors, minlength=160)
    losses = []
    for user in range(80):
        viewed = graph.neighbors("user", user, VIEWS)
        for job in viewed:
            past = jobs[[other for other in viewed if other != job]].mean(axis=0)
            others_views = degrees - (np.arange(160) == job)  # without this very view
            scores = jobs @ (past / np.linalg.norm(past)) / 0.3
            scores += popularity * np.log1p(others_views)
            others = [other for other in task.seen if other not in viewed]
            losses.append(np.log(np.exp(scores[[job, *others]]).sum()) - scores[job])
    assert float(next(task.steps(0)).detach()) == pytest.approx(np.mean(losses), rel=1e-4)


def test_popularity_is_the_last_component() -> None:
    graph = cities()
    tower = replace(TOWER, popularity=0.7, temperature=0.3)
    emb = tower.fit(graph)
    assert {part.dim for part in emb.values()} == {TOWER.dim}
    jobs, users = emb["job"].matrix, emb["user"].matrix
    degrees = np.bincount(graph[VIEWS].neighbors, minlength=160)
    np.testing.assert_allclose(jobs[:, -1], 0.3 * 0.7 * np.log1p(degrees), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(jobs[:, :-1], axis=1), 1.0, rtol=1e-5)
    assert (users[:, -1] == 1.0).all()
    assert not emb["city"].matrix[:, -1].any()


def test_validation_holds_pairs_back_and_stops_early() -> None:
    graph = cities()
    tower = replace(TOWER, valid=0.2, epochs=40, patience=3)
    told = tower.fit(graph).provenance["training"]
    assert told["stopped"] and len(told["valid"]) < 40
    assert max(told["valid"]) > 0.2


def test_drawn_negatives_learn_the_same() -> None:
    assert nearest_share(cities(), replace(TOWER, num_negatives=20)) > 0.95


def test_fault_084_the_same_seed_gives_the_same_vectors() -> None:
    graph = cities()
    one, two = (replace(TOWER, epochs=2).fit(graph)["job"].matrix for _ in range(2))
    other = replace(TOWER, epochs=2, seed=1).fit(graph)["job"].matrix
    assert one.tobytes() == two.tobytes() != other.tobytes()


def test_fault_086_training_is_taken_up_from_its_checkpoint(tmp_path: Path) -> None:
    graph = cities()
    whole = TOWER.fit(graph)["job"].matrix
    TOWER.fit(graph, checkpoint=tmp_path / "c")
    again = TOWER.fit(graph, checkpoint=tmp_path / "c")["job"].matrix  # nothing is left to do
    assert again.tobytes() == whole.tobytes()
    with pytest.raises(ConfigError):
        replace(TOWER, dim=8).fit(graph, checkpoint=tmp_path / "c")


def test_a_time_split_is_learned_without_looking_ahead() -> None:
    """The trainer takes a split's training graph as it is; the held-out pairs are found."""
    graph = communities()
    split = split_edges(graph, BUYS, by="time", test=0.1)
    tower = AttributeTower(along=BUYS, items={SELLS.reverse: 1.0}, own_weight=1.0, epochs=10)
    emb = tower.fit(split.train)
    user, product = emb["user"].matrix, emb["product"].matrix
    rows = split.test
    own = np.einsum("ij,ij->i", user[rows.src], product[rows.dst])
    every = user[rows.src] @ product.T
    assert np.mean(every < own[:, None]) > 0.7


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"items": {}},
        {"items": {"user-wants-city": 1.0}},
        {"users": {"job-in-city": 1.0}},
        {"items": {"job-in-city user-wants-city": 1.0}},
        {"along": EdgeType("job", "like", "job")},
        {"history_decay": 0.0},
        {"history": 0},
        {"temperature": 0.0},
        {"own_weight": -1.0},
        {"num_negatives": 0},
        {"popularity": -0.1},
        {"popularity": 1.0, "dim": 1},
    ],
)
def test_fault_090_fields_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(TOWER, **fields)


def test_an_edge_type_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownName, match="job-of-trade"):
        replace(TOWER, items={"job-of-trade": 1.0}).fit(cities())


def test_paths_are_read_alike_however_they_are_written() -> None:
    graph = tiny()
    ways: list[Any] = [{"job-in-city city-part_of-state": 1.0}, {(IN, PART): 1.0}, [IN, PART]]
    found = [replace(TOWER, items=way).fit(graph)["job"].matrix for way in ways]
    assert all(a.tobytes() == b.tobytes() for a, b in permutations(found, 2))
