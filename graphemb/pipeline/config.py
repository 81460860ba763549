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

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphemb.derive import Derivation
from graphemb.errors import ConfigError, SourceError
from graphemb.evaluate import Evaluation
from graphemb.graph import HeteroGraph, Policies
from graphemb.pipeline.choice import Classification, Publication
from graphemb.pipeline.environment import expanded
from graphemb.pipeline.toml_lines import TomlFile, read_toml
from graphemb.source import AnswerSize, GraphSpec, OnLoad, Source, answer_sizes, load_graph
from graphemb.split import SplitRule
from graphemb.trainers.base import Trainer, describe
from graphemb.types import EdgeType, NodeType


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a graph is read; fields of `[graph]`.

    Attributes:
        allow_empty: node and edge types that may have no rows.
        root: folder that relative names in the address and the queries start at; itself relative
            to the file. `${NAME}` in it stands for an environment variable.

    Raises:
        ConfigError: an empty root.
    """

    allow_empty: tuple[str, ...] = ()
    root: str = "."

    def __post_init__(self) -> None:
        if not self.root:
            raise ConfigError("root is the name of a folder", field="root", value=self.root)


@dataclass(frozen=True, kw_only=True)
class GraphTable:
    """Where the graph comes from.

    Attributes:
        source: the address.
        spec: the queries.
        policies: what to do with rows that can be read in more than one way.
        reading: the rest.
    """

    source: Source
    spec: GraphSpec
    policies: Policies
    reading: Reading


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
            seed: stands for the file's top-level `seed`; walk models are then deterministic
                unless their table says otherwise, so that the same vectors come out again.

        Raises:
            UnknownName: a key, trainer or candidate that is not known, at its line.
            ConfigError: not TOML, a doubled key, a wrong type or value, at its line.
        """
        from graphemb.pipeline.reader import Reader

        return Reader(read_toml(Path(path)), seed).config()

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
        table = self.graph
        with self._query_lines():
            return load_graph(
                table.source,
                table.spec,
                policies=table.policies,
                root=self._root(),
                allow_empty=table.reading.allow_empty,
                on_progress=on_progress,
            )

    def sizes(self) -> dict[NodeType | EdgeType, AnswerSize] | None:
        """How large the answers to the graph's queries will be; None where nobody can count.

        Raises:
            SourceError, ConfigError: as `load`.
        """
        with self._query_lines():
            return answer_sizes(self.graph.source, self.graph.spec, root=self._root())

    def _root(self) -> Path:
        place = self.file.at(("graph", "root"))
        return self.folder / expanded(self.graph.reading.root, field="root", source=place)

    def describe(self) -> dict[str, Any]:
        """The file's tables, JSON-able, with the seed in use: what a manifest records."""
        return {
            "seed": self.seed,
            "graph": {
                "uri": self.graph.source.uri,
                "root": self.graph.reading.root,
                **self.graph.spec.to_dict(),
                "policies": asdict(self.graph.policies),
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
