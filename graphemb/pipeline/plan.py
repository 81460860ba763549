"""The plan of a run: its steps, and how much memory each will take.

Estimates are made from counts, before anything large is allocated: the load's from what the
database counts, all others from the loaded graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphemb.errors import MemoryLimit
from graphemb.graph import HeteroGraph
from graphemb.pipeline import memory
from graphemb.pipeline.config import RunConfig
from graphemb.pipeline.estimates import CODE, Fit, derive_bytes, evaluate_bytes, load_bytes
from graphemb.split import Split

LOAD = "load"


@dataclass(frozen=True)
class PlannedStep:
    """A step to come.

    Attributes:
        name: `fit walks`, `derive for walks`, `evaluate`, `publish`.
        what: what it will do.
        held: bytes in memory when it begins.
        parts: what it needs on top while it runs, by component.
    """

    name: str
    what: str
    held: int
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Memory of the process at the step's peak."""
        return self.held + sum(self.parts.values())


@dataclass(frozen=True)
class Plan:
    """Steps still to come: the load alone, and after split and audit all others.

    Attributes:
        steps: in order.
    """

    steps: tuple[PlannedStep, ...]

    @property
    def bytes(self) -> int:
        """Memory of the process at the highest peak."""
        return max((step.bytes for step in self.steps), default=0)

    def check(self, limit: int | None = None) -> None:
        """Refuse a run that will not fit.

        Args:
            limit: bytes of this process; None: what it has and what the machine has free.

        Raises:
            MemoryLimit: names the step and its components.
        """
        if limit is None:
            free = memory.available()
            limit = None if free is None else free + memory.resident()
        for step in self.steps:
            if limit is not None and step.bytes > limit:
                raise _too_much(step, limit)


def _too_much(step: PlannedStep, limit: int) -> MemoryLimit:
    parts = {"in memory before": step.held, **step.parts}
    less = "fewer rows or columns" if step.name == LOAD else "a smaller dim or fewer candidates"
    listed = ", ".join(f"{name} {memory.readable(size)}" for name, size in parts.items())
    return MemoryLimit(
        f"the step {step.name!r} needs about {memory.readable(step.bytes)}, "
        f"and {memory.readable(limit)} are allowed",
        source=step.name,
        hint=f"{listed}; {less} need less",
    )


def plan_load(config: RunConfig) -> Plan:
    """The load, as far as its loader can count; else nothing.

    Raises:
        SourceError, ConnectionFailed: as when the graph is loaded.
    """
    sizes = config.sizes()
    if not sizes:
        return Plan(())
    what = f"{sum(size.rows for size in sizes.values()):,} rows of {len(sizes)} queries"
    return Plan((PlannedStep(LOAD, what, memory.resident(), load_bytes(sizes)),))


def make_plan(config: RunConfig, train: HeteroGraph, split: Split | None) -> Plan:
    """Plan the steps that follow load, split and audit.

    Args:
        train: the graph to fit on, in memory now.
        split: what evaluation will ask.
    """
    held = memory.resident()
    steps: list[PlannedStep] = []
    known: set[object] = set()
    fits = {name: Fit(trainer, train) for name, trainer in config.fit.items()}
    for name, fit in fits.items():
        stays = {"merged edges": fit.merged, "compiled code": CODE, **fit.libraries}
        shared = {"merged edges": _choice(fit), "compiled code": fit.family}
        for part, key in {**shared, **{name: name for name in fit.libraries}}.items():
            if key in known:
                del stays[part]
            known.add(key)
        what = f"{fit.family}, dim {fit.dim}"
        steps.append(PlannedStep(f"fit {name}", what, held, {**stays, **fit.parts()}))
        held += sum(stays.values()) + fit.vectors
        if config.derive:
            parts = derive_bytes(config.derive, fit.dim, train)
            made = ", ".join(one.derived_type for one in config.derive)
            steps.append(PlannedStep(f"derive for {name}", made, held, parts))
            held += parts["vectors"]
    if split is not None:
        what = f"{len(split.test):,} pairs of {split.edge_type}, {len(fits)} candidates"
        parts = evaluate_bytes(config.evaluate, split, [fit.dim for fit in fits.values()])
        steps.append(PlannedStep("evaluate", what, held, parts))
    if config.publish is not None:
        what = f"{config.publish.name}, from {config.publish.fit}, in {config.publish.store}"
        largest = max(fit.matrix for fit in fits.values())
        steps.append(PlannedStep("publish", what, held, {"vectors as Arrow": largest}))
    return Plan(tuple(steps))


def _choice(fit: Fit) -> object:
    """What decides the merged edges: the graph keeps them for the next fit that asks the same."""
    weights = getattr(fit.trainer, "edge_types", None)
    return tuple(weights.items()) if isinstance(weights, Mapping) else fit.edge_types
