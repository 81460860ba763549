"""Every error graphemb raises on purpose.

    GraphEmbError
    ├── ConfigError            a field, option, name or spec that cannot be
    │   └── UnknownName        a name that is not on the list (the nearest is given)
    ├── SourceError            reading a database or a file
    │   ├── EmptySource        a query or file without rows
    │   └── ConnectionFailed   the server cannot be reached, or was lost
    ├── GraphError             rows that do not make a graph
    │   └── UnknownNode        an id that is not in the graph
    ├── VectorError            vectors that cannot be used
    │   └── DimensionMismatch
    ├── LeakError              test information found in the training graph
    ├── TrainingError          training diverged or collapsed
    ├── MemoryLimit            the estimate is over the limit
    ├── StoreError             publishing or opening a version
    │   ├── ChecksumMismatch   a published file is not what its manifest says
    │   ├── CorruptManifest
    │   ├── Conflict           somebody else is publishing
    │   ├── StorageFull        no space, quota or file-size limit
    │   └── UnsupportedFormat  written by a newer graphemb
    └── MissingDependency      an optional package is not installed

An error says what, where, the value found and what would be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_VALUE_LIMIT = 80
SAMPLE_LIMIT = 20
"""How many bad rows a batch error shows."""


def shown(value: object) -> str:
    """`value` as an escaped literal of at most 80 characters, safe to print."""
    text = ascii(value)
    return text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 3] + "..."


def nearest(name: str, choices: Iterable[str]) -> list[str]:
    """All choices, the one most like `name` first."""

    def likeness(choice: str) -> float:
        return difflib.SequenceMatcher(None, name.lower(), choice.lower()).ratio()

    return sorted(choices, key=lambda choice: (-likeness(choice), choice))


class GraphEmbError(Exception):
    """What went wrong, where, the value found, and what would be right.

    Attributes:
        code: short stable name of the fault, for programs.
        source: file, query, node type or edge type.
        row: row number, counted from 0.
        field: column, key or field.
        value: the value found, escaped, at most 80 characters.
        hint: what would be right.
    """

    default_code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        source: object = None,
        row: int | None = None,
        field: str | None = None,
        value: object = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.code = code or self.default_code
        self.source = None if source is None else str(source)
        self.row = row
        self.field = field
        self.value = None if value is None else shown(value)
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        where = [
            f"{name} {part}"
            for name, part in (("in", self.source), ("row", self.row), ("field", self.field))
            if part is not None
        ]
        text = self.message
        if where:
            text += f" ({', '.join(where)})"
        if self.value is not None:
            text += f": found {self.value}"
        if self.hint:
            text += f"\n  hint: {self.hint}"
        return text


class ConfigError(GraphEmbError):
    """A field, option, name or spec that cannot be."""

    default_code = "config"


class UnknownName(ConfigError):
    """A name that is not on the list; the message gives the list, nearest first."""

    default_code = "unknown_name"

    def __init__(
        self, what: str, name: object, choices: Iterable[object], *, source: object = None
    ) -> None:
        known = nearest(str(name), [str(choice) for choice in choices])
        hint = f"did you mean {known[0]!r}? known: {', '.join(known)}" if known else "none is known"
        super().__init__(f"unknown {what}", source=source, value=str(name), hint=hint)


class SourceError(GraphEmbError):
    """A database or file that cannot be read as asked."""

    default_code = "source"


class EmptySource(SourceError):
    """A query or file without a single row."""

    default_code = "empty_source"


class ConnectionFailed(SourceError):
    """The server cannot be reached, refused the login, or was lost in mid-read."""

    default_code = "connection"


class GraphError(GraphEmbError):
    """Rows that do not make a graph."""

    default_code = "graph"


class UnknownNode(GraphError):
    """An id that is not in the graph."""

    default_code = "unknown_node"


class VectorError(GraphEmbError):
    """Vectors that cannot be used: not finite, doubled ids, all zero, overflow."""

    default_code = "vector"


class DimensionMismatch(VectorError):
    """A vector of another length than the rest."""

    default_code = "dimension"

    def __init__(self, want: int, found: int, *, row: int | None = None, source: object = None):
        self.want, self.found = want, found
        super().__init__(f"vectors of dimension {want} wanted", source=source, row=row, value=found)


class LeakError(GraphEmbError):
    """Test information found where training can see it."""

    default_code = "leak"


class TrainingError(GraphEmbError):
    """Training diverged, collapsed or met a loss that is not a number."""

    default_code = "training"


class MemoryLimit(GraphEmbError):
    """The estimated memory is over the limit; nothing was allocated."""

    default_code = "memory_limit"


class StoreError(GraphEmbError):
    """Publishing or opening a version failed; what was published before is untouched."""

    default_code = "store"


class ChecksumMismatch(StoreError):
    """A published file is not what its manifest says."""

    default_code = "checksum"

    def __init__(self, file: str, expected: str, found: str) -> None:
        self.file, self.expected = file, expected
        super().__init__(
            f"SHA-256 of the file is not the manifest's {expected}",
            source=file,
            value=found,
            hint="the file was changed or damaged after publishing; publish again or roll back",
        )


class CorruptManifest(StoreError):
    """A manifest that is empty, cut short or not to be trusted."""

    default_code = "corrupt_manifest"


class Conflict(StoreError):
    """Somebody else holds the store's lock or the version's name."""

    default_code = "conflict"


class StorageFull(StoreError):
    """No space left, a quota or a file-size limit; temporary files are gone."""

    default_code = "storage_full"

    def __init__(self, needed: int, free: int, *, source: object = None) -> None:
        self.needed, self.free = needed, free
        super().__init__(
            f"at least {needed:,} bytes are needed and {free:,} are free",
            source=source,
            hint="make room, or raise the quota or the file-size limit",
        )


class UnsupportedFormat(StoreError):
    """Written by a newer graphemb than this one."""

    default_code = "unsupported_format"

    def __init__(self, have: int, need: int, *, source: object = None) -> None:
        self.have, self.need = have, need
        super().__init__(
            f"this graphemb reads format {have}, the file is format {need}",
            source=source,
            hint="upgrade graphemb",
        )


class MissingDependency(GraphEmbError):
    """A package that this call needs is not installed."""

    default_code = "missing_dependency"

    def __init__(self, package: str, what: str) -> None:
        super().__init__(f"{what} needs the package {package!r}", hint=f"pip install {package}")
