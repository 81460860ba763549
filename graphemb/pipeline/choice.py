"""What a run does with its candidates besides link prediction: `[[classify]]` and `[publish]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphemb.checks import check_int, check_number
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError, UnknownName
from graphemb.evaluate import Report
from graphemb.graph import HeteroGraph
from graphemb.store.shelf import check_label
from graphemb.tasks import classify_nodes
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
        for share in self.train_shares:
            check_number("train_shares", share, above=0.0, high=0.99)

    def run(
        self, candidates: Mapping[str, Embeddings], graph: HeteroGraph, *, seed: int = 0
    ) -> Report:
        """Predict the label from the vectors of every candidate, beside the majority class.

        Args:
            candidates: by name.
            graph: gives the labels.
            seed: of the first division.

        Raises:
            UnknownName: no such node type, no such column, or a candidate without its vectors.
            GraphError: no labels, or one class alone.
        """
        columns = graph.columns(self.node_type)
        if self.label not in columns.column_names:
            raise UnknownName("column", self.label, columns.column_names, source=self.node_type)
        report = classify_nodes(
            {name: emb[self.node_type] for name, emb in candidates.items()},
            {"id": graph.ids(self.node_type).array, "label": columns[self.label]},
            train_shares=self.train_shares,
            seeds=self.seeds,
            seed=seed,
        )
        (section,) = report.sections
        return Report((replace(section, title=f"{self.label} of {self.node_type}"),))
