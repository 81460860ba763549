"""What a node costs as graphs grow: DeepWalk on memory-mapped graphs up to 10 M nodes, 100 M edges.

    python -m benchmarks scale --out benchmarks/SCALE.md          # G1, G2 and the large one
    python -m benchmarks scale --nodes 1000000 --edges 10000000   # G1 and this one

Graphs are generated straight to disk (`chunglu.py`, of the same family as G1 and G2) and kept
below `.cache/benchmarks/scale`. Each is walked and trained on, one walk a node, in a process of
its own that is ended when it passes the limit. Beside stands how many random reads a second the
machine gives over as many bytes: where a graph has outgrown the caches, that is what is left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.scale.chunglu import ScaleSize, generate
from graphemb.pipeline.memory import read_size, readable, resident

_ROOT = Path(__file__).parents[2]
_CACHE = _ROOT / ".cache" / "benchmarks" / "scale"
_WARM = ScaleSize(1_000, 5_000)
_STANDARD = (ScaleSize(100_000, 980_000), ScaleSize(1_000_000, 9_800_000))
_LARGE = ScaleSize(10_000_000, 100_000_000)
_LOOK_SECONDS = 0.2
_LIBRARIES = ("graphemb", "numpy", "numba")

Row = dict[str, float]


def main(argv: list[str]) -> int:
    """Measure every size; the page is written after each."""
    from benchmarks.speed.results import machine_name

    options = _options(argv)
    sizes = [_STANDARD[0], ScaleSize(options.nodes, options.edges)]
    if not options.nodes:
        sizes = [*_STANDARD, _LARGE]
    result: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks scale", *argv]),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": machine_name(),
        "versions": {name: version(name) for name in _LIBRARIES},
        "settings": {name: getattr(options, name) for name in ("dim", "walk_length", "threads")},
        "limit_bytes": options.limit,
        "rows": [],
    }
    _graph(_WARM, options.cache, name="warm")
    for size in sizes:
        result["rows"].append(_measured(size, options))
        text = markdown(result)
        if options.out:
            options.out.write_text(text, encoding="utf-8")
            options.out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(text)
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--nodes", type=int, default=0, help="measure G1 and this size instead")
    parser.add_argument("--edges", type=int, default=0, help="default: 10 a node")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--walk-length", type=int, default=80)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit", type=read_size, default="20GiB", help="of resident memory")
    parser.add_argument("--out", type=Path, help="Markdown; its JSON is written beside it")
    parser.add_argument("--cache", type=Path, default=_CACHE)
    options = parser.parse_args(argv)
    options.edges = options.edges or 10 * options.nodes
    return options


def _measured(size: ScaleSize, options: argparse.Namespace) -> Row:
    folder, generated = _graph(size, options.cache)
    settings = (options.dim, options.walk_length, options.threads)
    row = _child(options.limit, "fit", folder, *settings)
    row["generate_seconds"] = generated
    for name in ("graph", "matrix"):
        found = _child(options.limit, "reads", int(row[f"{name}_bytes"]), options.threads)
        row[f"{name}_reads_per_second"] = found["reads_per_second"]
    return row


def _graph(size: ScaleSize, cache: Path, name: str | None = None) -> tuple[Path, float]:
    """The folder of a graph, made once, and the seconds that took."""
    folder = cache / (name or f"{size.num_nodes}-{size.num_edges}-{size.seed}")
    took = folder.with_suffix(".seconds")
    if not took.exists():
        shutil.rmtree(folder, ignore_errors=True)
        cache.mkdir(parents=True, exist_ok=True)
        begin = time.perf_counter()
        generate(size, folder)
        took.write_text(f"{time.perf_counter() - begin:.1f}")
    return folder, float(took.read_text())


def _child(limit: int, *arguments: object) -> Row:
    """What a measured process found.

    Raises:
        MemoryError: it passed the limit and was ended.
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", "benchmarks.scale.one", *map(str, arguments)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            if resident(child.pid) > limit:
                child.kill()
                raise MemoryError(f"{arguments[0]} took more than {readable(limit)}")
            time.sleep(_LOOK_SECONDS)
        assert child.stdout is not None
        told = child.stdout.read()
    if child.returncode:
        raise RuntimeError(f"{command[2:]} ended with {child.returncode}")
    found: Row = json.loads(told)
    return found


