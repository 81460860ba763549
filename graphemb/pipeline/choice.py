"""What a run does with its candidates besides link prediction: `[[classify]]` and `[publish]`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphemb.checks import check_int
from graphemb.errors import ConfigError, UnknownName
from graphemb.store.shelf import check_label
from graphemb.types import NodeType, check_name

BEST = "best"


@dataclass(frozen=True, kw_only=True)
class Publication:
    """Which candidate is published, and where; the fields of `[publish]`.

    Attributes:
        store: folder of the store, relative to the file.
        name: published under this name.
        fit: the candidate; `best` picks by `metric` on the validation edges, never the test
            edges. Not needed when there is one candidate.
        metric: such as `ndcg@10`; None: the report's first NDCG.
        tag: a movable name to point at the new version.
        force: publish vectors that look collapsed; that is recorded.

    Raises:
        ConfigError: a name or tag that cannot be; a metric without `fit = "best"`.
    """

    store: str
    name: str
    fit: str | None = None
    metric: str | None = None
    tag: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        check_label("name", self.name)
        if self.tag is not None:
            check_label("tag", self.tag)
        if self.metric is not None and self.fit != BEST:
            raise ConfigError(
                "a metric chooses only when fit is 'best'",
                field="metric",
                value=self.metric,
                hint='write fit = "best", or leave metric out',
            )

    def among(self, candidates: list[str], *, valid: bool) -> Publication:
        """With the candidate named, where there is but one.

        Args:
            candidates: their names.
            valid: whether there are validation edges.

        Raises:
            UnknownName: no such candidate.
            ConfigError: several candidates and none named; `best` without validation edges.
        """
        if self.fit is None and len(candidates) == 1:
            return replace(self, fit=candidates[0])
        if self.fit is None:
            raise ConfigError(
                "[publish] must say which candidate",
                code="missing_key",
                hint=f"fit = one of {', '.join(candidates)}, or 'best' with [split] valid",
            )
        if self.fit == BEST and not valid:
            raise ConfigError(
                "the best candidate is chosen on validation edges, and there are none",
                code="no_valid",
                field="fit",
                value=BEST,
                hint="set valid in [split], 0.1 for example; test edges never choose",
            )
        if self.fit not in (*candidates, BEST):
            raise UnknownName("candidate", self.fit, [*candidates, BEST], source="fit")
        return self


@dataclass(frozen=True, kw_only=True)
class Classification:
    """A label to predict from vectors; the fields of a `[[classify]]` table.

    Attributes:
        node_type: whose vectors.
        label: column of that node type; nodes where it is null are left out.
        train_shares: shares of the labelled nodes to learn from, each a row of figures.
        seeds: random divisions per share.

    Raises:
        ConfigError: a field out of its range.
    """

    node_type: NodeType
    label: str
    train_shares: tuple[float, ...] = (0.1, 0.5, 0.9)
    seeds: int = 5

    def __post_init__(self) -> None:
        check_name(self.node_type, "node type")
        check_int("seeds", self.seeds, low=1)
