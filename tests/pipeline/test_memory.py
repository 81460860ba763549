"""Memory: estimates of a plan against measured peaks, sizes as text, the limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphemb.errors import ConfigError, MemoryLimit
from graphemb.pipeline import RunConfig, memory, run
from graphemb.pipeline.memory import read_size, readable

BAND = 0.25
RUN = """
[graph]
uri = "ladybug::memory:"
[graph.nodes]
user = "LOAD FROM 'users.parquet' RETURN id"
item = "LOAD FROM 'items.parquet' RETURN id"
shop = "LOAD FROM 'items.parquet' RETURN DISTINCT shop AS id"
[graph.edges]
user-buys-item = "LOAD FROM 'buys.parquet' RETURN user AS src, item AS dst, qty AS weight"
shop-has-item = "LOAD FROM 'items.parquet' RETURN shop AS src, id AS dst"
[split]
edge_type = "user-buys-item"
max_queries = 200
[fit.svd]
trainer = "SVD"
dim = 192
power_iterations = 0
edge_types = ["user-buys-item"]
[fit.walks]
trainer = "DeepWalk"
dim = 192
walk_length = 3
walks_per_node = 1
edge_types = ["user-buys-item"]
[fit.projection]
trainer = "FastRP"
dim = 192
[fit.random]
trainer = "RandomVectors"
dim = 192
[[derive]]
along = "shop-has-item"
[evaluate]
negatives = []
baselines = ["popularity", "random"]
[publish]
store = "embeddings"
name = "big"
fit = "svd"
"""


def write_big(folder: Path, users: int, items: int, edges: int) -> Path:
    rng = np.random.default_rng(0)
    user = np.char.add("u", np.arange(users).astype(str))
    item = np.char.add("i", np.arange(items).astype(str))
    shop = np.char.add("s", (np.arange(items) % (items // 20)).astype(str))
    buys = {
        "user": user[rng.integers(0, users, edges)],
        "item": item[(rng.random(edges) ** 2 * items).astype(int)],
        "qty": rng.random(edges) + 0.5,
    }
    pq.write_table(pa.table({"id": user}), folder / "users.parquet")
    pq.write_table(pa.table({"id": item, "shop": shop}), folder / "items.parquet")
    pq.write_table(pa.table(buys), folder / "buys.parquet")
    path = folder / "big.toml"
    path.write_text(RUN)
    return path


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks by step need Linux")
def test_fault_089_the_plan_is_within_a_quarter_of_the_measured_peaks(tmp_path: Path) -> None:
    path = write_big(tmp_path, users=40_000, items=20_000, edges=200_000)
    told = subprocess.run(
        [sys.executable, "-m", "graphemb", "run", str(path), "--json", "--memory-limit", "20GB"],
        capture_output=True,
        text=True,
        check=True,
    )
    facts = json.loads(told.stdout)
    peaks = {took["name"]: took["peak"] for took in facts["took"]}
    planned = {step["step"]: step["bytes"] for step in facts["plan"]}
    assert set(planned) == set(peaks) - {"count", "split", "audit"}
    ratios = {name: planned[name] / peaks[name] for name in planned}
    assert all(1 - BAND <= ratio <= 1 + BAND for ratio in ratios.values()), ratios
    (svd,) = [step for step in facts["plan"] if step["step"] == "fit svd"]
    without = svd["bytes"] - sum(svd["parts"].values())
    assert without / peaks["fit svd"] < 1 - BAND, "too small a graph to tell anything"


LEARNED = (
    RUN[: RUN.index("[split]")]
    + """
