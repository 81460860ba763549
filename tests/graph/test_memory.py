"""What building a graph costs, measured in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import numpy as np, pyarrow as pa, sys
from graphemb.graph import HeteroGraph
from graphemb.types import EdgeType

def status(key):
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])

LINKS = EdgeType("node", "links", "node")
rng = np.random.default_rng(0)
size, edges = 1_000_000, 10_000_000
src, dst = rng.integers(0, size, edges), rng.integers(0, size, edges)
ids = pa.array(np.arange(size))
if sys.argv[1] == "str":
    ids = pa.array([f"u{n}" for n in range(size)])
table = pa.table({"src": ids.take(pa.array(src)), "dst": ids.take(pa.array(dst))})
del src, dst
HeteroGraph.from_tables({"node": {"id": [1]}}, {LINKS: {"src": [1], "dst": [1]}})
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
graph = HeteroGraph.from_tables({"node": {"id": ids}}, {LINKS: table})
print((status("VmHWM") - before) / graph.nbytes)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("kind", ["int", "str"])
def test_building_peaks_at_no_more_than_four_times_the_final_arrays(kind):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, kind], capture_output=True, text=True, check=True
    )
    assert 0 < float(done.stdout) <= 4.0
