"""Measurements as medians and ratios, and a table that grows piece by piece."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.speed.processes import OURS
from benchmarks.speed.rows import Row
from graphemb.errors import ConfigError

Entry = dict[str, Any]
Result = dict[str, Any]

_LIBRARIES = ("graphemb", "numpy", "numba", "scipy", "pyarrow", "faiss-cpu", "torch")


def summed_up(runs: Sequence[Mapping[str, Any]]) -> Entry:
    """Medians of some runs of one runner on one row, with `rate` where units were counted."""
    keys = {key for run in runs for key in run}
    entry: Entry = {key: median(run[key] for run in runs if key in run) for key in sorted(keys)}
    if "count" in entry:
        entry["rate"] = median(run["count"] / run["seconds"] for run in runs)
    entry["runs"] = len(runs)
    return entry


def with_ratios(
    row: Row, found: Mapping[str, Entry], machine: Mapping[str, float], plan: Mapping[str, Any]
) -> dict[str, Any]:
    """A row as JSON: everybody's entries, ours against the best peer and the machine's limit."""
    made: dict[str, Any] = {"title": row.title, "unit": row.unit, "entries": dict(found)}
    own = found.get(OURS, {})
    speeds = {
        name: _speed(row, entry)
        for name, entry in found.items()
        if name.partition(" (")[0] != OURS and "seconds" in entry
    }
    speed = _speed(row, own) if "seconds" in own else None
    if speed and speeds:
        made["best_peer"] = max(speeds, key=lambda name: speeds[name])
        made["times_best_peer"] = speed / speeds[made["best_peer"]]
    if speed and row.limit and machine:
        made["limit"] = row.limit(machine, plan)
        made["share_of_limit"] = speed / made["limit"]
    return made


def _speed(row: Row, entry: Entry) -> float:
    return float(entry["rate"] if row.unit else 1 / entry["seconds"])


def empty() -> Result:
    """A table without rows, of this machine."""
    return {
        "machine": machine_name(),
        "versions": {name: version(name) for name in _LIBRARIES},
        "graphs": {},
    }


def load(path: Path | None) -> Result:
    """The table so far; an empty one where there is none.

    Raises:
        ConfigError: it is of another machine, with which nothing can be compared.
    """
    if path is None or not path.exists():
        return empty()
    result: Result = json.loads(path.read_text(encoding="utf-8"))
    if result["machine"] != machine_name():
        raise ConfigError(
            "figures of two machines do not belong into one table",
            field=str(path),
            value=result["machine"],
            hint=f"this is {machine_name()}: write into another folder",
        )
    result["versions"] |= empty()["versions"]
    return result


def add(
    result: Result,
    plan: Mapping[str, Any],
    task: str,
    row: Mapping[str, Any],
    missing: Mapping[str, str],
) -> None:
    """Put a row in, in place of an older one; whom it lacks, and why, goes with it."""
    graph = result["graphs"].setdefault(plan["graph"], {"rows": {}})
    graph["plan"] = dict(plan)
    graph["rows"][task] = {**row, "missing": dict(missing)}


def machine_name() -> str:
    """Processor, cores, system and Python."""
    model = platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        named = [line for line in cpu.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    )
