"""A run: load -> split -> audit -> fit -> derive -> evaluate -> publish."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graphemb.derive import derive_chain
from graphemb.embeddings import Embeddings
from graphemb.errors import GraphEmbError
from graphemb.evaluate import Report
from graphemb.graph import HeteroGraph
from graphemb.pipeline import memory, say
from graphemb.pipeline.choice import BEST, Publication
from graphemb.pipeline.config import RunConfig
from graphemb.pipeline.fits import Fits, key_of, resumable
from graphemb.pipeline.plan import LOAD, Plan, make_plan, plan_load
from graphemb.pipeline.reports import save_report
from graphemb.progress import Step, Steps
from graphemb.split import Audit, Split, audit_leaks, split_by
from graphemb.store import EmbeddingStore
from graphemb.trainers.base import Trainer


@dataclass(frozen=True)
class Took:
    """What a step took.

    Attributes:
        name: of the step.
        seconds: wall time.
        peak: most bytes in memory while it ran.
    """

    name: str
    seconds: float
    peak: int


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult:
    """What a run made.

    Attributes:
        graph: as loaded.
        split: None when the file has no `[split]`.
        audit: of the split.
        plan: the steps and their estimated memory.
        candidates: by name, derived types included; empty after a dry run.
        report: None without anything to evaluate, or after a dry run.
        chosen: the candidate that was published.
        version: its number.
        took: each step's time and memory.
    """

    graph: HeteroGraph
    split: Split | None
    audit: Audit | None
    plan: Plan
    candidates: Mapping[str, Embeddings] = field(default_factory=dict)
    report: Report | None = None
    chosen: str | None = None
    version: int | None = None
    took: tuple[Took, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a run keeps what is not published.

    Attributes:
        work: fitted candidates, by which an interrupted run goes on.
        report: the report's folder, replaced by each run.
    """

    work: Path
    report: Path

    @classmethod
    def beside(cls, config: RunConfig) -> Places:
        """`.graphemb/NAME` and `NAME-report` beside the file `NAME.toml`."""
        name = config.file.path.stem
        return cls(work=config.folder / ".graphemb" / name, report=config.folder / f"{name}-report")


def run(
    config: RunConfig,
    *,
    steps: Steps | None = None,
    places: Places | None = None,
    dry_run: bool = False,
    fresh: bool = False,
    memory_limit: int | None = None,
) -> RunResult:
    """Do everything that a run file says.

    Args:
        steps: told about each step.
        places: None: `Places.beside` the file.
        dry_run: load, split, audit and plan the rest; nothing is fitted and nothing written.
        fresh: fit again even what is kept.
        memory_limit: bytes of this process. Given, the loader counts before it loads, and a load
            that needs more is refused too. None: what the machine has free, after the load.

    Raises:
        MemoryLimit: a step would need more memory than there is; nothing was fitted.
        LeakError: the training graph, or a candidate, knows held-out pairs.
        GraphEmbError: whatever a step raises.
    """
    places = places or Places.beside(config)
    task = _Run(config, steps or Steps(), places)
    if memory_limit is not None:
        task.count(memory_limit)
    task.prepare()
    if dry_run:
        return task.result()
    task.plan.check(memory_limit)
    with task.fits.locked():
        if fresh:
            task.fits.clear()
        task.fit_all()
        task.evaluate()
        task.publish()
    return task.result()


_NO_PRODUCT = (
    "the score that it learns is no dot product of its vectors, and a run ranks and publishes these"
)


