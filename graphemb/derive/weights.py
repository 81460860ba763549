"""What an edge weighs in a derivation: small values, each also written as text or TOML.

A weighting is one *base* (what the edge itself says) times any number of *discounts* (what else
is known). In TOML: `"log1p"`, `{recency = {half_life = "30d"}}`, `{column = "price"}`, or a list
whose parts are multiplied: `["log1p", {rank = {decay = 0.8}}]`. A discount alone stands on the
edge's weight; `["one", "idf"]` leaves that out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphemb.checks import check_number, check_positive
from graphemb.errors import ConfigError, UnknownName
from graphemb.types import EdgeType

_MICROS = {"us": 1, "ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6}
_MICROS |= {"d": 86_400 * 10**6, "w": 7 * 86_400 * 10**6}
_DURATION = re.compile(r"\s*([0-9.]+)\s*([a-z]+)\s*\Z")


@dataclass(frozen=True)
class EdgeWeight:
    """The edge's own weight; 1 where edges have none."""


@dataclass(frozen=True)
class One:
    """1 for every edge."""


@dataclass(frozen=True)
class Log1p:
    """log(1 + weight): the tenth purchase counts less than the first."""


@dataclass(frozen=True)
class Column:
    """A numeric edge column instead of the weight.

    Attributes:
        name: of the column.
    """

    name: str


@dataclass(frozen=True, eq=False)
class Values:
    """The caller's own weights instead of the edge's.

    Attributes:
        array: [m] finite and at least 0, in the order of `graph.edge_table(edge_type)`.
    """

    array: npt.ArrayLike


@dataclass(frozen=True)
class Recency:
    """2^(-age / half_life).

    Attributes:
        half_life: "30d", "12h", "2min", a timedelta, or seconds.
        now: what ages are counted from (ISO text, date, datetime or microseconds); None: the
            newest time in the graph. An edge later than this is refused.
    """

    half_life: str | float | timedelta
    now: Any = None

    def __post_init__(self) -> None:
        check_positive("half_life", self.micros)

    @property
    def micros(self) -> float:
        """The half-life in microseconds.

        Raises:
            ConfigError: not a duration.
        """
        if isinstance(self.half_life, timedelta):
            return self.half_life / timedelta(microseconds=1)
        if isinstance(self.half_life, str):
            match = _DURATION.match(self.half_life)
            if match and match[2] in _MICROS and match[1].count(".") < 2 and match[1] != ".":
                return float(match[1]) * _MICROS[match[2]]
            raise ConfigError(
                "a half-life is a number and a unit",
                field="half_life",
                value=self.half_life,
                hint=f"for example '30d'; units: {', '.join(_MICROS)}",
            )
        check_number("half_life", self.half_life)
        return self.half_life * 1e6


@dataclass(frozen=True)
class Rank:
    """decay^(how many edges of the same entity come before): the newest weighs 1.

    Edges that tie share the better place, so that no order of input plays a part.

    Attributes:
        decay: above 0, at most 1.
        by: "time" (newest first), "weight" (heaviest first) or an edge column (largest first).
    """

    decay: float = 0.8
    by: str = "time"

    def __post_init__(self) -> None:
        check_number("decay", self.decay, above=0.0, high=1.0)


@dataclass(frozen=True)
class Idf:
    """log(1 + N / n): N entities have edges, n of them to this member. Common members say less."""


@dataclass(frozen=True)
class Sif:
    """a / (a + p), p the member's share of all edge weight; then the first component is removed.

    Arora, Liang, Ma 2017. Differs in nothing but that one derived vector alone keeps its first
    component, and that one which holds nothing else is missing rather than zero.

    Attributes:
        a: smaller takes more from the common members.
        remove: whether the first component is removed.
    """

    a: float = 1e-3
    remove: bool = True

    def __post_init__(self) -> None:
        check_positive("a", self.a)


Base: TypeAlias = EdgeWeight | One | Log1p | Column | Values
Discount: TypeAlias = Recency | Rank | Idf | Sif
Weighting: TypeAlias = tuple[Base | Discount, ...]
"""One base first, then discounts; what `read_weighting` returns."""

_SCHEMES: dict[str, type[Base] | type[Discount]] = {
    "edge": EdgeWeight,
    "one": One,
    "log1p": Log1p,
    "column": Column,
    "values": Values,
    "recency": Recency,
    "rank": Rank,
    "idf": Idf,
    "sif": Sif,
}
_NAMES = {scheme: name for name, scheme in _SCHEMES.items()}
_BASES = (EdgeWeight, One, Log1p, Column, Values)

if TYPE_CHECKING:
    OneWeight: TypeAlias = str | Base | Discount | npt.NDArray[Any] | Mapping[str, Any]
    WeightLike: TypeAlias = OneWeight | list[OneWeight] | tuple[OneWeight, ...]
else:  # pydantic hands over what it finds; `read_weighting` checks it
    OneWeight = WeightLike = Any


def read_weighting(weight: WeightLike) -> Weighting:
    """The weighting that text, TOML, an array or scheme objects stand for.

    Raises:
        UnknownName: an unknown scheme, or an unknown field of one.
        ConfigError: two bases, or a field out of its range.
    """
    listed = weight if isinstance(weight, list | tuple) else [weight]
    parts = [_read_scheme(part) for part in listed]
    bases = [part for part in parts if isinstance(part, _BASES)]
    discounts = [part for part in parts if not isinstance(part, _BASES)]
    if len(bases) > 1:
        raise ConfigError(
            "one weighting has two bases",
            field="weight",
            value=[_NAMES[type(base)] for base in bases],
            hint="multiply one of edge, one, log1p, column, values by recency, rank, idf or sif",
        )
    return (*(bases or [EdgeWeight()]), *discounts)


def _read_scheme(weight: Any) -> Base | Discount:
    if type(weight) in _NAMES:
        return weight  # type: ignore[no-any-return]
    if isinstance(weight, np.ndarray):
        return Values(weight)
    name: Any = weight
    config: Any = {}
    if isinstance(weight, Mapping) and len(weight) == 1:
        ((name, config),) = weight.items()
    if not isinstance(name, str) or name not in _SCHEMES:
        raise UnknownName("weight", name, _SCHEMES)
    kind = _SCHEMES[name]
    known = [field.name for field in fields(kind)]
    if not isinstance(config, Mapping):
        config = dict(zip(known[:1], [config], strict=False))
    for key in config:
        if key not in known:
            raise UnknownName(f"field of the weight {name}", key, known)
    try:
        return kind(**config)
    except TypeError as error:
        wanted = ", ".join(known)
        raise ConfigError(
            f"the weight {name!r} needs its fields: {wanted}", field="weight", value=weight
        ) from error


def is_per_edge_type(weight: object) -> bool:
    """Whether a mapping gives weightings by edge type rather than one scheme's fields."""
    if not isinstance(weight, Mapping):
        return False
    return any(isinstance(key, EdgeType) or "-" in str(key) for key in weight)


def described(weighting: Weighting) -> Any:
    """The weighting as TOML would have it; an array by its length."""
    told: list[Any] = []
    for part in weighting:
        name = _NAMES[type(part)]
        config = {field.name: _plain(getattr(part, field.name)) for field in fields(part)}
        told.append({name: config} if config else name)
    if len(told) > 1 and told[0] == "edge":
        told = told[1:]
    return told[0] if len(told) == 1 else told


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, np.ndarray | list | tuple):
        return f"an array of {len(value)}"
    return str(value)