[fit.light]
trainer = "LightGCN"
dim = 128
epochs = 1
edge_types = ["user-buys-item"]
[fit.towers]
trainer = "TwoTower"
dim = 128
epochs = 1
edge_types = ["user-buys-item"]
[fit.sage]
trainer = "GraphSAGE"
dim = 128
epochs = 1
edge_types = ["user-buys-item"]
"""
)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks by step need Linux")
def test_fault_089_what_torch_learns_is_estimated_with_its_optimizer(tmp_path: Path) -> None:
    path = write_big(tmp_path, users=20_000, items=10_000, edges=20_000)
    path.write_text(LEARNED)
    told = subprocess.run(
        [sys.executable, "-m", "graphemb", "run", str(path), "--json", "--memory-limit", "20GB"],
        capture_output=True,
        text=True,
        check=True,
    )
    facts = json.loads(told.stdout)
    peaks = {took["name"]: took["peak"] for took in facts["took"]}
    fits = [step for step in facts["plan"] if step["step"].startswith("fit")]
    ratios = {step["step"]: step["bytes"] / peaks[step["step"]] for step in fits}
    assert len(ratios) == 3
    assert all(1 - BAND <= ratio <= 1 + BAND for ratio in ratios.values()), ratios


LINKS = """
[graph]
uri = "ladybug::memory:"
[graph.nodes]
node = "LOAD FROM 'nodes.parquet' RETURN id"
[graph.edges]
node-links-node = "LOAD FROM 'edges.parquet' RETURN src, dst"
[fit.walks]
trainer = "DeepWalk"
dim = 96
walk_length = 3
walks_per_node = 1
"""


def write_links(folder: Path, nodes: int, edges: int) -> RunConfig:
    ends = np.random.default_rng(0).integers(0, nodes, (2, edges))
    pq.write_table(pa.table({"id": np.arange(nodes)}), folder / "nodes.parquet")
    pq.write_table(pa.table({"src": ends[0], "dst": ends[1]}), folder / "edges.parquet")
    path = folder / "links.toml"
    path.write_text(LINKS)
    return RunConfig.read(path)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks by step need Linux")
@pytest.mark.parametrize("edges", [100_000, 500_000, 1_500_000])
def test_fault_089_load_and_fit_are_estimated_at_three_sizes(tmp_path: Path, edges: int) -> None:
    write_links(tmp_path, edges // 10, edges)
    command = ["run", str(tmp_path / "links.toml"), "--json", "--memory-limit", "20GB"]
    told = subprocess.run(
        [sys.executable, "-m", "graphemb", *command], capture_output=True, text=True, check=True
    )
    facts = json.loads(told.stdout)
    peaks = {took["name"]: took["peak"] for took in facts["took"]}
    ratios = {step["step"]: step["bytes"] / peaks[step["step"]] for step in facts["plan"]}
    assert set(ratios) == {"load", "fit walks"}
    assert all(1 - BAND <= ratio <= 1 + BAND for ratio in ratios.values()), ratios


def test_fault_089_a_load_over_the_limit_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_links(tmp_path, 10_000, 200_000)
    limit = memory.resident() + 50_000_000
    monkeypatch.setattr(RunConfig, "load", None)
    with pytest.raises(MemoryLimit, match="'load' needs about") as caught:
        run(config, memory_limit=limit)
    assert "tables 4.3 MB, edges 68 MB; fewer rows" in str(caught.value)
    assert not (tmp_path / ".graphemb").exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("512 MB", 512 * 10**6), ("2GiB", 2**31), ("1.5k", 1500), ("7", 7)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "4 gigs", "1e9", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="number and a unit"):
        read_size(text)


def test_sizes_are_written_short() -> None:
    assert [readable(size) for size in (999, 1_000, 12_345_678, 4_200_000_000, 3 * 10**12)] == [
        "999 B",
        "1.0 kB",
        "12 MB",
        "4.2 GB",
        "3.0 TB",
    ]


PEAK = """
import numpy as np
from graphemb.pipeline import memory

assert memory.reset_peak()
before = memory.peak()
held = np.ones(50_000_000, np.uint8)
del held
after = memory.peak()
assert memory.reset_peak()
print(after - before, memory.peak() - before, memory.available())
"""


def test_the_peak_counts_what_was_freed_since_the_reset() -> None:
    if not memory.reset_peak():
        pytest.skip("this system does not reset the peak")
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    grown, left, room = (int(number) for number in done.stdout.split())
    assert grown > 40_000_000
    assert left < 40_000_000
    assert room > 0
