"""Link prediction, honestly: full ranking beside baselines, slices, strata and given negatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from graphemb import metrics
from graphemb.checks import check_choice, check_int
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.evaluate import measures
from graphemb.evaluate.baselines import (
    BASELINES,
    DEFAULT_BASELINES,
    BaselineName,
    baseline_scorers,
    too_large,
)
from graphemb.evaluate.given import GivenNegatives, GivenTask
from graphemb.evaluate.pairs import AskedPairs
from graphemb.evaluate.report import Estimate, Report, Role, Row, Section
from graphemb.evaluate.vectors import SCORERS, PairScorer, ScorerName, vector_scorer
from graphemb.negatives import KINDS, NegativeKind
from graphemb.split.questions import Candidates, Part, Questions
from graphemb.split.ranking import Ranking, Scorer, rank_all
from graphemb.split.rule import Split

Given = Embeddings | PairScorer | Mapping[str, Embeddings | PairScorer]
DEFAULT_NEGATIVES: tuple[NegativeKind, ...] = ("uniform", "same_degree", "two_hop")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How link prediction is evaluated; the fields of a run file's `[evaluate]` table.

    Attributes:
        at: the k of recall@k, hit@k and NDCG@k; slices and strata use the first.
        scorer: how two vectors become a score: `dot`, `cosine`, or `hadamard` (a logistic
            regression on their product, learned on training pairs: node2vec's protocol).
        negatives: kinds of negatives for AUC and AP, one for each positive.
        baselines: which of `BASELINES` stand in the report; `ease` only if asked for, and where it
            fits into memory.
        part: ask for the `test` pairs, or tune on the `valid` ones.
        candidates: rank `all` nodes of the target type, or those `seen` in training.
        seed: of the order of rows, the negatives, SVD and random vectors.

    Raises:
        ConfigError: a field out of its range.
    """

    at: tuple[int, ...] = (10, 50)
    scorer: ScorerName = "dot"
    negatives: tuple[NegativeKind, ...] = DEFAULT_NEGATIVES
    baselines: tuple[BaselineName, ...] = DEFAULT_BASELINES
    part: Part = "test"
    candidates: Candidates = "all"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("at", "negatives", "baselines"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.at:
            raise ConfigError("at least one k is wanted", field="at")
        for k in self.at:
            check_int("at", k, low=1)
        check_choice("scorer", self.scorer, SCORERS)
        check_choice("part", self.part, ("test", "valid"))
        check_choice("candidates", self.candidates, ("all", "seen"))
        check_int("seed", self.seed, low=0)
        for kind in self.negatives:
            check_choice("negatives", kind, KINDS)
        for baseline in self.baselines:
            check_choice("baselines", baseline, BASELINES)

    def run(
        self, candidates: Given, split: Split, *, given: GivenNegatives | None = None
    ) -> Report:
        """Evaluate one candidate or several.

        Args:
            candidates: embeddings or what scores pairs itself (`PairScorer`), or several by name.
            split: what was held out; candidates must be made from `split.train` alone.
            given: rank among these negatives instead of all candidates.

        Raises:
            UnknownName: a candidate has no vectors of a node type that is asked or ranked.
            ConfigError: nothing to ask; given negatives that do not fit.
        """
        named = _by_name(candidates)
        questions = Questions.of(split, part=self.part, candidates=self.candidates, seed=self.seed)
        contest = _Contest(self, questions)
        for name, emb in named.items():
            scorer, lacks = vector_scorer(name, emb, questions, self.scorer, self.seed)
            contest.enter("candidate", scorer, lacks)
        for baseline in baseline_scorers(questions, self.baselines, self.seed):
            contest.enter("baseline", baseline)
        return contest.among(given) if given is not None else contest.among_all()

    def describe(self) -> dict[str, Any]:
        """The fields, JSON-able."""
        found = {part.name: getattr(self, part.name) for part in fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in found.items()}


def evaluate_links(
    candidates: Given,
    split: Split,
    *,
    at: Sequence[int] = (10, 50),
    scorer: ScorerName = "dot",
    negatives: Sequence[NegativeKind] | GivenNegatives = DEFAULT_NEGATIVES,
    baselines: Sequence[BaselineName] = DEFAULT_BASELINES,
    seed: int = 0,
) -> Report:
    """Rank every candidate of the right type for every held-out pair, beside baselines.

    Known positives are left out of the ranking, ties are realistic, and nothing depends on the
    order of rows. Vectors made anywhere are judged alike: `Embeddings.from_arrays`. A node
    without a vector is not skipped: as a candidate it ranks behind all others, as a query it
    tells none apart.

    Args:
        candidates: embeddings or what scores pairs itself (`PairScorer`), or several by name.
        split: what was held out.
        at: the k of recall@k, hit@k and NDCG@k.
        scorer: `dot`, `cosine` or `hadamard`.
        negatives: kinds drawn for AUC and AP; or negatives that are given, among which the
            positives are then ranked.
        baselines: which baselines stand in the report.
        seed: of all that is drawn. `Evaluation` has further fields.

    Raises:
        As `Evaluation.run`.
    """
    given = negatives if isinstance(negatives, GivenNegatives) else None
    kinds = () if isinstance(negatives, GivenNegatives) else tuple(negatives)
    evaluation = Evaluation(
        at=tuple(at), scorer=scorer, negatives=kinds, baselines=tuple(baselines), seed=seed
    )
    return evaluation.run(candidates, split, given=given)


def _by_name(given: Given) -> Mapping[str, Embeddings | PairScorer]:
    if isinstance(given, Mapping) and not isinstance(given, Embeddings):
        return given
    return {"embeddings": given}


@dataclass(frozen=True, eq=False)
class _Entry:
    role: Role
    scorer: Scorer
    lacks: Mapping[str, int]


class _Contest:
    """Candidates and baselines before the same questions."""

    def __init__(self, rules: Evaluation, questions: Questions) -> None:
        self.rules = rules
        self.questions = questions
        self.entries: list[_Entry] = []

    def enter(self, role: Role, scorer: Scorer, lacks: Mapping[str, int] | None = None) -> None:
        names = [entry.scorer.name for entry in self.entries]
        if scorer.name in names:
            raise ConfigError(
                "two rows of a report cannot have one name", field="name", value=scorer.name
            )
        self.entries.append(_Entry(role, scorer, lacks or {}))

    def among_all(self) -> Report:
        """Every section of the full ranking."""
        asked = AskedPairs.of(self.questions, self.rules.negatives, self.rules.seed)
        rows: dict[str, list[Row]] = {name: [] for name in ("main", "target", "source", "own")}
        targets = measures.target_slices(self.questions)
        sources = measures.source_slices(self.questions)
        k = self.rules.at[0]
        for entry in self.entries:
            ranking = rank_all(self.questions, entry.scorer, beside=asked.beside)
            parts = {
                "main": {
                    **measures.ranked(ranking.placed, self.rules.at),
                    **asked.separated(ranking.scores),
                },
                "target": targets.means(metrics.found_at(ranking.placed, k)),
                "source": sources.means(metrics.recall_at(ranking.placed, k)),
                "own": self._strata(ranking),
            }
            for name, values in parts.items():
                rows[name].append(Row(entry.scorer.name, entry.role, values))
        sections = [
            self._main(rows["main"], asked),
            Section(
                f"recall@{k} by training degree of the target",
                tuple(rows["target"]),
                "buckets",
                facts={"positives": targets.counts()},
            ),
            Section(
                f"recall@{k} by training pairs of the query",
                tuple(rows["source"]),
                "buckets",
                facts={"queries": sources.counts()},
            ),
        ]
        if self.questions.num_seen < self.questions.num_candidates:
            sections.append(_own_section(rows["own"], self.questions))
        return Report(tuple(sections), self._facts())

    def among(self, given: GivenNegatives) -> Report:
        """The main section, among negatives that are given."""
        task = GivenTask.of(self.questions, given)
        rows = [
            Row(entry.scorer.name, entry.role, task.measured(entry.scorer, self.rules.at))
            for entry in self.entries
        ]
        facts = {**self._asked(), **task.facts, "missing": self._missing()}
        title = f"{self.questions.split.edge_type} among given negatives"
        return Report((Section(title, tuple(rows), facts=facts),), self._facts())

    def _strata(self, ranking: Ranking) -> dict[str, Estimate]:
        return measures.strata(ranking, self.rules.at)

    def _main(self, rows: list[Row], asked: AskedPairs) -> Section:
        facts = {**self._asked(), "negatives": asked.facts, "missing": self._missing()}
        notes = list(self.questions.split.notes)
        notes += too_large(self.questions, self.rules.baselines).values()
        for name, lacks in self._missing().items():
            if lacks["queries_without_vector"] or lacks["positives_without_vector"]:
                notes.append(
                    f"{name}: {lacks['queries_without_vector']:,} queries and "
                    f"{lacks['positives_without_vector']:,} positives have no vector "
                    f"and count as unanswered"
                )
        edge_type = self.questions.split.edge_type
        return Section(f"{edge_type}, full ranking", tuple(rows), facts=facts, notes=tuple(notes))

    def _missing(self) -> dict[str, dict[str, int]]:
        return {e.scorer.name: dict(e.lacks) for e in self.entries if e.role == "candidate"}

    def _asked(self) -> dict[str, Any]:
        questions = self.questions
        return {
            "queries": int(questions.queries.size),
            "positives": int(questions.columns.size),
            "candidates": questions.num_candidates,
            "candidates_seen": questions.num_seen,
            "cold_queries": int((questions.src_degrees[questions.queries] == 0).sum()),
            "cold_positives": int((questions.columns >= questions.num_seen).sum()),
            "positives_not_among_candidates": questions.dropped,
        }

    def _facts(self) -> dict[str, Any]:
        return {"split": self.questions.split.describe(), "evaluation": self.rules.describe()}


def _own_section(rows: list[Row], questions: Questions) -> Section:
    unseen = 1 - questions.num_seen / questions.num_candidates
    asked_unseen = float(np.mean(questions.columns >= questions.num_seen))
    note = (
        f"{unseen:.0%} of the candidates and {asked_unseen:.0%} of the positives were never seen "
        f"in training; favouring either kind gains nothing here"
    )
    return Section(
        "among candidates of the positive's own status, seen or unseen in training",
        tuple(rows),
        neutral=(measures.UNSEEN_TOP,),
        facts={"share_of_candidates_unseen": unseen, "share_of_positives_unseen": asked_unseen},
        notes=(note,),
    )
