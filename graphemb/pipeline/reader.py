"""From a parsed TOML file to a `RunConfig`: names become objects here, once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from graphemb.checks import check_int
from graphemb.derive import Derivation
from graphemb.derive.run import in_order
from graphemb.errors import ConfigError, UnknownName
from graphemb.evaluate import Evaluation
from graphemb.graph import Policies
from graphemb.pipeline.choice import Classification, Publication
from graphemb.pipeline.chosen import chosen_edges, learned_types
from graphemb.pipeline.config import GraphTable, Reading, RunConfig
from graphemb.pipeline.tables import check_keys, placed, read_table, sub_table, sub_tables
from graphemb.pipeline.toml_lines import KeyPath, TomlFile
from graphemb.source import GraphSpec, Source
from graphemb.split import SplitRule
from graphemb.trainers.base import Trainer, trainer_class
from graphemb.types import EdgeType

T = TypeVar("T")

_TABLES = ("seed", "graph", "split", "fit", "derive", "evaluate", "classify", "publish")
_CANDIDATE = re.compile(r"[A-Za-z0-9_-]{1,60}\Z")


class Reader:
    """Reads the tables of one file; every complaint names its line."""

    def __init__(self, file: TomlFile, seed: int | None) -> None:
        self.file = file
        check_keys(file, (), file.values, _TABLES)
        with placed(file, ()):
            self.seed: Any = file.values.get("seed", 0) if seed is None else seed
            check_int("seed", self.seed, low=0)
        self.repeatable = seed is not None
        self.graph = self._graph()

    def config(self) -> RunConfig:
        """All tables, checked one by one and against each other.

        Raises:
            UnknownName, ConfigError: see `RunConfig.read`.
        """
        split = self._split()
        fit = self._fit()
        derive = self._derive()
        for name, trainer in fit.items():
            self._check_derivable(name, trainer, derive)
        return RunConfig(
            file=self.file,
            seed=self.seed,
            graph=self.graph,
            split=split,
            fit=fit,
            derive=derive,
            evaluate=self._seeded(("evaluate",), Evaluation),
            classify=self._classify(),
            publish=self._publish(fit, split),
        )

    def _table(self, key: KeyPath) -> dict[str, Any]:
        values: Any = self.file.values
        for length, name in enumerate(key):
            values = sub_table(self.file, key[:length], values).get(str(name), {})
        return sub_table(self.file, key, values)

    def _seeded(self, key: KeyPath, kind: type[T], *, without: tuple[str, ...] = ()) -> T:
        """A table as a `kind`; the file's seed where the table has none.

        A seed asked for from outside asks for the same vectors again: what can be deterministic
        then is, unless the table says otherwise.
        """
        values = {name: value for name, value in self._table(key).items() if name not in without}
        if "seed" not in values and "seed" in _names(kind):
            values["seed"] = self.seed
        if self.repeatable and "deterministic" in _names(kind):
            values.setdefault("deterministic", True)
        return read_table(self.file, key, values, kind)

    def _graph(self) -> GraphTable:
        if "graph" not in self.file.values:
            raise ConfigError(
                "the file has no [graph]",
                code="missing_key",
                source=self.file.path,
                hint="it says where the graph comes from: uri, [graph.nodes], [graph.edges]",
            )
        key: KeyPath = ("graph",)
        values = self._table(key)
        known = [*_names(Source), *_names(GraphSpec), *_names(Reading), "policies"]
        check_keys(self.file, key, values, known)
        nodes, edges, parameters = (self._table((*key, name)) for name in _names(GraphSpec))
        with placed(self.file, key):
            spec = GraphSpec(nodes, edges, parameters)  # type: ignore[arg-type]
        policies = (*key, "policies")
        return GraphTable(
            source=read_table(self.file, key, _only(values, Source), Source),
            spec=spec,
            policies=read_table(self.file, policies, self._table(policies), Policies),
            reading=read_table(self.file, key, _only(values, Reading), Reading),
        )

    def _split(self) -> SplitRule | None:
        if "split" not in self.file.values:
            return None
        rule = self._seeded(("split",), SplitRule)
        self._check_edges(("split", "edge_type"), [rule.edge_type])
        self._check_edges(("split", "leaky_with"), rule.leaky_with)
        return rule

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
            found[name] = self._trainer(key)
        if not found:
            raise ConfigError(
                "the file has no [fit.NAME]", code="missing_key", source=self.file.path
            )
        return found

    def _trainer(self, key: KeyPath) -> Trainer:
        name = self._table(key).get("trainer")
        if not isinstance(name, str):
            raise ConfigError(
                f"[{'.'.join(map(str, key))}] lacks the name of a trainer",
                code="missing_key",
                source=self.file.at((*key, "trainer")),
                field="trainer",
                value=name,
            )
        kind = trainer_class(name, source=self.file.at((*key, "trainer")))
        trainer = self._seeded(key, kind, without=("trainer",))
        for field, hops in chosen_edges(trainer).items():
            self._check_edges((*key, field), hops)
        return trainer

    def _derive(self) -> tuple[Derivation, ...]:
        derivations = self._each("derive", Derivation)
        for number, one in enumerate(derivations):
            self._check_edges(
                ("derive", number, "along"), [hop for path in one.paths for hop in path]
            )
        with placed(self.file, ("derive",)):
            return tuple(in_order(derivations))

    def _check_derivable(
        self, name: str, trainer: Trainer, derivations: Sequence[Derivation]
    ) -> None:
        """Refuse a candidate that learns nothing about what others are derived from."""
        known = learned_types(trainer, self.graph.spec.edges)
        for one in derivations:
            unknown = [member for member in one.member_types if member not in known]
            if unknown:
                raise ConfigError(
                    f"{one.derived_type} is to be derived from {unknown[0]}, about which this "
                    "candidate learns nothing",
                    source=self.file.at(("fit", name)),
                    field=f"fit.{name}",
                    value=", ".join(sorted(known)),
                    hint=f"name an edge type of {unknown[0]} there, or leave the [[derive]] of "
                    f"{one.derived_type} out",
                )
            known.add(one.derived_type)

    def _classify(self) -> tuple[Classification, ...]:
        tasks = self._each("classify", Classification)
        for number, one in enumerate(tasks):
            if one.node_type not in self.graph.spec.nodes:
                place = self.file.at(("classify", number, "node_type"))
                raise UnknownName("node type", one.node_type, self.graph.spec.nodes, source=place)
        return tuple(tasks)

    def _publish(self, fit: Mapping[str, Trainer], split: SplitRule | None) -> Publication | None:
        if "publish" not in self.file.values:
            return None
        key = ("publish",)
        publish = read_table(self.file, key, self._table(key), Publication)
        with placed(self.file, key):
            return publish.among(list(fit), valid=split is not None and bool(split.valid))

    def _each(self, name: str, kind: type[T]) -> list[T]:
        tables = sub_tables(self.file, (name,), self.file.values.get(name, []))
        return [
            read_table(self.file, (name, number), values, kind)
            for number, values in enumerate(tables)
        ]

    def _check_edges(self, key: KeyPath, edge_types: Iterable[EdgeType]) -> None:
        """Refuse an edge type that no query of the file reads, before anything is loaded."""
        known = self.graph.spec.edges
        for edge_type in edge_types:
            if edge_type.stored not in known:
                raise UnknownName("edge type", edge_type, known, source=self.file.at(key))


def _names(kind: type[Any]) -> list[str]:
    """The fields that a table of this kind may have."""
    return [field.name for field in fields(kind) if field.init]


def _only(values: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    return {name: values[name] for name in _names(kind) if name in values}
