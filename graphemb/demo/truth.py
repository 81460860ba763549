"""What was planted in the marketplace; only checks and colours look at it, training never does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq


@dataclass(frozen=True)
class Truth:
    """The planted answer.

    Attributes:
        community: node type -> id -> community.
        niche: product id -> niche.
    """

    community: Mapping[str, Mapping[str, str]]
    niche: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Read the `truth.parquet` of a marketplace."""
        community: dict[str, dict[str, str]] = {}
        niche: dict[str, str] = {}
        for row in pq.read_table(path).to_pylist():
            community.setdefault(row["node_type"], {})[row["id"]] = row["community"]
            if row["node_type"] == "product":
                niche[row["id"]] = row["niche"]
        return cls(community, niche)
