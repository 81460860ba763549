"""The page: targets with their verdicts, then every row, where and how it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.speed.processes import OURS
from benchmarks.speed.results import Result
from benchmarks.speed.rows import ROWS
from benchmarks.speed.targets import TARGETS, Figures

_HEADS = (
    "what",
    "who",
    "figure",
    "CPU s",
    "first call s",
    "peak MB",
    "AUC",
    "kNN",
    "LR",
    "x best peer",
    "of limit",
    "rounds",
)
_LIMITS = {
    "random_reads_per_s": (1e-6, "M random reads/s of a line"),
    "row_reads_per_s": (1e-6, "M random reads/s of 512 bytes"),
    "row_updates_per_s": (1e-6, "M updates/s of random 512 bytes"),
    "copy_bytes_per_s": (1e-9, "GB/s copied"),
    "float32_flops_per_s": (1e-9, "float32 GFLOP/s"),
    "private_speedup": (1, "x of one thread by all where nothing is shared"),
}
_NOTES = """\
Medians of rounds in turn, each measurement a process of its own. Peak MB is above what the
interpreter with its imports (or the idle JVM) held; the first call, which loads or compiles, is
told apart. AUC: cosine of held-out edges against random pairs drawn by degree; kNN: nodes whose 10
nearest are mostly of their community; LR: a linear probe for it; one judge for everybody. "Of
limit" is the share of what the machine can do at most by the roofline program in the same run
(random reads and row reads beyond the caches, which a graph as small as G1 does not leave). Threads
are also told against what the machine's own give where nothing is shared, in the same run: cores
that others use too, or two hyper-threads of one core, give less than 2."""


def markdown(result: Result) -> str:
    """The whole page."""
    lines = ["# Speed", "", f"{result['machine']}.", ""]
    lines += [*_targets(result), "", _NOTES]
    for name, graph in sorted(result["graphs"].items()):
        lines += ["", *_graph(name, graph)]
    if result.get("remarks"):
        lines += ["", "## Remarks", "", *(f"- {remark}" for remark in result["remarks"])]
    versions = "; ".join(f"{name} {told}" for name, told in sorted(result["versions"].items()))
    return "\n".join([*lines, "", f"Versions: {versions}."]) + "\n"


def _targets(result: Result) -> list[str]:
    lines = ["| graph | target | figure | must | goal | |", "|---|---|---|---|---|---|"]
    for target in TARGETS:
        if target.graph in result["graphs"]:
            figures = Figures(result["graphs"][target.graph]["rows"])
            figure, verdict = target.judged(figures)
            sign = "<= " if target.at_most else ""
            bounds = ["" if b is None else f"{sign}{b:g}" for b in (target.must, target.goal)]
            told = "" if figure is None else f"{figure:.3f}" if abs(figure) < 1 else f"{figure:.2f}"
            cells = [target.graph, target.what, told, *bounds, verdict]
            lines.append(f"| {' | '.join(cells)} |")
    return lines if len(lines) > 2 else []


def _graph(name: str, graph: Mapping[str, Any]) -> list[str]:
    plan, rows = graph["plan"], graph["rows"]
    lines = [f"## {name}", ""]
    about = (
        f"{plan['num_nodes']:,} nodes, {plan['num_edges']:,} edges, seed {plan['seed']}; "
        f"{plan['threads']} threads; dim {plan['dim']}, {plan['negatives']} negatives, "
        f"radius {plan['radius']}, walks of {plan['walk_length']}."
    )
    if "planted_auc" in plan:
        about += f" Knowing the planted communities alone gives AUC {plan['planted_auc']:.3f}."
    lines += [about, ""]
    lines += [f"| {' | '.join(_HEADS)} |", "|---" * len(_HEADS) + "|"]
    done = [row.task for row in ROWS if row.task in rows]
    for task in done:
        lines += _row(rows[task])
    missing = {
        f"{rows[t]['title']}, {who}": why for t in done for who, why in rows[t]["missing"].items()
    }
    if missing:
        lines += ["", "Not measured:", "", *(f"- {what}: {why}" for what, why in missing.items())]
    lines += ["", "Runs:", ""]
    runs = {rows[task]["command"]: rows[task] for task in done}
    return lines + [f"- `{command}`, {_run(row)}" for command, row in runs.items()]


def _run(row: Mapping[str, Any]) -> str:
    limits = [
        f"{row['limits'][key] * scale:,.1f} {unit}"
        for key, (scale, unit) in _LIMITS.items()
        if key in row["limits"]
    ]
    told = f"{row['date']}, load average before it {row['load_average']:.1f}"
    return f"{told}; limits: {', '.join(limits)}" if limits else told


def _row(row: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, entry in row["entries"].items():
        figure = (
            f"{entry['rate']:,.0f} {row['unit']}" if row["unit"] else f"{_told(entry, 'seconds')} s"
        )
        if "kernels" in entry:
            figure += f", {entry['kernels']:.0f} kernels"
        cells = [row["title"], name, figure]
        cells += [_told(entry, key) for key in ("cpu_seconds", "first_call_seconds")]
        cells += [_told(entry, "peak_mb", 0)]
        cells += [_told(entry, key, 3) for key in ("auc", "knn", "lr")]
        cells += [_told(row, key) if name == OURS else "" for key in _RATIOS]
        lines.append("| " + " | ".join([*cells, str(entry["runs"])]) + " |")
    return lines


_RATIOS = ("times_best_peer", "share_of_limit")


def _told(entry: Mapping[str, Any], key: str, digits: int = 2) -> str:
    return f"{entry[key]:,.{digits}f}" if key in entry else ""
