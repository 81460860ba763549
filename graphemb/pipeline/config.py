"""`RunConfig`: one TOML file, each table the fields of one object and nothing more.

seed             of everything drawn, where a table has no seed of its own
[graph]          `Source`, with nodes, edges and parameters (`GraphSpec`), [graph.policies]
[split]          `SplitRule`
[fit.NAME]       a trainer of the registry and its fields; one table per candidate
[[derive]]       `Derivation`, for every candidate
[evaluate]       `Evaluation`
[[classify]]     `Classification`, a label to predict from vectors
[publish]        `Publication`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from graphemb.checks import check_int
from graphemb.derive import Derivation
from graphemb.derive.run import in_order
from graphemb.errors import ConfigError, SourceError
from graphemb.evaluate import Evaluation
from graphemb.graph import HeteroGraph, Policies
from graphemb.pipeline.choice import Classification, Publication
from graphemb.pipeline.environment import expanded
from graphemb.pipeline.tables import check_keys, placed, read_table, sub_table, sub_tables
from graphemb.pipeline.toml_lines import KeyPath, TomlFile, read_toml
from graphemb.source import GraphSpec, OnLoad, Source, load_graph
from graphemb.split import SplitRule
from graphemb.trainers.base import Trainer, describe, trainer_class

_TABLES = ("seed", "graph", "split", "fit", "derive", "evaluate", "classify", "publish")
_GRAPH = ("policies", "allow_empty", "root")
_CANDIDATE = re.compile(r"[A-Za-z0-9_-]{1,60}\Z")


@dataclass(frozen=True, kw_only=True)
class GraphTable:
    """Where the graph comes from.

    Attributes:
        source: the address and how to read it.
        spec: the queries.
        policies: what to do with rows that can be read in more than one way.
        allow_empty: node and edge types that may have no rows.
        root: folder that relative names in the address and the queries start at; itself relative
            to the file. `${NAME}` in it stands for an environment variable.
    """

    source: Source
    spec: GraphSpec
    policies: Policies = field(default_factory=Policies)
    allow_empty: tuple[str, ...] = ()
    root: str = "."


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run. `RunConfig.read(path)` makes it from TOML.

    Attributes:
        file: the parsed file; errors name its lines, relative paths start at its folder.
        seed: of everything drawn where a table has no seed of its own.
        graph, split, evaluate, classify, publish: the tables; None or empty where there is none.
        fit: candidate name -> trainer.
        derive: for every candidate, in an order in which each builds on those before it.
    """

    file: TomlFile
    seed: int
    graph: GraphTable
    split: SplitRule | None
    fit: Mapping[str, Trainer]
    derive: tuple[Derivation, ...]
    evaluate: Evaluation
    classify: tuple[Classification, ...]
    publish: Publication | None

    @classmethod
    def read(cls, path: str | Path, *, seed: int | None = None) -> RunConfig:
        """Read a TOML file.

        Args:
            seed: stands for the file's top-level `seed`.

        Raises:
            UnknownName: a key, trainer or candidate that is not known, at its line.
            ConfigError: not TOML, a doubled key, a wrong type or value, at its line.
        """
        return _Reader(read_toml(Path(path)), seed).config()

    @property
    def folder(self) -> Path:
        """The folder of the file; relative paths start here."""
        return self.file.path.parent

    def load(self, on_progress: OnLoad | None = None) -> HeteroGraph:
        """Read the graph.

        Raises:
            SourceError, GraphError: as `load_graph`, with the line of the query at fault.
            ConfigError: `root` names an environment variable that is not set.
        """
        table, place = self.graph, self.file.at(("graph", "root"))
        with self._query_lines():
            return load_graph(
                table.source,
                table.spec,
                policies=table.policies,
                root=self.folder / expanded(table.root, field="root", source=place),
                allow_empty=table.allow_empty,
                on_progress=on_progress,
            )

    def describe(self) -> dict[str, Any]:
        """The file's tables, JSON-able, with the seed in use: what a manifest records."""
        return {
            "seed": self.seed,
            "graph": {
                "uri": self.graph.source.uri,
                "root": self.graph.root,
                **self.graph.spec.to_dict(),
                "policies": {
                    part.name: getattr(self.graph.policies, part.name) for part in fields(Policies)
                },
            },
            "split": None if self.split is None else self.split.describe(),
            "fit": {name: describe(trainer) for name, trainer in self.fit.items()},
            "derive": [one.describe() for one in self.derive],
            "evaluate": self.evaluate.describe(),
        }

    @contextmanager
    def _query_lines(self) -> Iterator[None]:
        """Add the line to what is said about a query."""
        try:
            yield
        except SourceError as error:
            for query in self.graph.spec.queries:
                if error.source == query.name:
                    table, _, name = query.name.partition(".")
                    error.source = f"{query.name}, {self.file.at(('graph', table, name))}"
            raise


