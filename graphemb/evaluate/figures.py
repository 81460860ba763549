"""A report as PNG figures: measures beside baselines as bars, slices by degree as lines."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from graphemb.errors import MissingDependency
from graphemb.evaluate.report import Estimate, Report, Row, Section
from graphemb.evaluate.table import shown_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CANDIDATES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREY, _PUBLISHED = "#B8BDC4", "#8C7AA9"
_MUTED = ("#55606B", "#B08D57", "#6B9080", "#9D7BA0", "#8C8C8C")
_DASHES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_PANELS, _WIDE = 8, 4
_LINES = 5
"""Baselines drawn as lines; the tables have them all."""
_DPI = 130
_NOTHING = Estimate(math.nan)


def draw(report: Report) -> dict[str, bytes]:
    """File name -> PNG, one for each section that holds a figure.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:  # pragma: no cover - a main dependency
        raise MissingDependency("matplotlib", "drawing a report") from error
    files = {}
    for number, section in enumerate(report.sections, 1):
        columns = [name for name in section.columns if _known(section, name)]
        if not columns or not section.rows:
            continue
        figure = Figure(layout="constrained", facecolor="white")
        paint = _lines if section.kind == "buckets" and len(columns) > 1 else _bars
        paint(figure, section, columns)
        slug = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")[:60]
        out = BytesIO()
        figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
        files[f"{number}-{slug}.png"] = out.getvalue()
    return files


def _known(section: Section, name: str) -> bool:
    return any(not math.isnan(row.values.get(name, _NOTHING).value) for row in section.rows)


def _colors(section: Section) -> dict[str, str]:
    """One colour a row: strong ones for candidates."""
    candidates = [row.name for row in section.rows if row.role == "candidate"]
    strong = {name: _CANDIDATES[n % len(_CANDIDATES)] for n, name in enumerate(candidates)}
    return {
        row.name: strong.get(row.name, _PUBLISHED if row.role == "published" else _GREY)
        for row in section.rows
    }


def _bars(figure: Figure, section: Section, columns: list[str]) -> None:
    """A panel for each measure, a bar for each row; names once, at the left."""
    columns = _chosen(section, columns)
    high = math.ceil(len(columns) / _WIDE)
    wide = math.ceil(len(columns) / high)
    figure.set_size_inches(2.2 + 2.6 * wide, 0.9 + high * (0.75 + 0.27 * len(section.rows)))
    panels: Any = figure.subplots(high, wide, sharey=True, squeeze=False)
    colors = _colors(section)
    for number, panel in enumerate(panels.flat):
        if number >= len(columns):
            panel.set_visible(False)
            continue
        _bar_panel(panel, section, columns[number], colors)
    panels[0][0].set_yticks(range(len(section.rows)), [row.name for row in section.rows])
    for panel in panels[:, 0]:
        for label, row in zip(panel.get_yticklabels(), section.rows, strict=True):
            label.set_fontweight("bold" if row.role == "candidate" else "normal")
    figure.suptitle(section.title, x=0.01, ha="left", fontsize=12)


def _chosen(section: Section, columns: list[str]) -> list[str]:
    """At most eight measures; hit@k is left out where recall@k stands."""
    kept = [
        name
        for name in columns
        if not (name.startswith("hit@") and name.replace("hit@", "recall@") in columns)
    ]
    return kept[:_PANELS]


def _bar_panel(panel: Axes, section: Section, name: str, colors: dict[str, str]) -> None:
    figures = [row.values.get(name, _NOTHING) for row in section.rows]
    values = [0.0 if math.isnan(figure.value) else figure.value for figure in figures]
    reach = max([*values, *(figure.high or 0.0 for figure in figures)], default=0.0) or 1.0
    places = range(len(values))
    panel.barh(places, values, color=[colors[row.name] for row in section.rows], height=0.72)
    for place, figure in zip(places, figures, strict=True):
        end = 0.0 if math.isnan(figure.value) else figure.value
        if figure.low is not None and figure.high is not None:
            panel.plot([figure.low, figure.high], [place, place], color="#333333", linewidth=1)
            end = figure.high
        text = "none" if math.isnan(figure.value) else shown_value(figure.value)
        panel.text(end + 0.02 * reach, place, text, va="center", fontsize=7.5, color="#333333")
    if name.startswith("auc"):  # chance
        panel.axvline(0.5, color="#333333", linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    panel.set_xlim(0.0, reach * 1.28)
    panel.set_ylim(len(values) - 0.4, -0.6)
    panel.set_title(name, fontsize=10)
    panel.tick_params(axis="x", labelsize=7.5)
    panel.tick_params(axis="y", length=0, labelsize=9)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.locator_params(axis="x", nbins=4)


def _lines(figure: Figure, section: Section, columns: list[str]) -> None:
    """One line a row over the buckets, with the interval as a band; the legend outside."""
    figure.set_size_inches(3.4 + 1.1 * max(len(columns), 4), 4.2)
    panel = figure.subplots()
    colors = _colors(section)
    sizes = section.facts.get("positives") or section.facts.get("queries") or {}
    for row in section.rows:
        if row.role == "candidate":
            _line(panel, row, columns, colors[row.name], "-", 2.2)
    for place, row in enumerate(_leading(section, sizes)):
        _line(panel, row, columns, _MUTED[place], _DASHES[place], 1.3)
    labels = [f"{name}\nn={sizes[name]:,}" if name in sizes else name for name in columns]
    panel.set_xticks(range(len(columns)), labels, fontsize=8.5)
    panel.tick_params(axis="y", labelsize=8.5)
    panel.set_ylim(bottom=0.0)
    panel.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_title(section.title, loc="left", fontsize=12)
    figure.legend(loc="outside right upper", fontsize=8.5, frameon=False)


def _leading(section: Section, sizes: Mapping[str, int]) -> list[Row]:
    """The baselines that score best over all buckets, best first; one of each two that agree."""

    def overall(row: Row) -> float:
        parts = [(row.values.get(name, _NOTHING).value, size) for name, size in sizes.items()]
        return -sum(value * size for value, size in parts if not math.isnan(value))

    others = sorted((row for row in section.rows if row.role != "candidate"), key=overall)
    distinct = {tuple(figure.value for figure in row.values.values()): row for row in others[::-1]}
    return [row for row in others if row in distinct.values()][:_LINES]


def _line(panel: Axes, row: Row, columns: list[str], color: str, dash: Any, width: float) -> None:
    figures = [row.values.get(name, _NOTHING) for name in columns]
    values = [figure.value for figure in figures]
    strong = row.role == "candidate"
    panel.plot(
        values,
        color=color,
        linestyle=dash,
        linewidth=width,
        label=row.name,
        marker="o" if strong else None,
        markersize=4,
        zorder=3 if strong else 2,
    )
    if strong:
        low = [figure.value if figure.low is None else max(figure.low, 0.0) for figure in figures]
        high = [figure.value if figure.high is None else figure.high for figure in figures]
        panel.fill_between(range(len(columns)), low, high, color=color, alpha=0.13, linewidth=0)
