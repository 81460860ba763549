"""Job views: each applicant's last job among all 7,047, three quarters of them never viewed before.

The graph is that of `benchmarks/specs/jobs.toml`, which tells the set's traps. Two kinds of edges
are added here: the words that a position is made of, and the order of posting (jobs whose ids lie
near each other were posted near each other; one attribute each for ids // 20, // 100 and // 500).
What an applicant says of past and wanted positions counts when it was said before their last
training view.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

import graphemb as ge
from benchmarks.recsys.sets import Measured, Method, RecSet, timed
from graphemb.derive.run import run
from graphemb.evaluate.baselines import BaselineName
from graphemb.evaluate.links import Evaluation
from graphemb.pipeline import RunConfig
from graphemb.types import EdgeType

Weights: TypeAlias = dict[EdgeType | Sequence[EdgeType | str] | str, float]

VIEWS = EdgeType("applicant", "views", "job")
SPELLED = EdgeType("position", "spelled", "word")
OWN = (EdgeType("applicant", "worked_as", "position"), EdgeType("applicant", "wants", "position"))

MADE_OF: Weights = {
    "job-located_in-city": 1.3,
    "job-located_in-city city-part_of-state": 1.1,
    "job-posted_by-company": 0.6,
    "job-posted_by-company company-works_in-industry": 0.3,
    "job-of-industry": 0.5,
    "job-for-position": 0.3,
    "job-titled-word": 0.9,
}
"""The weights of the run file."""
POSTED: Weights = {f"job-posted_{width}-period": 0.5 for width in (20, 100, 500)}
SAID: Weights = {f"{edge_type} {SPELLED}": 0.5 for edge_type in OWN}
_SPEC = Path(__file__).parents[1] / "specs" / "jobs.toml"
_PERIODS = 5
"""Parts of the held-out views that are asked one by one, each after training on all before it."""


@cache
def graph() -> ge.HeteroGraph:
    """The run file's graph without the postings of the other set, and the two kinds of edges."""
    read = RunConfig.read(_SPEC).load()
    read = read.select([kind for kind in read.edge_types if kind.src != "posting"])
    words = set(read.ids("word").to_list())
    spelled = [
        (position, word)
        for position in read.ids("position").to_list()
        for word in sorted(set(re.findall("[a-z0-9]+", str(position))) & words)
    ]
    edges = {SPELLED: {"src": [one for one, _ in spelled], "dst": [two for _, two in spelled]}}
    jobs = [str(job) for job in read.ids("job").to_list()]
    kinds = [EdgeType.parse(str(path)) for path in POSTED]
    for kind in kinds:
        width = int(kind.relation.rsplit("_", 1)[1])
        edges[kind] = {"src": jobs, "dst": [f"{width}:{int(job) // width}" for job in jobs]}
    periods = sorted({period for kind in kinds for period in edges[kind]["dst"]})
    return read.extend({"period": {"id": periods}}, edges)


@cache
def split() -> ge.Split:
    """Everybody's last view held out; what they said after the one before it is gone."""
    whole = ge.split_edges(graph(), VIEWS, by="leave_one_out")
    return replace(whole, train=as_said(whole.train))


def as_said(train: ge.HeteroGraph) -> ge.HeteroGraph:
    """Without what applicants said after their last view."""
    views = train[VIEWS]
    last = np.full(views.num_src, np.iinfo(np.int64).min)
    np.maximum.at(last, views.sources(), _times(train, VIEWS))
    for said in OWN:
        keep = _times(train, said) <= last[train[said].sources()]
        train = train.with_edges(said, keep)
    return train


def _times(train: ge.HeteroGraph, edge_type: EdgeType) -> npt.NDArray[np.int64]:
    times = train[edge_type].times
    assert times is not None
    return times


def judged(embeddings: ge.Embeddings | None, asked: ge.Split, row: str) -> Measured:
    """HR@10 and NDCG@10 among all jobs, and HR@10 among those of the target's own status.

    Without embeddings it is the best baseline whose name begins with `row`.
    """
    baselines: tuple[BaselineName, ...] = () if embeddings is not None else (_BASELINES[row],)
    evaluation = Evaluation(at=(10,), negatives=(), baselines=baselines)
    report = evaluation.run({row: embeddings} if embeddings is not None else {}, asked)
    named = {name: found for name, found in report.metrics.items() if name.startswith(row)}
    best = max(named, key=lambda name: named[name]["hit@10"])
    (own,) = [one for one in report.sections[-1].rows if one.name == best]
    values = {name: figure.value for name, figure in own.values.items()}
    figures = (named[best]["hit@10"], named[best]["ndcg@10"], values["recall@10"])
    return Measured(figures, None, {"unseen in top 10": values["unseen in top 10"]})


