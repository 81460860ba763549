"""`python -m benchmarks scale`: the graph it draws, straight to disk, and one measured size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import scale
from benchmarks.scale import chunglu, one
from benchmarks.scale.chunglu import LINKS, ScaleSize, draw_edges, draw_ranks
from graphemb import HeteroGraph

SMALL = ScaleSize(2_000, 12_000, seed=3)


def test_what_is_on_the_disk_are_the_drawn_edges_both_ways_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunglu, "_DRAWS", 5_000)
    monkeypatch.setattr(chunglu, "_KEYS_PER_FILE", 4_000)
    chunglu.generate(SMALL, tmp_path / "graph")
    stored = HeteroGraph.load(tmp_path / "graph")[LINKS]
    ids = np.random.default_rng([3, 0]).permutation(2_000)
    blocks = [draw_edges(SMALL, block) for block in range(-(-SMALL.num_draws // 5_000))]
    drawn = {(int(ids[a]), int(ids[b])) for block in blocks for a, b in zip(*block, strict=True)}
    wanted = sorted({(a, b) for a, b in drawn | {(b, a) for a, b in drawn} if a != b})
    assert list(zip(stored.sources().tolist(), stored.neighbors.tolist(), strict=True)) == wanted
    assert list(tmp_path.iterdir()) == [tmp_path / "graph"]


def test_ranks_follow_the_power_law_and_edges_stay_in_their_community() -> None:
    size = ScaleSize(20_000, 200_000)
    counts = np.bincount(draw_ranks(size, 400_000, np.random.default_rng(0)), minlength=20_000)
    chances = (np.arange(20_000) + 0.5 + size.shift) ** (-2 / 3)
    groups = np.array_split(np.arange(20_000), 20)
    expected = np.array([chances[group].sum() for group in groups]) / chances.sum() * 400_000
    found = np.array([counts[group].sum() for group in groups])
    assert np.all(np.abs(found - expected) < 5 * np.sqrt(expected))
    src, dst = draw_edges(size, 0)
    inside = np.mean(src % size.num_communities == dst % size.num_communities)
    assert inside == pytest.approx(0.7 + 0.3 / size.num_communities, abs=0.01)
    hub = 2 * size.num_draws * (src == 0).mean()
    assert hub == pytest.approx(size.max_degree, rel=0.3)


def test_a_size_is_measured_and_shown(tmp_path: Path) -> None:
    folder, seconds = scale._graph(SMALL, tmp_path)
    scale._graph(SMALL, tmp_path, name="warm")
    assert scale._graph(SMALL, tmp_path)[0] == folder
    row = one.fit(folder, 16, 10, 1) | {"generate_seconds": seconds}
    row |= {"graph_reads_per_second": 1e8, "matrix_reads_per_second": 5e7}
    result = {"command": "x", "date": "today", "machine": "m", "limit_bytes": 1, "rows": [row, row]}
    page = scale.markdown({**result, "versions": {"numpy": "2"}, "settings": {"dim": 16}})
    assert "| 2,000 nodes | 2,000 nodes |" in page and "| 1.00x | 1.00x |" in page
    assert 1_990 <= row["vectors"] <= 2_000 and row["tokens_per_second"] > 0


def test_a_process_over_the_limit_is_ended() -> None:
    with pytest.raises(MemoryError, match=r"took more than 1\.0 MB"):
        scale._child(10**6, "reads", 10**8, 1)
