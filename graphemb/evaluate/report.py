"""`Report`: what was measured, as a value; printed as tables, saved as JSON and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from graphemb.errors import ConfigError, UnknownName
from graphemb.files import replace_file, storage_errors
from graphemb.types import BoolArray

FORMAT = 1
FILE = "report.json"
_SHARED = 2
Role = Literal["candidate", "baseline", "published"]
Kind = Literal["metrics", "buckets"]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, where there is one; NaN when nothing was measured."""

    value: float
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """JSON-able; NaN becomes null."""
        parts = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if _unknown(part) else part for name, part in parts.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, float | None]) -> Estimate:
        """What `to_dict` wrote."""
        value = record["value"]
        return cls(math.nan if value is None else value, record["low"], record["high"])


@dataclass(frozen=True)
class Row:
    """What one candidate, baseline or published method scored.

    Attributes:
        name: unique within its section.
        role: who it is.
        values: column -> figure.
    """

    name: str
    role: Role
    values: Mapping[str, Estimate]


@dataclass(frozen=True)
class Section:
    """One table of a report.

    Attributes:
        title: what was measured.
        rows: candidates first.
        kind: `metrics` (columns are measures; the higher the better) or `buckets` (columns are
            slices of one measure, in order).
        neutral: columns in which more is not better.
        facts: JSON-able, how it was measured.
        notes: what to know when reading it.
    """

    title: str
    rows: tuple[Row, ...]
    kind: Kind = "metrics"
    neutral: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of any row, in the order they come."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.values))

    def row(self, name: str) -> Row:
        """The row of that name.

        Raises:
            UnknownName: there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise UnknownName("row", name, [row.name for row in self.rows], source=self.title)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "title": self.title,
            "kind": self.kind,
            "neutral": list(self.neutral),
            "facts": dict(self.facts),
            "notes": list(self.notes),
            "rows": [
                {
                    "name": row.name,
                    "role": row.role,
                    "values": {name: figure.to_dict() for name, figure in row.values.items()},
                }
                for row in self.rows
            ],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Section:
        """What `to_dict` wrote."""
        rows = tuple(
            Row(
                row["name"],
                row["role"],
                {name: Estimate.from_dict(figure) for name, figure in row["values"].items()},
            )
            for row in record["rows"]
        )
        return cls(
            record["title"],
            rows,
            record["kind"],
            tuple(record["neutral"]),
            record["facts"],
            tuple(record["notes"]),
        )


@dataclass(frozen=True)
class Report:
    """Tables of figures, the main one first.

    Attributes:
        sections: at least one.
        facts: JSON-able: the split, the options, the seed.
    """

    sections: tuple[Section, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Name -> measure -> value, of the main section."""
        return {
            row.name: {name: figure.value for name, figure in row.values.items()}
            for row in self.sections[0].rows
        }

    def section(self, title: str) -> Section:
        """The first section whose title starts so.

        Raises:
            UnknownName: there is none.
        """
        for section in self.sections:
            if section.title.startswith(title):
                return section
        raise UnknownName("section", title, [section.title for section in self.sections])

    def best(self, metric: str | None = None) -> str:
        """The candidate with the highest value of a measure of the main section.

        Args:
            metric: by default the first NDCG, or else the first column.

        Raises:
            UnknownName: no such measure.
            ConfigError: the report has no candidate.
        """
        main = self.sections[0]
        metric = metric or next((c for c in main.columns if c.startswith("ndcg")), main.columns[0])
        if metric not in main.columns:
            raise UnknownName("measure", metric, main.columns)
        rows = [row for row in main.rows if row.role == "candidate" and metric in row.values]
        if not rows:
            raise ConfigError("the report has no candidate", field="metric", value=metric)
        values = [row.values[metric].value for row in rows]
        ranked = [-math.inf if math.isnan(value) else value for value in values]
        return rows[ranked.index(max(ranked))].name

    def joined(self, other: Report) -> Report:
        """Both reports' sections, ours first."""
        return Report((*self.sections, *other.sections), {**other.facts, **self.facts})

    def with_rows(self, rows: Iterable[Row]) -> Report:
        """More rows, such as published figures, in the main section."""
        main, *rest = self.sections
        more = Section(
            main.title, (*main.rows, *rows), main.kind, main.neutral, main.facts, main.notes
        )
        return Report((more, *rest), self.facts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` reads it back."""
        return {
            "format": FORMAT,
            "facts": dict(self.facts),
            "sections": [section.to_dict() for section in self.sections],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Report:
        """What `to_dict` wrote."""
        return cls(
            tuple(Section.from_dict(section) for section in record["sections"]), record["facts"]
        )

    def save(self, folder: str | Path) -> list[Path]:
        """Write `report.json`, `report.txt` and a PNG figure for each section that has one.

        Each file appears whole; one of an older report in the same folder is replaced.

        Raises:
            StoreError: the folder cannot be written; no space.

        Returns:
            The paths of all files, `report.json` last.
        """
        from graphemb.evaluate.figures import draw

        folder = Path(folder)
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        files = {**draw(self), "report.txt": f"{self}\n".encode(), FILE: f"{text}\n".encode()}
        with storage_errors(folder, sum(map(len, files.values()))):
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in files.items():
                replace_file(folder / name, data)
        return [folder / name for name in files]

    @classmethod
    def load(cls, folder: str | Path) -> Report:
        """Read what `save` wrote."""
        return cls.from_dict(json.loads((Path(folder) / FILE).read_text(encoding="utf-8")))

    def __str__(self) -> str:
        from graphemb.evaluate.table import plain

        return plain(self)

    def __rich__(self) -> object:
        """What `rich` prints: a table for each section."""
        from graphemb.evaluate.table import rendered

        return rendered(self)


def mark_best(section: Section, column: str) -> BoolArray:
    """bool per row: whether it has the highest value of a column; none where many share it."""
    values = np.array([row.values.get(column, Estimate(math.nan)).value for row in section.rows])
    if column in section.neutral or np.isnan(values).all():
        return np.zeros(values.size, np.bool_)
    best = np.isclose(values, np.nanmax(values), rtol=1e-12, atol=0.0)
    return best if np.count_nonzero(best) <= _SHARED else np.zeros_like(best)


def _unknown(value: float | None) -> bool:
    return value is None or math.isnan(value)
