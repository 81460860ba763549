"""What the store tells: a version, a problem, the health of a name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from graphemb.types import NodeType


class StoreWarning(UserWarning):
    """Something is degraded: what is served is not what was asked for, or is less safe."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a version.

    Attributes:
        code: `missing`, `size`, `checksum`, `extra` or the code of the manifest's error.
        file: the file, relative to the version's folder.
        message: what is wrong.
    """

    code: str
    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class VersionRecord:
    """One version of a name.

    Attributes:
        name, version: which.
        created: when, UTC, as the publisher's clock said; plays no part in the order. None when
            the manifest cannot be read, as are the other facts from it.
        tags: names that point at it.
        current: whether readers get it by default.
        complete: whether every file is there with its size (`verify` reads them all).
        bytes: of its files.
        dim: components of a vector.
        counts: node type to number of vectors.
        forced: published although the quality gate refused it.
        problem: why it is not complete.
    """

    name: str
    version: int
    created: datetime | None
    tags: tuple[str, ...]
    current: bool
    complete: bool
    bytes: int
    dim: int
    counts: dict[NodeType, int]
    forced: bool
    problem: str | None


@dataclass(frozen=True)
class Health:
    """Whether a name is served as it should be.

    Attributes:
        ok: the current version is served, and nothing was found wrong.
        version: the version that is served; None when there is none.
        problems: what is wrong.
    """

    ok: bool
    version: int | None
    problems: tuple[str, ...]