class _Reader:
    """Reads the tables of one file."""

    def __init__(self, file: TomlFile, seed: int | None) -> None:
        self.file = file
        check_keys(file, (), file.values, _TABLES)
        with placed(file, ()):
            self.seed: Any = file.values.get("seed", 0) if seed is None else seed
            check_int("seed", self.seed, low=0)

    def config(self) -> RunConfig:
        split = self._seeded(("split",), SplitRule) if "split" in self.file.values else None
        fit = self._fit()
        return RunConfig(
            file=self.file,
            seed=self.seed,
            graph=self._graph(),
            split=split,
            fit=fit,
            derive=self._derive(),
            evaluate=self._seeded(("evaluate",), Evaluation),
            classify=tuple(self._each("classify", Classification)),
            publish=self._publish(fit, split),
        )

    def _table(self, key: KeyPath) -> dict[str, Any]:
        values: Any = self.file.values
        for part in key:
            values = values.get(part, {})
        return sub_table(self.file, key, values)

    def _seeded(self, key: KeyPath, kind: type[Any], *, without: tuple[str, ...] = ()) -> Any:
        """A table as a `kind`; the file's seed where the table has none."""
        values = {name: value for name, value in self._table(key).items() if name not in without}
        made = read_table(self.file, key, values, kind)
        has_seed = is_dataclass(kind) and any(part.name == "seed" for part in fields(kind))
        if has_seed and "seed" not in values:
            made = replace(made, seed=self.seed)
        return made

    def _each(self, name: str, kind: type[Any]) -> list[Any]:
        tables = sub_tables(self.file, (name,), self.file.values.get(name, []))
        return [
            read_table(self.file, (name, number), values, kind)
            for number, values in enumerate(tables)
        ]

    def _graph(self) -> GraphTable:
        if "graph" not in self.file.values:
            raise ConfigError(
                "the file has no [graph]",
                code="missing_key",
                source=self.file.path,
                hint="it says where the graph comes from: uri, [graph.nodes], [graph.edges]",
            )
        values = self._table(("graph",))
        source = [part.name for part in fields(Source)]
        spec = [part.name for part in fields(GraphSpec)]
        check_keys(self.file, ("graph",), values, [*source, *spec, *_GRAPH])
        for name in ("nodes", "edges", "parameters", "policies"):
            self._table(("graph", name))
        with placed(self.file, ("graph",)):
            queries = GraphSpec(
                values.get("nodes", {}), values.get("edges", {}), values.get("parameters", {})
            )
        return GraphTable(
            source=read_table(
                self.file, ("graph",), {k: v for k, v in values.items() if k in source}, Source
            ),
            spec=queries,
            policies=read_table(
                self.file, ("graph", "policies"), self._table(("graph", "policies")), Policies
            ),
            allow_empty=tuple(values.get("allow_empty", ())),
            root=self._root(values.get("root", ".")),
        )

    def _root(self, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise ConfigError(
                "root is the name of a folder",
                code="wrong_type",
                source=self.file.at(("graph", "root")),
                field="root",
                value=value,
            )
        return value

    def _fit(self) -> dict[str, Trainer]:
        found: dict[str, Trainer] = {}
        for name in self._table(("fit",)):
            key = ("fit", name)
            if not _CANDIDATE.match(name):
                raise ConfigError(
                    "a candidate's name is letters, digits, '_' and '-'",
                    code="bad_name",
                    source=self.file.at(key),
                    value=name,
                )
            values = self._table(key)
            trainer = values.get("trainer")
            if not isinstance(trainer, str):
                raise ConfigError(
                    f"[fit.{name}] lacks the name of a trainer",
                    code="missing_key",
                    source=self.file.at(key),
                    field="trainer",
                    value=trainer,
                )
            kind = trainer_class(trainer, source=self.file.at((*key, "trainer")))
            found[name] = self._seeded(key, kind, without=("trainer",))
        if not found:
            raise ConfigError(
                "the file has no [fit.NAME]", code="missing_key", source=self.file.path
            )
        return found

    def _derive(self) -> tuple[Derivation, ...]:
        derivations = self._each("derive", Derivation)
        with placed(self.file, ("derive",)):
            return tuple(in_order(derivations))

    def _publish(self, fit: Mapping[str, Trainer], split: SplitRule | None) -> Publication | None:
        if "publish" not in self.file.values:
            return None
        key = ("publish",)
        publish = read_table(self.file, key, self._table(key), Publication)
        with placed(self.file, key):
            return publish.among(list(fit), valid=split is not None and bool(split.valid))