def markdown(result: dict[str, Any]) -> str:
    """The figures as a page: one column per size, costs against the first."""
    rows: list[Row] = result["rows"]
    figures = [(name, [cell(row, rows[0]) for row in rows]) for name, cell in _FIGURES]
    head = ["", *(f"{row['nodes']:,.0f} nodes" for row in rows)]
    table = [head, ["---", *("---:" for _ in rows)], *([name, *cells] for name, cells in figures)]
    settings, versions = (
        ", ".join(f"{name} {value}" for name, value in result[key].items())
        for key in ("settings", "versions")
    )
    what = f"DeepWalk, one walk a node ({settings}), on memory-mapped graphs; at most "
    how = f"`{result['command']}`, {result['date']}, {result['machine']}; {versions}."
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join(
        [
            "# Scale",
            "",
            f"{what}{readable(result['limit_bytes'])} resident.",
            "",
            *lines,
            "",
            how,
            "",
        ]
    )


def _seconds(row: Row) -> float:
    return row["fit_seconds"] / row["nodes"]


def _against(row: Row, first: Row) -> float:
    return _seconds(row) / _seconds(first)


def _slower(row: Row, first: Row) -> float:
    return first["matrix_reads_per_second"] / row["matrix_reads_per_second"]


_FIGURES: list[tuple[str, Callable[[Row, Row], str]]] = [
    ("undirected edges", lambda row, _: f"{row['edges']:,.0f}"),
    ("graph on disk", lambda row, _: readable(row["graph_bytes"])),
    ("two matrices", lambda row, _: readable(row["matrix_bytes"])),
    ("generated in", lambda row, _: f"{row['generate_seconds']:.0f} s"),
    ("mapped in", lambda row, _: f"{row['load_seconds']:.2f} s"),
    ("walk steps/s", lambda row, _: f"{row['steps_per_second'] / 1e6:.1f} M"),
    (
        "random reads/s over the graph",
        lambda row, _: f"{row['graph_reads_per_second'] / 1e6:.1f} M",
    ),
    (
        "share of the limit, 2 reads a step",
        lambda row, _: f"{2 * row['steps_per_second'] / row['graph_reads_per_second']:.0%}",
    ),
    ("fit", lambda row, _: f"{row['fit_seconds']:.1f} s"),
    ("tokens/s", lambda row, _: f"{row['tokens_per_second'] / 1e6:.2f} M"),
    (
        "random reads/s over the matrices",
        lambda row, _: f"{row['matrix_reads_per_second'] / 1e6:.1f} M",
    ),
    ("fit, µs a node", lambda row, _: f"{1e6 * _seconds(row):.1f}"),
    ("against the first", lambda row, first: f"{_against(row, first):.2f}x"),
    ("random reads slower by", lambda row, first: f"{_slower(row, first):.2f}x"),
    (
        "beyond what reads explain (at most 1.50x)",
        lambda row, first: f"{_against(row, first) / _slower(row, first):.2f}x",
    ),
    ("peak memory", lambda row, _: readable(row["peak_bytes"])),
    (
        "above the interpreter, bytes a node",
        lambda row, _: f"{(row['peak_bytes'] - row['own_bytes']) / row['nodes']:.0f}",
    ),
    ("estimated peak", lambda row, _: readable(row["estimate_bytes"])),
    ("estimate / peak", lambda row, _: f"{row['estimate_bytes'] / row['peak_bytes']:.2f}"),
]
