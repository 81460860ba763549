"""Judging embeddings: link prediction beside baselines, reports, figures."""

from graphemb.evaluate.given import GivenNegatives
from graphemb.evaluate.links import Evaluation, evaluate_links
from graphemb.evaluate.newcomers import evaluate_newcomers
from graphemb.evaluate.report import Estimate, Report, Row, Section
from graphemb.evaluate.seeds import evaluate_seeds
from graphemb.evaluate.vectors import PairScorer

__all__ = [
    "Estimate",
    "Evaluation",
    "GivenNegatives",
    "PairScorer",
    "Report",
    "Row",
    "Section",
    "evaluate_links",
    "evaluate_newcomers",
    "evaluate_seeds",
]