_BASELINES: Mapping[str, BaselineName] = {
    "popularity": "popularity",
    "ItemKNN": "item_knn",
    "same": "same_attribute",
}


def counted(row: str, seed: int) -> Measured:
    """A baseline of the report."""
    del seed
    return judged(None, split(), row)


def summed(seed: int) -> Measured:
    """The run file as it stands: random directions, summed, nothing trained."""
    config = RunConfig.read(_SPEC, seed=seed)
    (trainer,) = config.fit.values()

    def made() -> ge.Embeddings:
        found = trainer.fit(split().train)
        for derivation in config.derive:
            found = found.merge(run(derivation, found, split().train))
        return found

    embeddings, seconds = timed(made)
    return replace(judged(embeddings, split(), "sum"), seconds=seconds)


def tower(seed: int, *, full: bool, dim: int = 256) -> ge.AttributeTower:
    """The trained sum; `full` has the order of posting and what applicants said as well."""
    items: Weights = {**MADE_OF, **POSTED} if full else MADE_OF
    said: Weights = SAID if full else {}
    return ge.AttributeTower(along=VIEWS, items=items, users=said, dim=dim, epochs=2, seed=seed)


def trained(full: bool, dim: int, seed: int) -> Measured:
    """The tower after training on everything but the last views."""
    embeddings, seconds = timed(lambda: tower(seed, full=full, dim=dim).fit(split().train))
    return replace(judged(embeddings, split(), "tower"), seconds=seconds)


def strict(seed: int) -> Measured:
    """The full tower, each fifth of the questions after training on what came before all of it."""
    asked, found = split(), []
    assert asked.test.time is not None
    cuts = np.quantile(asked.test.time, np.linspace(0, 1, _PERIODS + 1)).astype(np.int64)
    cuts[-1] += 1
    model, total = tower(seed, full=True), 0.0
    for begin, end in pairwise(cuts):
        part = (asked.test.time >= begin) & (asked.test.time < end)
        before = asked.train.as_of(int(begin))
        encoder, seconds = timed(lambda before=before: model.fit_encoder(before))  # type: ignore[misc]
        total += seconds
        questions = replace(asked, test=asked.test.take(part))
        measured = judged(encoder.embed(asked.train), questions, "tower")
        found.append((int(part.sum()), measured))
    weights = np.array([size for size, _ in found], float)
    figures = np.average([one.figures for _, one in found], axis=0, weights=weights)
    unseen = np.average([one.facts["unseen in top 10"] for _, one in found], weights=weights)
    return Measured(tuple(figures.tolist()), total, {"unseen in top 10": float(unseen)})


_LABELS = {"popularity": "popularity", "ItemKNN": "ItemKNN", "same": "same city as the history"}

SET = RecSet(
    name="jobs_views",
    measures=("HR@10", "NDCG@10", "HR@10 own status"),
    about=(
        "1,672 applicants' last job among all 7,047, viewed ones left out; a re-view is no view. "
        "Three quarters of the answers were never viewed in training, and the catalogue is what "
        "was viewed by somebody: the third figure ranks among jobs of the answer's own status, "
        "viewed in training or not, where favouring new jobs gains nothing. Fields were chosen on "
        "everybody's last view but one. `strict`: each fifth of the questions is asked of a tower "
        "trained on what came before all of that fifth. Posting order is read off the job ids."
    ),
    must=(0.36, 0.23),
    goal=(0.42, 0.265),
    methods=(
        Method("AttributeTower, posting order, experience, dim=512", partial(trained, True, 512)),
        Method("AttributeTower", partial(trained, False, 256)),
        Method("AttributeTower, dim=128", partial(trained, False, 128)),
        Method("AttributeTower, posting order, experience, strict", strict),
        Method("attributes summed, nothing trained, dim=1024", summed, role="simple"),
        *(
            Method(label, partial(counted, row), role="simple", seeded=False)
            for row, label in _LABELS.items()
        ),
    ),
)
