"""`Derivation`: along which edges, with which weights, a node type gets its vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from graphemb.checks import check_choice, check_int, check_number
from graphemb.derive.weights import (
    Sif,
    Weighting,
    WeightLike,
    described,
    is_per_edge_type,
    read_weighting,
)
from graphemb.errors import ConfigError
from graphemb.types import EdgeType, Metapath, NodeType, check_metapath

Normalise: TypeAlias = Literal["mean", "sum", "l2"]
NORMALISE = ("mean", "sum", "l2")

if TYPE_CHECKING:
    OnePath: TypeAlias = EdgeType | Sequence[EdgeType | str] | str
    AlongLike: TypeAlias = OnePath | Mapping[OnePath, float]
    WeightChoice: TypeAlias = WeightLike | Mapping[EdgeType | str, WeightLike]
else:  # pydantic hands over what it finds; `Derivation` reads it
    OnePath = AlongLike = WeightChoice = Any


@dataclass(frozen=True, kw_only=True, eq=False)
class Derivation:
    """Vectors for the node type where `along` starts, from those of the type where it ends.

    Attributes:
        along: an edge type (`SELLS` derives sellers from products; `SELLS.reverse` the other
            way), a metapath, or a mapping of several of those to a weight each. As text:
            `"seller-sells-product"`, and a metapath as a list of texts.
        weight: what an edge weighs, on every hop; see `graphemb.derive.weights`. A mapping from
            edge types gives some of them a weight of their own, the others keep the edge's.
        normalise: `mean` divides by the sum of the weights, `sum` does not, `l2` brings the sum
            to length 1. With several edge types each is normalised first, then they are added
            by their weights: `mean` divides by the sum of these (so an entity that lacks some
            has a shorter vector: less is known about it), `l2` brings the result to length 1.
        min_support: fewest edges (of a metapath: paths) to members with vectors that an entity
            needs, over all edge types; with fewer it is missing.

    Raises:
        ConfigError: a field out of its range; no metapath; paths that start at different types.
        UnknownName: an unknown weight.
    """

    along: AlongLike
    weight: WeightChoice = "edge"
    normalise: Normalise = "mean"
    min_support: int = 1

    def __post_init__(self) -> None:
        check_choice("normalise", self.normalise, NORMALISE)
        check_int("min_support", self.min_support, low=1)
        assert self.paths and self.weightings  # read now, so that errors come now

    @cached_property
    def paths(self) -> dict[Metapath, float]:
        """The metapaths of `along` and their weights."""
        return read_paths(self.along)

    @cached_property
    def weightings(self) -> dict[EdgeType, Weighting]:
        """The weighting of every edge type of these paths."""
        return _read_weightings(self.weight, self.paths)

    @property
    def derived_type(self) -> NodeType:
        """The node type that gets vectors."""
        return next(iter(self.paths))[0].src

    @property
    def member_types(self) -> tuple[NodeType, ...]:
        """The node types whose vectors it takes."""
        return tuple(dict.fromkeys(path[-1].dst for path in self.paths))

    @property
    def removes_component(self) -> bool:
        """Whether the first component is taken out at the end (SIF)."""
        parts = [part for weighting in self.weightings.values() for part in weighting]
        return any(isinstance(part, Sif) and part.remove for part in parts)

    def describe(self) -> dict[str, Any]:
        """The fields, JSON-able: what a manifest records."""
        along = {" ".join(map(str, path)): share for path, share in self.paths.items()}
        weight = {str(edge_type): described(one) for edge_type, one in self.weightings.items()}
        only = next(iter(weight.values()))
        return {
            "along": along,
            "weight": only if all(one == only for one in weight.values()) else weight,
            "normalise": self.normalise,
            "min_support": self.min_support,
        }


def read_paths(along: AlongLike) -> dict[Metapath, float]:
    """Metapaths and their weights; a weight of 0 leaves a path out.

    Raises:
        ConfigError: not edge types, not a metapath, a negative weight, or different starts.
    """
    given = along if isinstance(along, Mapping) else {_hashable(along): 1.0}
    paths: dict[Metapath, float] = {}
    for key, share in given.items():
        check_number(f"along[{key}]", share, low=0.0)
        if share > 0:
            paths[_read_path(key)] = float(share)
    if not paths:
        raise ConfigError("no edge type is given to derive along", field="along", value=along)
    starts = {path[0].src for path in paths}
    if len(starts) > 1:
        raise ConfigError(
            f"one derivation makes one node type, these start at {', '.join(sorted(starts))}",
            field="along",
            hint="an edge type starts at the type that is derived; use .reverse for the other way",
        )
    return paths


def _hashable(along: Any) -> Any:
    return tuple(along) if isinstance(along, list) else along


def _read_path(path: Any) -> Metapath:
    if isinstance(path, EdgeType):
        return (path,)
    if isinstance(path, str):
        path = path.split()
    if not isinstance(path, Sequence):
        raise ConfigError("an edge type or a metapath is wanted", field="along", value=path)
    hops = [hop if isinstance(hop, EdgeType) else EdgeType.parse(hop) for hop in path]
    return check_metapath(hops)


def _read_weightings(
    weight: WeightChoice, paths: Mapping[Metapath, float]
) -> dict[EdgeType, Weighting]:
    edge_types = dict.fromkeys(hop for path in paths for hop in path)
    if not is_per_edge_type(weight):
        weighting = read_weighting(weight)  # type: ignore[arg-type]
        return dict.fromkeys(edge_types, weighting)
    given = {
        key if isinstance(key, EdgeType) else EdgeType.parse(str(key)): read_weighting(one)
        for key, one in weight.items()  # type: ignore[union-attr]
    }
    for edge_type in given:
        if edge_type not in edge_types:
            raise ConfigError(
                "a weight is given for an edge type that is not derived along",
                field="weight",
                value=str(edge_type),
                hint=f"along: {', '.join(map(str, edge_types))}",
            )
    default = read_weighting("edge")
    return {edge_type: given.get(edge_type, default) for edge_type in edge_types}
