"""Everything that should be fast, ours beside the peers and the machine's limits.

    python -m benchmarks speed                                    # ours alone, on G1
    python -m benchmarks speed --peer gensim --peer fastnode2vec --out benchmarks/RESULTS.md
    python -m benchmarks speed --graph G0 --only walks --rounds 1

Ours and each peer take turns; each measurement is a process of its own. Peers are installed into
`.cache/benchmarks/peers/`, from `benchmarks/peers/NAME.txt`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.graphs import SIZES
from benchmarks.speed.inputs import Settings, make_inputs
from benchmarks.speed.processes import OURS, ROOT, Runner, measured, ours, peer, peers
from benchmarks.speed.rows import ROWS, Row
from benchmarks.speed.table import machine_name, markdown, summed_up, with_ratios

_CACHE = ROOT / ".cache" / "benchmarks"
_LIBRARIES = ("graphemb", "numpy", "numba", "scipy", "pyarrow", "faiss-cpu")


def main(argv: list[str]) -> int:
    """Measure, print the table, and write it with its JSON beside when asked."""
    options = _options(argv)
    settings = Settings(
        graph=options.graph,
        seed=options.seed,
        threads=options.threads,
        rounds=options.walks_per_node,
    )
    folder = make_inputs(options.cache, settings)
    command = " ".join(["python -m benchmarks speed", *argv])
    print(markdown(_measure(options, folder, command)))
    return 0


def _write(path: Path | None, result: Mapping[str, Any]) -> None:
    if path:
        path.write_text(markdown(result), encoding="utf-8")
        path.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks speed", description=__doc__)
    parser.add_argument("--graph", choices=list(SIZES), default="G1")
    parser.add_argument("--peer", action="append", default=[], help=", ".join(peers()))
    parser.add_argument("--only", action="append", default=[], help="rows that begin so")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--walks-per-node", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Markdown; its JSON is written beside it")
    parser.add_argument("--cache", type=Path, default=_CACHE)
    parser.add_argument("--no-limits", action="store_true", help="leave the roofline out")
    return parser.parse_args(argv)


def _measure(options: argparse.Namespace, folder: Path, command: str) -> dict[str, Any]:
    """Row by row; the page is written after each, so that an interrupted run keeps its figures."""
    plan = json.loads((folder / "plan.json").read_text())
    missing: dict[str, str] = {}
    runners = _runners(options, missing)
    pinned = {
        f"peer {runner.name}:": ", ".join(runner.requirements.split()) for runner in runners[1:]
    }
    load = os.getloadavg()[0]
    limits = {} if options.no_limits else _limits(options.threads)
    result: dict[str, Any] = {
        "machine": machine_name(),
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "load_average": load,
        "rounds": options.rounds,
        "plan": plan,
        "limits": limits,
        "versions": {**{name: version(name) for name in _LIBRARIES}, **pinned},
        "python": platform.python_version(),
        "rows": {},
        "missing": missing,
    }
    wanted = tuple(options.only)
    for row in [row for row in ROWS if not wanted or row.task.startswith(wanted)]:
        found = _in_turn(row, runners, options, folder, missing)
        chosen = row if limits else Row(row.task, row.title, row.unit)
        result["rows"][row.task] = with_ratios(chosen, found, limits, plan)
        _write(options.out, result)
    return result


def _limits(threads: int) -> dict[str, float]:
    from benchmarks import roofline

    return roofline.measure(threads)


def _runners(options: argparse.Namespace, missing: dict[str, str]) -> list[Runner]:
    runners = [ours()]
    for name in options.peer:
        try:
            runners.append(peer(name, options.cache))
        except RuntimeError as error:
            missing[name] = f"cannot be installed or started: {error}"
    return runners


def _in_turn(
    row: Row,
    runners: Sequence[Runner],
    options: argparse.Namespace,
    folder: Path,
    missing: dict[str, str],
) -> dict[str, dict[str, Any]]:
    """Everybody's medians: A B A B, so that a slow minute of the machine meets all."""
    runs: dict[str, list[dict[str, Any]]] = {}
    able = [runner for runner in runners if row.task in runner.tasks]
    if OURS not in {runner.name for runner in able}:
        missing[f"{row.task} by {OURS}"] = "there is no such trainer"
    out = folder / "vectors.npy"
    for number in range(options.rounds):
        for runner in [one for one in able if f"{row.task} by {one.name}" not in missing]:
            print(f"{row.task} {runner.name} {number + 1}/{options.rounds}", file=sys.stderr)
            out.unlink(missing_ok=True)
            try:
                found = measured(runner, row.task, folder, out, options.threads)
            except RuntimeError as error:
                missing[f"{row.task} by {runner.name}"] = str(error)
                continue
            if out.exists():
                found |= _judged(out, folder)
            runs.setdefault(runner.name, []).append(found)
    return {name: summed_up(found) for name, found in runs.items()}


def _judged(vectors: Path, folder: Path) -> dict[str, float]:
    import numpy as np

    from benchmarks.speed.quality import judge

    return judge(np.load(vectors), folder)
