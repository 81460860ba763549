"""Held-out nodes: are those that come later embedded as well as by fitting all anew?"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from graphemb.checks import check_choice, check_int
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.evaluate.baselines import BaselineName, baseline_scorers
from graphemb.evaluate.measures import ranked
from graphemb.evaluate.report import Report, Role, Row, Section
from graphemb.evaluate.vectors import SCORERS, ScorerName, vector_scorer
from graphemb.graph import HeteroGraph
from graphemb.metrics import Placements
from graphemb.split.newcomers import Newcomers
from graphemb.split.questions import Questions
from graphemb.split.ranking import Scorer, rank_all
from graphemb.types import BoolArray

INDUCTIVE, RETRAINED = "inductive", "retrained"


class CanEmbed(Protocol):
    """A fitted encoder."""

    def embed(self, graph: HeteroGraph) -> Embeddings:
        """Vectors of a graph that has new nodes."""
        ...


class InductiveTrainer(Protocol):
    """A trainer that can embed nodes that come later."""

    def fit(self, graph: HeteroGraph) -> Embeddings:
        """Vectors of all nodes."""
        ...

    def fit_encoder(self, graph: HeteroGraph) -> CanEmbed:
        """What can embed a graph with new nodes."""
        ...


def evaluate_newcomers(
    trainer: InductiveTrainer,
    newcomers: Newcomers,
    *,
    at: int = 10,
    scorer: ScorerName = "dot",
    baselines: tuple[BaselineName, ...] = ("popularity", "common_neighbors"),
    seed: int = 0,
) -> Report:
    """Two fits of one trainer before the same questions: whom is each newcomer joined to?

    `inductive` is fitted on the graph without the newcomers, then shown them with the edges they
    come with. `retrained` is fitted on that larger graph. All nodes are ranked for every newcomer
    but those it is known to be joined to; the pairs asked for were seen by neither.

    Args:
        newcomers: of `hold_out_nodes`.
        at: the k of hit@k, recall@k and NDCG@k.
        scorer: `dot`, `cosine` or `hadamard`.
        baselines: which stand beside them; they know the larger graph.
        seed: of the order of candidates.

    Returns:
        One section; its fact `share_of_retrain` is the inductive hit@k over the retrained one,
        `lacks` counts by fit what had no vector and so was not found.

    Raises:
        ConfigError: `at` below 1, an unknown scorer, or a trainer that is not inductive.
    """
    check_int("at", at, low=1)
    check_choice("scorer", scorer, SCORERS)
    if not hasattr(trainer, "fit_encoder"):
        raise ConfigError(
            "this trainer has no encoder, so it cannot embed nodes that come later",
            field="trainer",
            value=type(trainer).__name__,
            hint="those that have `fit_encoder` can, such as GraphSAGE",
        )
    split = newcomers.split
    questions = Questions.of(split, seed=seed)
    mine = np.isin(questions.src_rows[questions.queries], newcomers.rows)
    fitted = {
        INDUCTIVE: trainer.fit_encoder(newcomers.past).embed(split.train),
        RETRAINED: trainer.fit(split.train),
    }
    made = {
        name: vector_scorer(name, vectors, questions, scorer, seed)
        for name, vectors in fitted.items()
    }
    entries: list[tuple[Role, Scorer]] = [("candidate", one) for one, _ in made.values()]
    entries += [("baseline", one) for one in baseline_scorers(questions, baselines, seed)]
    rows = tuple(
        Row(entry.name, role, ranked(_only(rank_all(questions, entry).placed, mine), (at,)))
        for role, entry in entries
    )
    hits = [row.values[f"hit@{at}"].value for row in rows[:2]]
    facts = {
        "newcomers": len(newcomers.ids),
        "queries": int(mine.sum()),
        "positives": int(np.diff(questions.offsets)[mine].sum()),
        "candidates": questions.num_candidates,
        "lacks": {name: lacks for name, (_, lacks) in made.items()},
        "share_of_retrain": hits[0] / hits[1] if hits[1] else None,
    }
    section = Section(f"{split.edge_type}, asked by newcomers", rows, facts=facts)
    return Report((section,), {"split": split.describe()})


def _only(placed: Placements, queries: BoolArray) -> Placements:
    """The placements of some queries."""
    counts, positives = placed.counts, queries[placed.queries()]
    offsets = np.concatenate([[0], np.cumsum(counts[queries])]).astype(np.int64)
    return Placements(
        offsets, placed.above[positives], placed.tied[positives], placed.candidates[queries]
    )
