"""The same evaluation under several seeds: how much is luck."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from graphemb.checks import check_int
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.evaluate.links import Evaluation
from graphemb.evaluate.report import Estimate, Report, Row, Section
from graphemb.graph import HeteroGraph
from graphemb.split import Split, SplitRule, split_by

Fit = Callable[[HeteroGraph, int], Embeddings | Mapping[str, Embeddings]]
"""Makes candidates from a training graph and a seed."""


def evaluate_seeds(
    fit: Fit,
    graph: HeteroGraph,
    rule: SplitRule,
    *,
    seeds: int | Sequence[int] = 5,
    evaluation: Evaluation | None = None,
) -> Report:
    """Split, fit and evaluate once per seed; means with 95 % intervals over the seeds.

    The seed changes the split (a random one; ties and drawn queries in the others), the fit, and
    what the evaluation draws. Intervals are Student's t over seeds; those of one evaluation are
    over its queries.

    Args:
        fit: called with each training graph and seed.
        seeds: how many (0, 1, ...), or which.

    Raises:
        ConfigError: fewer than two seeds; candidates differ from seed to seed.
    """
    if isinstance(seeds, int):
        check_int("seeds", seeds, low=2)
        seeds = range(seeds)
    evaluation = evaluation or Evaluation()

    def one(seed: int) -> Report:
        split: Split = split_by(replace(rule, seed=seed), graph)
        return replace(evaluation, seed=seed).run(fit(split.train, seed), split)

    return mean_report([one(seed) for seed in seeds])


def mean_report(reports: Iterable[Report]) -> Report:
    """The mean of reports of the same shape, with 95 % intervals over them.

    Raises:
        ConfigError: fewer than two, or different sections or rows.
    """
    reports = list(reports)
    if len(reports) < 2:
        raise ConfigError("an interval needs two reports or more", value=len(reports))
    titles = [section.title for section in reports[0].sections]
    sections = []
    for title in titles:
        parts = [part for report in reports for part in report.sections if part.title == title]
        sections.append(_mean_section(parts))
    facts = {"reports": [dict(report.facts) for report in reports]}
    return Report(tuple(sections), facts)


def _mean_section(parts: list[Section]) -> Section:
    first = parts[0]
    names = [row.name for row in first.rows]
    if any([row.name for row in part.rows] != names for part in parts):
        raise ConfigError("the reports have different rows", value=first.title)
    columns = list(dict.fromkeys(column for part in parts for column in part.columns))
    rows = []
    for place, row in enumerate(first.rows):
        values = {
            column: over_seeds(
                [part.rows[place].values[column].value for part in parts if column in part.columns]
            )
            for column in columns
        }
        rows.append(Row(row.name, row.role, values))
    notes = (*first.notes, f"means and intervals over {len(parts)} seeds")
    facts = {"seeds": [dict(part.facts) for part in parts]}
    return Section(first.title, tuple(rows), first.kind, first.neutral, facts, notes)


def over_seeds(values: list[float]) -> Estimate:
    """The mean and Student's 95 % interval."""
    known = np.array([value for value in values if not math.isnan(value)])
    if known.size < 2:
        return Estimate(float(known[0]) if known.size else math.nan)
    spread = stdtrit(known.size - 1, 0.975) * known.std(ddof=1) / np.sqrt(known.size)
    mean = float(known.mean())
    return Estimate(mean, mean - float(spread), mean + float(spread))
