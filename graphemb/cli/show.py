"""How results look: tables and text for people, plain columns for pipes, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphemb.errors import GraphEmbError

if TYPE_CHECKING:
    from graphemb.evaluate import Report, Section

_WIDE = 10_000
_REPORT_WIDTH = 150
_NARROW_COLUMNS = 6


def stdout() -> Console:
    """Where results go; into a pipe without colours and never wrapped."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE, no_color=True)


def stderr() -> Console:
    """Where progress and errors go."""
    console = Console(stderr=True)
    return console if console.is_terminal else Console(stderr=True, width=_WIDE, no_color=True)


def say(text: str) -> None:
    """Print text as it is."""
    stdout().print(text, markup=False, highlight=False, soft_wrap=True)


def title(text: str) -> None:
    """Print a heading."""
    stdout().print(Text(text, style="bold"), soft_wrap=True)


def as_json(value: Any) -> None:
    """Print JSON; integers over 2^53 are the caller's to make strings."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings; numbers stand to the right. In a pipe: aligned text."""
    console = stdout()
    numeric = [
        bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        for place in range(len(columns))
    ]
    if console.is_terminal:
        shown = Table(box=None, header_style="bold cyan", pad_edge=False)
        for name, right in zip(columns, numeric, strict=True):
            shown.add_column(name, justify="right" if right else "left", overflow="fold")
        for row in rows:
            shown.add_row(*[Text(cell(value)) for value in row])
        console.print(shown)
        return
    cells = [list(columns), *[[cell(value) for value in row] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        print("  ".join(padded).rstrip())


def cell(value: object) -> str:
    """A value as a table shows it; control characters escaped."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    text = "" if value is None else str(value)
    return text if text.isprintable() else ascii(text)[1:-1]


def error(problem: GraphEmbError) -> None:
    """Print what went wrong, and the hint on a line of its own."""
    text, _, hint = str(problem).partition("\n  hint: ")
    lines = Text.assemble(("error: ", "bold red"), text)
    if hint:
        lines.append("\nhint: ", "bold yellow").append(hint)
    stderr().print(lines, highlight=False, soft_wrap=True)


def report(found: Report) -> None:
    """Print a report's measures; slices are left to its folder, columns to a narrow terminal."""
    console = stdout()
    sections = [section for section in found.sections if section.kind == "metrics"]
    if console.is_terminal and console.width < _REPORT_WIDTH:
        sections = [_narrow(section) for section in sections]
    brief = replace(found, sections=tuple(sections))
    if console.is_terminal:
        console.print(brief)
    else:
        print(brief)


def _narrow(section: Section) -> Section:
    """Of measures at several k the first only, and nothing about drawn negatives."""
    first: dict[str, str] = {}
    for column in section.columns:
        if not column.startswith(("auc ", "ap ")):
            first.setdefault(column.split("@")[0], column)
    kept = list(first.values())[:_NARROW_COLUMNS]
    rows = [
        replace(row, values={name: row.values[name] for name in kept if name in row.values})
        for row in section.rows
    ]
    return replace(section, rows=tuple(rows))


@contextmanager
def interruptible(kept: Callable[[], str] | None = None) -> Iterator[None]:
    """Ctrl-C ends with a line instead of a traceback; the exit status is 130.

    Args:
        kept: says what is kept and how to go on; None: the command is simply given again.
    """
    try:
        yield
    except KeyboardInterrupt:
        told = kept() if kept else "run it again"
        stderr().print(
            f"\ninterrupted: nothing is left half-written; {told}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        raise SystemExit(130) from None
