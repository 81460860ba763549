"""The page of the recommender benchmark: a table per set, targets met or missed, and how."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import graphemb as ge
from benchmarks.recsys.sets import RecSet

Record = dict[str, Any]


def markdown(sets: Iterable[RecSet], records: Sequence[Record]) -> str:
    """All sets that have a record."""
    parts = ["# Recommenders on public sets\n"]
    for one in sets:
        own = [record for record in records if record["set"] == one.name]
        if own:
            parts.append(section(one, own))
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    parts.append(
        "Measured by `python -m benchmarks recsys`; each row is a mean over its seeds, with the "
        "standard deviation where there are several. Seconds are the wall time of fitting, without "
        "reading and judging; where other work ran on the machine meanwhile they are too long. "
        "Peak memory is the whole process, judging included. Simple models are in their own "
        f"rows; italic figures are published ones. graphemb {ge.__version__}, {machine}.\n"
    )
    return "\n".join(parts)


def section(one: RecSet, records: Sequence[Record]) -> str:
    """One set: what it is, its rows, and the verdict."""
    lines = [f"## {one.name}", "", one.about, ""]
    lines += [f"| method | {' | '.join(one.measures)} | fit, s | peak, MiB | seeds |"]
    lines += ["|---" * (len(one.measures) + 4) + "|"]
    for role in ("ours", "simple"):
        for method in one.methods:
            runs = [record for record in records if record["method"] == method.name]
            if method.role == role and runs:
                name = method.name if role == "ours" else f"{method.name} (simple)"
                lines.append(_row(name, runs))
    for name, figures in one.published.items():
        cells = " | ".join("-" if math.isnan(figure) else f"*{figure:.4f}*" for figure in figures)
        lines.append(f"| *{name}* | {cells} | | | |")
    return "\n".join([*lines, "", _verdict(one, records), ""])


def _row(name: str, runs: Sequence[Record]) -> str:
    figures = np.array([run["figures"] for run in runs], np.float64)
    cells = [_spread(column) for column in figures.T]
    times = [run["seconds"] for run in runs if run["seconds"] is not None]
    seconds = f"{np.mean(times):.0f}" if times else ""
    peak = max(run["peak_mib"] for run in runs)
    seeds = ", ".join(str(run["seed"]) for run in sorted(runs, key=lambda run: run["seed"]))
    return f"| {name} | {' | '.join(cells)} | {seconds} | {peak:,} | {seeds} |"


def _spread(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    mean = f"{values.mean():.4f}"
    return mean if values.size < 2 else f"{mean} ± {values.std(ddof=1):.4f}"


def _verdict(one: RecSet, records: Sequence[Record]) -> str:
    """Whether ours reach the targets, by the mean over seeds, and whether a simple model wins."""
    means: dict[str, tuple[float, ...]] = {}
    for method in one.methods:
        runs = [record["figures"] for record in records if record["method"] == method.name]
        if runs:
            means[method.name] = tuple(np.mean(runs, axis=0).tolist())
    ours = [method.name for method in one.methods if method.role == "ours" and method.name in means]
    simple = [name for name in means if name not in ours]
    said = []
    for word, target in (("Must", one.must), ("Goal", one.goal)):
        if not target:
            continue
        wanted = " / ".join(f"{figure:g}" for figure in target)
        met = [name for name in ours if _reaches(means[name], target)]
        said.append(f"{word} {wanted}: " + (f"**met** by {', '.join(met)}." if met else "missed."))
    best = max(means, key=lambda name: means[name][0])
    if best in simple:
        said.append(
            f"The simple model {best} is ahead of every model of ours in {one.measures[0]}."
        )
    return " ".join(said)


def _reaches(found: Sequence[float], target: Sequence[float]) -> bool:
    """All figures that the target names, to the digits that it has."""
    return all(
        math.isnan(goal) or round(figure, 4) >= goal
        for figure, goal in zip(found, target, strict=False)
    )
