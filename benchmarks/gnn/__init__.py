"""Graph neural networks on public sets, with simple models beside them.

    python -m benchmarks gnn --out benchmarks                       # everything, over half an hour
    python -m benchmarks gnn --set cora --method GraphSAGE --seed 0
    python -m benchmarks gnn --page --out benchmarks                # the page anew from its JSON

Every run (a set, a method, a seed) is a process of its own. With `--out` results are written into
`GNN.json` and `GNN.md`, which may hold others already.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import graphemb as ge
from benchmarks.gnn.labels import LABEL_METHODS
from benchmarks.gnn.methods import LINK_METHODS
from benchmarks.gnn.newcomers import NEWCOMER_METHODS, NEWCOMER_SETS
from benchmarks.gnn.one import LABEL_SETS, LINK_SETS
from benchmarks.gnn.table import markdown
from graphemb.errors import GraphEmbError, UnknownName

_ROOT = Path(__file__).parents[2]
SETS = (*LINK_SETS, *NEWCOMER_SETS, *LABEL_SETS)
SEEDS = (0, 1, 2)


def main(argv: list[str]) -> int:
    """Run what is asked for, print the page, and write it when told where.

    Raises:
        UnknownName: no such method on any set chosen.
        GraphEmbError: a run failed; says how.
    """
    options = _options(argv)
    file = options.out / "GNN.json" if options.out else None
    rows: list[dict[str, Any]] = []
    if file and file.exists():
        rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    if not options.page:
        for run in _runs(options.set or SETS, options.method, options.seed):
            print(*run, "...", file=sys.stderr, flush=True)
            rows = _with(rows, _measured(*run))
            _write(options.out, rows)
    _write(options.out, rows)
    print(markdown(_content(rows)))
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gnn",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--set", action="append", choices=SETS)
    parser.add_argument("--method", action="append", help="default: all; may repeat")
    parser.add_argument("--seed", action="append", type=int, help="default: 0, 1 and 2")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, help="folder of GNN.json and GNN.md")
    return parser.parse_args(argv)


def methods(name: str) -> list[str]:
    """What is tried on a set."""
    if name in NEWCOMER_SETS:
        return list(NEWCOMER_METHODS)
    return list(LINK_METHODS.get(name, LABEL_METHODS))


def _runs(
    names: Sequence[str], wanted: Sequence[str] | None, seeds: Sequence[int] | None
) -> list[tuple[str, str, int]]:
    known = {method for name in names for method in methods(name)}
    for method in wanted or ():
        if method not in known:
            raise UnknownName("method", method, known)
    return [
        (name, method, seed)
        for name in names
        for method in methods(name)
        if wanted is None or method in wanted
        for seed in seeds or SEEDS
    ]


def _measured(name: str, method: str, seed: int) -> dict[str, Any]:
    """A run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.gnn.one", name, method, str(seed)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise GraphEmbError(f"{method} on {name} failed: {last[0]}", source=name)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _with(rows: list[dict[str, Any]], row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows with one more, in the order of sets, methods and seeds."""
    order = {run: place for place, run in enumerate(_runs(SETS, None, None))}
    found = {(one["set"], one["method"], one["seed"]): one for one in [*rows, row]}
    return [found[key] for key in sorted(found, key=lambda key: (order.get(key, 10**6), key))]


def _content(rows: list[dict[str, Any]]) -> dict[str, Any]:
    made = {
        "command": "python -m benchmarks gnn",
        "version": ge.__version__,
        "machine": f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, "
        f"Python {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
    }
    return {"made": made, "rows": rows}


def _write(folder: Path | None, rows: list[dict[str, Any]]) -> None:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        content = _content(rows)
        (folder / "GNN.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (folder / "GNN.md").write_text(markdown(content), encoding="utf-8")
