"""The sampler under PyTorch Geometric's own loaders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.loader import LinkLoader, NodeLoader
from torch_geometric.sampler import NegativeSampling

from graphemb.errors import ConfigError
from graphemb.sampling import NeighborSampler
from graphemb.sampling.pyg import GraphSampler, loader_data
from graphemb.testing.toys import BUYS, KNOWS, SELLS, communities

GRAPH = communities()
LATE = 2**62


def pairs_of(batch, kind):  # type: ignore[no-untyped-def]
    """(src row, dst row) of a batch's edges."""
    ends = batch[tuple(kind)].edge_index
    return torch.stack([batch[kind.src].n_id[ends[0]], batch[kind.dst].n_id[ends[1]]])


def test_node_batches_hold_seeds_first_and_edges_of_the_graph_with_their_columns() -> None:
    data = loader_data(GRAPH)
    loader = NodeLoader(
        data, GraphSampler(NeighborSampler(GRAPH, [4, 3])), ("user", None), batch_size=32
    )
    seen = []
    for batch in loader:
        size = batch["user"].batch_size
        seen += batch["user"].n_id[:size].tolist()
        assert (batch["user"].input_id == batch["user"].n_id[:size]).all()
        assert (batch["user"].community == data["user"].community[batch["user"].n_id]).all()
        for kind in (BUYS, BUYS.reverse, SELLS, KNOWS.reverse):
            store, whole = batch[tuple(kind)], data[tuple(kind)]
            assert (pairs_of(batch, kind) == whole.edge_index[:, store.e_id]).all()
            if kind.stored == BUYS:
                assert (store.edge_weight == whole.edge_weight[store.e_id]).all()
                assert (store.time == whole.time[store.e_id]).all()
            assert sum(store.num_sampled_edges) == store.edge_index.shape[1]
    assert seen == list(range(80))


def test_the_same_torch_seed_gives_the_same_batches() -> None:
    def epoch(seed: int) -> list[list[int]]:
        torch.manual_seed(seed)
        sampler = GraphSampler(NeighborSampler(GRAPH, [2]))
        loader = NodeLoader(
            loader_data(GRAPH), sampler, ("product", None), batch_size=20, shuffle=True
        )
        return [batch[tuple(BUYS)].e_id.tolist() for batch in loader]

    assert epoch(1) == epoch(1) != epoch(2)


@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize("kind", [BUYS, KNOWS])
@pytest.mark.parametrize("mode", ["given", "binary", "triplet"])
def test_seed_links_carry_no_messages(kind, mode: str, disjoint: bool) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    data = loader_data(GRAPH)
    sampler = GraphSampler(NeighborSampler(GRAPH, [-1, -1], disjoint=disjoint))
    labels = torch.ones(data[tuple(kind)].edge_index.shape[1])
    loader = LinkLoader(
        data,
        sampler,
        (tuple(kind), data[tuple(kind)].edge_index),
        edge_label=labels if mode == "given" else None,
        neg_sampling=None if mode == "given" else NegativeSampling(mode, 2),
        batch_size=16,
        shuffle=True,
    )
    for number, batch in zip(range(4), loader, strict=False):
        assert number < 4
        if mode == "triplet":
            local = torch.stack([batch[kind.src].src_index, batch[kind.dst].dst_pos_index])
            assert batch[kind.dst].dst_neg_index.shape == (16, 2)
        else:
            local = batch[tuple(kind)].edge_label_index[:, :16]
            assert batch[tuple(kind)].edge_label.sum() == 16
        seeds = torch.stack([batch[kind.src].n_id[local[0]], batch[kind.dst].n_id[local[1]]])
        wanted = data[tuple(kind)].edge_index[:, batch[tuple(kind)].input_id]
        assert (seeds == wanted).all()
        for way in (kind, kind.reverse):
            edges = pairs_of(batch, way)
            ends = batch[tuple(way)].edge_index
            trees = batch[way.dst].batch[ends[1]] if disjoint else torch.zeros_like(ends[1])
            assert edges.shape[1] > 0
            for place, pair in enumerate(wanted.T):
                pair = pair.flip(0) if way.is_reverse else pair
                mine = trees == (place if disjoint else 0)
                both = [pair, pair.flip(0)] if kind == KNOWS else [pair]
                for one in both:
                    assert not ((edges == one[:, None]).all(dim=0) & mine).any()


