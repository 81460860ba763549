"""What a step learns from: positives held back or not, negatives of every kind, weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from graphemb.errors import ConfigError, UnknownName
from graphemb.graph import HeteroGraph
from graphemb.learning import LinkFields, losses
from graphemb.learning.batches import Batches, Links
from graphemb.learning.decoders import Decoder
from graphemb.learning.links import LinkModel, LinkTask
from graphemb.learning.loop import on_threads
from graphemb.learning.noise import Noise
from graphemb.learning.positives import Positives
from graphemb.testing import BUYS, KNOWS, SELLS, awkward, communities
from graphemb.types import EdgeType
from tests.learning.lookup import Lookup

CPU = torch.device("cpu")
SKIPS = EdgeType("user", "skips", "product")


def step(graph: HeteroGraph, fields: LinkFields, epoch: int = 0) -> list[Links]:
    """The first step of an epoch."""
    batches = Batches(Positives.of(graph, fields), fields, CPU)
    return batches.draw(batches.order(epoch), epoch, 0)


def pairs_of(graph: HeteroGraph, edge_type: EdgeType) -> set[tuple[int, int]]:
    adjacency = graph[edge_type]
    return set(zip(adjacency.sources().tolist(), adjacency.neighbors.tolist(), strict=True))


# -- what is held back ----------------------------------------------------------------------------


def test_what_is_held_back_is_the_last_in_time_and_leaves_nobody_alone() -> None:
    graph = communities()
    positives = Positives.of(graph, LinkFields(valid=0.2, edge_types=(BUYS,)))
    held = positives.held[BUYS]
    assert len(held) == round(0.2 * len(pairs_of(graph, BUYS)))
    left = pairs_of(positives.graph, BUYS)
    assert not left & set(zip(held.src.tolist(), held.dst.tolist(), strict=True))
    assert len(left) + len(held) == len(pairs_of(graph, BUYS))
    for end in (0, 1):
        alone = {pair[end] for pair in pairs_of(graph, BUYS)} - {pair[end] for pair in left}
        assert not alone
    times = positives.graph[BUYS].times
    assert times is not None and held.time is not None
    assert np.median(held.time) > np.quantile(times, 0.8)
    assert positives.graph.num_edges(SELLS) == graph.num_edges(SELLS), "other types are whole"


def test_within_one_node_type_both_directions_leave_together() -> None:
    rng = np.random.default_rng(0)
    ends = rng.integers(0, 30, (200, 2))
    both = np.concatenate([ends, ends[:, ::-1]])
    graph = HeteroGraph.from_tables(
        {"user": {"id": np.arange(30)}}, {KNOWS: {"src": both[:, 0], "dst": both[:, 1]}}
    )
    positives = Positives.of(graph, LinkFields(valid=0.3))
    held = positives.held[KNOWS]
    assert len(held) > 20
    left = pairs_of(positives.graph, KNOWS)
    for src, dst in zip(held.src.tolist(), held.dst.tolist(), strict=True):
        assert (src, dst) not in left and (dst, src) not in left
    sources = positives.graph[KNOWS].sources()
    edges = positives.edges[KNOWS]
    assert (sources[edges] != positives.graph[KNOWS].neighbors[edges]).all(), "self loops teach"


def test_an_edge_type_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="user-buys-product"):
        Positives.of(communities(), LinkFields(edge_types=(SKIPS,)))


# -- negatives ------------------------------------------------------------------------------------


def test_an_epoch_goes_once_through_all_positives_of_all_types() -> None:
    graph = communities()
    fields = LinkFields(batch_size=100, valid=0.0)
    batches = Batches(Positives.of(graph, fields), fields, CPU)
    order = batches.order(3)
    seen: dict[EdgeType, list[int]] = {name: [] for name in graph.edge_types}
    for number in range(batches.num_steps):
        for links in batches.draw(order, 3, number):
            seen[links.edge_type] += links.edges.tolist()
            adjacency = graph[links.edge_type]
            np.testing.assert_array_equal(adjacency.neighbors[links.edges], links.dst)
            np.testing.assert_array_equal(adjacency.sources()[links.edges], links.src)
    for name, edges in seen.items():
        assert sorted(edges) == list(range(graph.num_edges(name)))
    assert batches.order(4).tolist() != order.tolist()
    again = Batches(batches.positives, fields, CPU).draw(order, 3, 0)
    assert torch.equal(again[0].own, batches.draw(order, 3, 0)[0].own)


def test_fault_082_own_negatives_are_no_positives_and_of_the_targets_type() -> None:
    graph = communities()
    fields = LinkFields(num_negatives=20, batch_size=2000, valid=0.0)
    for links in step(graph, fields):
        known = pairs_of(graph, links.edge_type)
        if links.edge_type == KNOWS:
            known |= {(dst, src) for src, dst in known}
        drawn = {
            (int(src), int(dst))
            for src, row in zip(links.src, links.own, strict=True)
            for dst in row
        }
        assert not drawn & known
        assert all(src != dst for src, dst in drawn) or links.edge_type != KNOWS
        assert int(links.own.max()) < graph.num_nodes(links.edge_type.dst)


def test_fault_083_with_one_candidate_drawing_ends() -> None:
    graph = HeteroGraph.from_tables(
        {"user": {"id": [1, 2]}, "product": {"id": [1]}},
        {BUYS: {"src": [1, 2], "dst": [1, 1]}},
    )
    (links,) = step(graph, LinkFields(num_negatives=3, valid=0.0))
    assert links.own.tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("exponent", [0.0, 0.75, -0.5])
def test_negatives_are_drawn_by_degree_to_a_power(exponent: float) -> None:
    graph = communities()
    fields = LinkFields(negative_exponent=exponent, valid=0.0)
    noise = Noise(Positives.of(graph, fields), BUYS, fields)
    drawn = noise.shared(60_000, np.random.default_rng(0))
    degrees = np.bincount(graph[BUYS].neighbors, minlength=60).astype(float)
    chances = np.where(degrees > 0, np.maximum(degrees, 1) ** exponent, 0) if exponent else 1.0
    chances = chances / np.sum(chances * np.ones(60)) * np.ones(60)
    np.testing.assert_allclose(noise.chances(np.arange(60)), chances, rtol=1e-4)
    found = np.bincount(drawn, minlength=60)
    assert stats.chisquare(found[chances > 0], 60_000 * chances[chances > 0]).pvalue > 1e-3


def test_shared_negatives_that_are_positives_are_masked() -> None:
    graph = communities()
    for kind in ("shared", "in_batch", "mixed"):
        fields = LinkFields(negatives=kind, num_negatives=40, batch_size=60, valid=0.0)  # type: ignore[arg-type]
        for links in step(graph, fields):
            known = pairs_of(graph, links.edge_type)
            if links.edge_type == KNOWS:
                known |= {(b, a) for a, b in known} | {(a, a) for a in range(80)}
            wanted = [[(int(s), int(d)) not in known for d in links.shared] for s in links.src]
            assert links.keep.tolist() == wanted
            size = {"shared": 40, "in_batch": len(links.dst), "mixed": len(links.dst) + 40}[kind]
            assert len(links.shared) == size


def test_log_q_is_how_often_a_candidate_is_drawn() -> None:
    graph = communities()
    fields = LinkFields(
        negatives="mixed", num_negatives=30, loss="softmax", edge_types=(BUYS,), valid=0.0
    )
    (links,) = step(graph, replace(fields, batch_size=50))
    degrees = np.bincount(graph[BUYS].neighbors, minlength=60)
    expected = np.log(50 * degrees / degrees.sum() + 30 / 60)
    assert links.log_q is not None and links.log_q_dst is not None
    np.testing.assert_allclose(links.log_q, expected[links.shared], rtol=1e-5)
    np.testing.assert_allclose(links.log_q_dst, expected[links.dst], rtol=1e-5)


def with_skips() -> HeteroGraph:
    """Users 0 to 9 have skipped products; the others have not."""
    return communities().extend(
        edges={
            SKIPS: {"src": [f"u{row // 3}" for row in range(30)], "dst": ["p40", "p41", "p42"] * 10}
        }
    )


def test_negatives_that_the_user_gives_come_first_and_carry_nothing_else() -> None:
    graph = with_skips()
    fields = LinkFields(negative_edges={BUYS: SKIPS}, num_negatives=2, batch_size=2000, valid=0.0)
    positives = Positives.of(graph, fields)
    assert SKIPS not in positives.graph and SKIPS not in positives.edges
    links = step(graph, fields)[0]
    given = links.src < 10
    assert given.any() and set(links.own[given].ravel().tolist()) == {40, 41, 42}
    assert len(set(links.own[~given].ravel().tolist())) > 20
    (alone,) = step(graph, replace(fields, negatives="shared", edge_types=(BUYS,)))
    assert set(alone.own[alone.src < 10].ravel().tolist()) == {40, 41, 42}
    assert (alone.own[alone.src >= 10] == -1).all()
    with pytest.raises(ConfigError, match="between the same node types"):
        LinkFields(negative_edges={BUYS: SELLS})


def test_hard_negatives_by_walks_are_near_and_ramped_by_epoch() -> None:
    graph = communities(mixing=0.0)
    fields = LinkFields(
        num_hard=2, hard="ppr", hard_window=(0, 5), edge_types=(BUYS,), batch_size=900, valid=0.0
    )
    group = np.repeat(np.arange(4), 15)
    for epoch, hard in ((0, 0), (1, 1), (2, 2), (5, 2)):
        (links,) = step(graph, fields, epoch)
        assert links.own.shape[1] == 1 + hard
        near = links.own[:, 1:]
        found = near >= 0
        same = group[near] == (links.src // 20).numpy()[:, None]
        assert not hard or (found.float().mean() > 0.8 and same[found.numpy()].all())
        known = pairs_of(graph, BUYS)
        drawn = {
            (int(s), int(d)) for s, row in zip(links.src, near, strict=True) for d in row if d >= 0
        }
        assert not drawn & known


def task_of(graph: HeteroGraph, fields: LinkFields) -> LinkTask:
    positives = Positives.of(graph, fields)
    torch.manual_seed(0)
    decoder = Decoder(fields.decoder, positives.edges, fields.dim)
    return LinkTask(LinkModel(Lookup(graph, fields.dim), decoder), positives, fields, CPU)


def test_hard_negatives_by_score_are_of_the_window_of_ranks() -> None:
    fields = LinkFields(num_hard=2, hard_window=(1, 3), hard_pool=8, valid=0.0)
    task = task_of(communities(), fields)
    scores = torch.tensor([[5.0, 4.0, 3.0, 2.0], [1.0, 2.0, 3.0, 4.0]])
    keep = torch.tensor([[True] * 4, [True, True, True, False]])
    found, there = task._hardest(scores, keep, 50)
    assert set(found[0].tolist()) == {4.0, 3.0} and set(found[1].tolist()) == {2.0, 1.0}
    assert there.all()


# -- weights and the loss of a step ---------------------------------------------------------------


def test_a_heavier_edge_is_compared_with_a_lighter_one_of_its_source() -> None:
    graph = communities()
    fields = LinkFields(weights="rank", edge_types=(BUYS,), batch_size=900, valid=0.0)
    (links,) = step(graph, fields)
    adjacency = graph[BUYS]
    assert links.lighter is not None and adjacency.weights is not None
    weight: dict[tuple[int, int], float] = {}  # the lightest of parallel edges
    ends = zip(adjacency.sources().tolist(), adjacency.neighbors.tolist(), strict=True)
    for pair, value in zip(ends, adjacency.weights.tolist(), strict=True):
        weight[pair] = min(value, weight.get(pair, np.inf))
    compared = 0
    for src, edge, other in zip(links.src, links.edges, links.lighter, strict=True):
        if other >= 0:
            compared += 1
            assert weight[int(src), int(other)] < adjacency.weights[edge]
    assert compared > 100
    mean = adjacency.weights.mean()
    np.testing.assert_allclose(links.weights, adjacency.weights[links.edges] / mean, rtol=1e-5)


def test_weights_as_ranks_order_edges_by_weight() -> None:
    """Everybody buys everything, in amounts that a model of rank 1 explains."""
    users, products = 12, 8
    src, dst = np.divmod(np.arange(users * products), products)
    amounts = (1.0 + dst).astype(np.float32)
    graph = HeteroGraph.from_tables(
        {"user": {"id": np.arange(users)}, "product": {"id": np.arange(products)}},
        {BUYS: {"src": src, "dst": dst, "weight": amounts}},
    )
    fields = LinkFields(dim=4, weights="rank", batch_size=48, valid=0.0, learning_rate=0.05)
    task = task_of(graph, fields)
    optimizer = torch.optim.Adam(task.module.parameters(), 0.1)
    with on_threads(1):
        for epoch in range(15):
            for loss in task.steps(epoch):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    tables: Any = task.module.encoder.tables
    scores = (tables["user"].weight @ tables["product"].weight.T).detach().numpy()
    order = [stats.spearmanr(row, np.arange(products)).statistic for row in scores]
    assert np.mean(order) > 0.9


def test_the_loss_of_a_step_is_its_terms_summed() -> None:
    """Own negatives, bpr, edge types weighed 1 and 3, l2, by hand."""
    graph = communities()
    fields = LinkFields(
        dim=3, loss="bpr", edge_types={BUYS: 1.0, SELLS: 3.0}, num_negatives=2, l2=0.1, valid=0.0
    )
    task = task_of(graph, fields)
    links = task.batches.draw(task.batches.order(0), 0, 0)
    found = float(next(task.steps(0)).detach())
    tables: Any = task.module.encoder.tables
    vectors = {name: table.weight.detach().double().numpy() for name, table in tables.items()}
    total, count = 0.0, 0
    used: dict[str, set[int]] = {}
    for part in links:
        left, right = vectors[part.edge_type.src], vectors[part.edge_type.dst]
        used.setdefault(part.edge_type.src, set()).update(part.src.tolist())
        targets = used.setdefault(part.edge_type.dst, set())
        targets.update(part.dst.tolist(), part.own.ravel().tolist())
        for src, dst, own in zip(part.src, part.dst, part.own, strict=True):
            gaps = [left[src] @ right[dst] - left[src] @ right[other] for other in own]
            terms = np.mean([np.log1p(np.exp(-gap)) for gap in gaps])
            total += float(terms) * (3.0 if part.edge_type == SELLS else 1.0)
            count += 1
    squares = sum(float((vectors[name][sorted(rows)] ** 2).sum()) for name, rows in used.items())
    assert found == pytest.approx((total + 0.1 * squares) / count, rel=1e-4)


@pytest.mark.parametrize("width", [50, 5_000])
def test_the_loss_is_the_same_in_a_small_table_and_in_a_large_one(width: int) -> None:
    graph = HeteroGraph.from_tables(
        {"user": {"id": np.arange(20)}, "product": {"id": np.arange(width)}},
        {BUYS: {"src": np.arange(20), "dst": width - 1 - np.arange(20)}},
    )
    fields = LinkFields(dim=4, valid=0.0, num_negatives=3)
    task = task_of(graph, fields)
    (links,) = task.batches.draw(task.batches.order(0), 0, 0)
    tables = task.module.encoder.state_dict()
    users, products = (tables[f"tables.{name}.weight"] for name in graph.node_types)
    src = users[links.src]
    positive = (src * products[links.dst]).sum(1)
    negative = torch.einsum("bd,bkd->bk", src, products[links.own])
    expected = losses.bce(positive, negative, None).mean()
    (loss,) = task.steps(0)
    torch.testing.assert_close(loss, expected)


def test_validation_is_the_reciprocal_rank_among_a_hundred() -> None:
    graph = communities()
    task = task_of(graph, LinkFields(dim=4, valid=0.1, edge_types=(BUYS,)))
    tables: Any = task.module.encoder.tables
    user, product = (tables[name].weight.detach() for name in ("user", "product"))
    (question,) = task._questions
    ranks = []
    for src, dst, others in zip(question.src, question.dst, question.candidates, strict=True):
        scores = product @ user[src]
        ranks.append(1 + int((scores[others] > scores[dst]).sum()))
    assert question.candidates.shape == (len(question.src), 100)
    assert task.validate() == pytest.approx(np.mean(1 / np.array(ranks)), rel=1e-5)


def test_a_graph_with_oddities_gives_steps() -> None:
    for links in step(awkward(), LinkFields(valid=0.0)):
        assert links.edge_type in (BUYS, KNOWS)
        assert len(links.src) == {BUYS: 9, KNOWS: 2}[links.edge_type], "the self loop is left out"