class _Run:
    """The state of one run."""

    graph: HeteroGraph
    train: HeteroGraph
    plan = Plan(())

    def __init__(self, config: RunConfig, steps: Steps, places: Places) -> None:
        self.config, self.steps, self.places = config, steps, places
        self.fits = Fits(places.work)
        self.split: Split | None = None
        self.audit: Audit | None = None
        self.candidates: dict[str, Embeddings] = {}
        self.report: Report | None = None
        self.chosen: str | None = None
        self.version: int | None = None
        self.took: list[Took] = []

    def count(self, limit: int) -> None:
        """Plan the load by what the database counts, and refuse it when it will not fit."""
        with self._step("count") as step:
            self.plan = plan_load(self.config)
            known = ", ".join(planned.what for planned in self.plan.steps)
            step.result = known or "this source counts nothing before it is read"
        self.plan.check(limit)

    def prepare(self) -> None:
        """Load, split and audit, and plan the rest."""
        with self._step(LOAD) as step:
            self.graph = self.train = self.config.load(say.rows_read(step))
            step.result = say.sizes(self.graph)
        self._note("", self.graph.notes)
        if self.config.split is not None:
            with self._step("split") as step, self._at("split"):
                self.split = split_by(self.config.split, self.graph)
                self.train = self.split.train
                step.result = say.held_out(self.split)
            with self._step("audit") as step, self._at("split"):
                self.audit = audit_leaks(self.split, seed=self.config.seed)
                step.result = "no leak found"
            self._note("a ranking that should know nothing: ", self.audit.warnings)
        rest = make_plan(self.config, self.train, self.split)
        self.plan = Plan((*self.plan.steps, *rest.steps))

    def fit_all(self) -> None:
        """Every candidate, with its derived types."""
        for name, trainer in self.config.fit.items():
            if not getattr(trainer, "ranks_by_product", True):
                self._note(f"{name}: ", [_NO_PRODUCT])
            with self._at("fit", name):
                emb = self._fitted(name, trainer)
                self.candidates[name] = self._with_derived(name, emb)

    def _fitted(self, name: str, trainer: Trainer) -> Embeddings:
        key = key_of(trainer, self.train)
        with self._step(f"fit {name}") as step:
            kept, why = self.fits.get(name, key)
            emb, how = (kept, ", kept from an earlier run") if kept else self._fit(name, key, step)
            if not kept:
                self.fits.put(name, key, emb)
            step.result = say.vectors(emb) + how
        self._note(f"{name}: ", [why] if why else [])
        return emb

    def _fit(self, name: str, key: Mapping[str, Any], step: Step) -> tuple[Embeddings, str]:
        """Fit a candidate, from its last checkpoint where there is one; and what to say of that."""
        trainer = self.config.fit[name]
        by_steps = resumable(trainer)
        if by_steps is None:
            return trainer.fit(self.train, on_epoch=step.on_epoch), ""
        folder = self.fits.checkpoint(name, key)
        how = ", gone on from a checkpoint" if name in self.fits.kept().begun else ""
        return by_steps.fit(self.train, on_epoch=step.on_epoch, checkpoint=folder), how

    def _with_derived(self, name: str, emb: Embeddings) -> Embeddings:
        if not self.config.derive:
            return emb
        with self._step(f"derive for {name}") as step:
            made = derive_chain(emb, self.train, self.config.derive)
            step.result = say.vectors(made)
        return emb.merge(made)

    def evaluate(self) -> None:
        """All candidates in one report, and the choice of one."""
        if self.config.publish is not None:
            self.chosen = self.config.publish.fit
        if self.split is None and not self.config.classify:
            return
        with self._step("evaluate") as step:
            self.report = self._link_report()
            for task in self.config.classify:
                with self._at("classify"):
                    found = task.run(self.candidates, self.graph, seed=self.config.seed)
                self.report = self.report.joined(found) if self.report else found
            assert self.report is not None
            save_report(self.report, self.places.report)
            step.result = f"report in {say.short(self.places.report)}"

    def _link_report(self) -> Report | None:
        split, publication = self.split, self.config.publish
        if split is None:
            return None
        audit_leaks(split, embeddings=self.candidates, probe=False)
        with self._at("evaluate"):
            report = self.config.evaluate.run(self.candidates, split)
        if publication is None or publication.fit != BEST:
            return report
        return self._with_choice(report, split, publication)

    def _with_choice(self, report: Report, split: Split, publication: Publication) -> Report:
        """Choose by the validation pairs; the report says how."""
        rules = replace(self.config.evaluate, part="valid", baselines=(), negatives=())
        valid = rules.run(self.candidates, split)
        with self._at("publish"):
            self.chosen = valid.best(publication.metric)
        choice = {
            "chosen": self.chosen,
            "by": publication.metric or "first NDCG",
            "on": "validation pairs",
            "values": valid.metrics,
        }
        return replace(report, facts={**report.facts, "choice": choice})

    def publish(self) -> None:
        """The chosen candidate becomes a new version."""
        publication = self.config.publish
        if publication is None or self.chosen is None:
            return
        with self._step("publish") as step, self._at("publish"):
            store = EmbeddingStore(self.config.folder / publication.store, force=publication.force)
            self.version = store.publish(
                publication.name,
                self.candidates[self.chosen],
                graph=self.train,
                report=self.report,
                spec=self.config.describe(),
                tag=publication.tag,
                idempotency_key=self.fits.attempt(self.config.describe()),
            )
            step.result = f"{publication.name} version {self.version}, from {self.chosen}"
        self.fits.done()

    def result(self) -> RunResult:
        """What there is now."""
        return RunResult(
            graph=self.graph,
            split=self.split,
            audit=self.audit,
            plan=self.plan,
            candidates=self.candidates,
            report=self.report,
            chosen=self.chosen,
            version=self.version,
            took=tuple(self.took),
        )

    @contextmanager
    def _step(self, name: str) -> Iterator[Step]:
        memory.reset_peak()
        start = time.perf_counter()
        with self.steps.step(name) as step:
            yield step
        self.took.append(Took(name, time.perf_counter() - start, memory.peak()))

    @contextmanager
    def _at(self, *key: str) -> Iterator[None]:
        """Say which line of the file an error is about, when it says nothing of its place."""
        try:
            yield
        except GraphEmbError as error:
            where = f"[{'.'.join(key)}], {self.config.file.at(key)}"
            error.source = f"{error.source}; {where}" if error.source else where
            raise

    def _note(self, before: str, notes: tuple[str, ...] | list[str]) -> None:
        for note in notes:
            self.steps.note(f"note: {before}{note}")
