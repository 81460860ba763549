"""Measurements as medians, ratios, and one Markdown table."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.speed.processes import OURS
from benchmarks.speed.rows import ROWS, Row

Entry = dict[str, Any]


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
        name: entry["rate"] if row.unit else 1 / entry["seconds"]
        for name, entry in found.items()
        if name != OURS and "seconds" in entry
    }
    speed = own.get("rate") if row.unit else 1 / own["seconds"] if "seconds" in own else None
    if speed and speeds:
        made["best_peer"] = max(speeds, key=lambda name: speeds[name])
        made["times_best_peer"] = speed / speeds[made["best_peer"]]
    if speed and row.limit:
        made["share_of_limit"] = speed / row.limit(machine, plan)
    return made


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


_HEADS = ("what", "who", "figure", "first call s", "peak MB", "AUC", "kNN", "LR")


def markdown(result: Mapping[str, Any]) -> str:
    """The page: where and how, the table, who is missing and why."""
    plan, limits = result["plan"], result["limits"]
    about = (
        f"{result['machine']}; {result['date']}; `{result['command']}`; seed {plan['seed']}; "
        f"{plan['num_nodes']:,} nodes, {plan['num_edges']:,} edges; {plan['threads']} threads; "
        f"medians of {result['rounds']} rounds in turn; load average at the start "
        f"{result['load_average']:.1f}."
    )
    told = ", ".join(f"{name} {value:,.0f}" for name, value in limits.items()) or "none"
    heads = [*_HEADS, "x best peer", "of limit"]
    lines = [f"# Speed on {plan['graph']}", "", about, "", f"Limits measured: {told}.", ""]
    lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in ROWS:
        if row.task in result["rows"]:
            lines += _lines(result["rows"][row.task])
    if result["missing"]:
        lines += ["", "Not measured:", ""]
        lines += [f"- {what}: {why}" for what, why in result["missing"].items()]
    lines += ["", "Versions: " + "; ".join(f"{k} {v}" for k, v in result["versions"].items()) + "."]
    return "\n".join(lines) + "\n"


def _lines(row: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, entry in row["entries"].items():
        figure = f"{entry['rate']:,.0f} {row['unit']}" if row["unit"] else _told(entry, "seconds")
        cells = [row["title"], name, figure + ("" if row["unit"] else " s")]
        cells += [_told(entry, key) for key in ("first_call_seconds", "peak_mb")]
        cells += [_told(entry, key, 3) for key in ("auc", "knn", "lr")]
        cells += [_told(row, key) if name == OURS else "" for key in _RATIOS]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


_RATIOS = ("times_best_peer", "share_of_limit")


def _told(entry: Mapping[str, Any], key: str, digits: int = 2) -> str:
    return f"{entry[key]:,.{digits}f}" if key in entry else ""
