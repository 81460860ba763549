"""A report on the terminal: one table a section, candidates above baselines, the best marked."""

from __future__ import annotations

import math
from io import StringIO
from typing import TYPE_CHECKING

from graphemb.evaluate.report import Estimate, Report, Row, Section, mark_best

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

_STYLES = {"candidate": "bold", "baseline": "", "published": "italic"}
_WIDTH = 160


def plain(report: Report) -> str:
    """The tables as text without colours."""
    from rich.console import Console

    out = StringIO()
    console = Console(file=out, width=_WIDTH, no_color=True, highlight=False, legacy_windows=False)
    console.print(rendered(report))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def rendered(report: Report) -> Group:
    """The tables, for `rich` to print."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Table | Text] = []
    for section in report.sections:
        columns = [name for name in section.columns if not _repeats(section, name)]
        apart = [name for name in columns if name.startswith(("auc ", "ap "))]
        ranked = [name for name in columns if name not in apart]
        tables = [part for part in (ranked, apart) if part]
        for number, names in enumerate(tables):
            title = section.title if number == 0 else f"{section.title}: told from negatives"
            last = number == len(tables) - 1
            parts.append(_table(section, names, title, _facts(section) if last else None))
        parts.extend(Text(f"  {note}", style="dim") for note in section.notes)
        parts.append(Text(""))
    return Group(*parts)


def _table(section: Section, columns: list[str], title: str, caption: str | None) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    best = {name: mark_best(section, name) for name in columns}
    table = Table(
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        caption=caption,
        caption_justify="left",
        pad_edge=False,
    )
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    before = None
    for place, row in enumerate(section.rows):
        if before is not None and row.role != before:
            table.add_section()
        before = row.role
        cells = [_cell(row, name, bool(best[name][place])) for name in columns]
        table.add_row(Text(row.name, style=_STYLES[row.role]), *cells)
    return table


def _cell(row: Row, name: str, best: bool) -> Text:
    from rich.text import Text

    figure = row.values.get(name)
    if figure is None or math.isnan(figure.value):
        return Text("-", style="dim")
    text = Text(shown_value(figure.value), style="bold green" if best else "")
    if figure.low is not None and figure.high is not None:
        text.append(f" ±{shown_value((figure.high - figure.low) / 2)}", style="dim")
    return text.append(" *" if best else "  ")


def shown_value(value: float) -> str:
    """Four digits after the point for small figures, three for others, no leading zero."""
    text = f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _facts(section: Section) -> str | None:
    """The counts that a reader needs to judge the figures."""
    flat = [
        f"{name.replace('_', ' ')} {value:,}"
        for name, value in section.facts.items()
        if isinstance(value, int) and not isinstance(value, bool)
    ]
    for name in ("positives", "queries"):
        sizes = section.facts.get(name)
        if isinstance(sizes, dict):
            flat.append(f"{name} " + ", ".join(f"{key}: {size:,}" for key, size in sizes.items()))
    return "; ".join(flat) or None


def _repeats(section: Section, name: str) -> bool:
    """Whether a hit@k column says the same as recall@k, as it does with one positive a query."""
    other = name.replace("hit@", "recall@")
    if other == name or other not in section.columns:
        return False
    nothing = Estimate(math.nan)
    return all(
        math.isclose(row.values.get(name, nothing).value, row.values.get(other, nothing).value)
        for row in section.rows
    )