def test_every_other_edge_is_there() -> None:
    """Leaving out seed links leaves out nothing else."""
    data = loader_data(GRAPH)
    sampler = GraphSampler(NeighborSampler(GRAPH, {BUYS: [-1]}))
    index = data[tuple(BUYS)].edge_index[:, :50]
    (batch,) = LinkLoader(data, sampler, (tuple(BUYS), index), batch_size=50)
    joined = {tuple(pair) for pair in index.T.tolist()}
    products = set(index[1].tolist())
    wanted = [
        tuple(pair)
        for pair in data[tuple(BUYS)].edge_index.T.tolist()
        if pair[1] in products and tuple(pair) not in joined
    ]
    assert sorted(map(tuple, pairs_of(batch, BUYS).T.tolist())) == sorted(wanted)


def test_fault_081_links_see_only_what_was_before_them() -> None:
    data = loader_data(GRAPH)
    times = data[tuple(BUYS)].time
    loader = LinkLoader(
        data,
        GraphSampler(NeighborSampler(GRAPH, [-1, 2], temporal="last")),
        (tuple(BUYS), data[tuple(BUYS)].edge_index),
        edge_label_time=times,
        neg_sampling=NegativeSampling("binary", 1),
        batch_size=32,
    )
    edges = 0
    for batch in loader:
        cut = times[batch[tuple(BUYS)].input_id]
        for kind in (BUYS, BUYS.reverse):
            trees = batch[kind.dst].batch[batch[tuple(kind)].edge_index[1]]
            assert (batch[tuple(kind)].time < cut[trees]).all()
            edges += trees.numel()
    assert edges > 0


def test_nodes_see_only_what_was_before_their_time() -> None:
    data = loader_data(GRAPH)
    sampler = GraphSampler(NeighborSampler(GRAPH, {BUYS.reverse: [-1]}, temporal="uniform"))
    cut = data[tuple(BUYS)].time.sort().values[200]
    loader = NodeLoader(
        data, sampler, ("user", None), input_time=torch.full((80,), int(cut)), batch_size=80
    )
    (batch,) = loader
    assert batch[tuple(BUYS.reverse)].time.sort().values.tolist() == (
        data[tuple(BUYS)].time.sort().values[:200].tolist()
    )
    assert (batch["user"].batch[:80] == torch.arange(80)).all()


def test_what_cannot_be_is_refused() -> None:
    data = loader_data(GRAPH)
    shared = GraphSampler(NeighborSampler(GRAPH, [2]))
    twice = torch.tensor([1, 1])
    with pytest.raises(ConfigError, match="twice"):
        next(iter(NodeLoader(data, shared, ("user", twice), batch_size=2)))
    apart = GraphSampler(NeighborSampler(GRAPH, [2], disjoint=True))
    batch = next(iter(NodeLoader(data, apart, ("user", twice), batch_size=2)))
    assert batch["user"].n_id[:2].tolist() == [1, 1]
    index = data[tuple(BUYS)].edge_index[:, :4]
    half = NegativeSampling("binary", 0.5)
    with pytest.raises(ConfigError, match="whole number"):
        next(iter(LinkLoader(data, apart, (tuple(BUYS), index), neg_sampling=half, batch_size=4)))
    times = torch.full((4,), LATE)
    with pytest.raises(ConfigError, match="not temporal"):
        next(
            iter(LinkLoader(data, apart, (tuple(BUYS), index), edge_label_time=times, batch_size=4))
        )
    pyg = data.to_homogeneous(node_attrs=[], edge_attrs=[])
    with pytest.raises(ConfigError, match="HeteroData"):
        next(iter(NodeLoader(pyg, shared, None, batch_size=2)))


def test_workers_give_whole_epochs() -> None:
    data = loader_data(GRAPH)
    sampler = GraphSampler(NeighborSampler(GRAPH, [3]))
    loader = NodeLoader(data, sampler, ("user", None), batch_size=20, num_workers=2)
    rows = [batch["user"].n_id[: batch["user"].batch_size] for batch in loader]
    assert np.concatenate(rows).tolist() == list(range(80))
