"""What a set of the recommender benchmark is; each has a module of its own that ends in `SET`.

A module defines `SET = RecSet(...)` and is named in `benchmarks.recsys.SETS`. A method is a
function of a seed that fits, scores and says what it found; it runs in a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

Role = Literal["ours", "simple"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Measured:
    """What one run found.

    Attributes:
        figures: in the order of the set's measures.
        seconds: wall time of fitting, without reading and judging; None where nothing is fitted.
        facts: anything else worth keeping, by name.
    """

    figures: tuple[float, ...]
    seconds: float | None = None
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """One line of a set's table.

    Attributes:
        name: trainer and fields, as the table says it.
        run: from a seed to figures.
        role: `ours`, or `simple`: what any model has to beat.
        seeded: whether the seed matters; else it is run once.
    """

    name: str
    run: Callable[[int], Measured]
    role: Role = "ours"
    seeded: bool = True


@dataclass(frozen=True)
class RecSet:
    """A set with its measures, targets and methods.

    Attributes:
        name: of the set.
        measures: what the figures are; the first decides.
        about: the protocol in a sentence or two, and how fields were chosen.
        must, goal: least figures wanted, in the order of the measures.
        published: others' figures, in the order of the measures; NaN where there is none.
        methods: ours and simple ones.
    """

    name: str
    measures: tuple[str, ...]
    about: str
    must: tuple[float, ...]
    goal: tuple[float, ...]
    methods: tuple[Method, ...]
    published: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def method(self, name: str) -> Method:
        """The method of that name.

        Raises:
            UnknownName: there is none.
        """
        from graphemb.errors import UnknownName

        for method in self.methods:
            if method.name == name:
                return method
        raise UnknownName("method", name, [method.name for method in self.methods])


def timed(run: Callable[[], _T]) -> tuple[_T, float]:
    """What a call returns, and its wall time in seconds."""
    begin = time.perf_counter()
    found = run()
    return found, time.perf_counter() - begin
