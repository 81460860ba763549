"""Judging embeddings: link prediction beside baselines, reports, figures."""

from graphemb.evaluate.given import GivenNegatives
from graphemb.evaluate.links import Evaluation, evaluate_links
from graphemb.evaluate.report import Estimate, Report, Row, Section
from graphemb.evaluate.seeds import evaluate_seeds

__all__ = [
    "Estimate",
    "Evaluation",
    "GivenNegatives",
    "Report",
    "Row",
    "Section",
    "evaluate_links",
    "evaluate_seeds",
]
