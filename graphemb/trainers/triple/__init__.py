"""Interactions of three entities at once: who does what, where, and whether it comes to be."""

from graphemb.trainers.triple.scorer import TripleScorer
from graphemb.trainers.triple.trainer import TripleInteraction
from graphemb.trainers.triple.triples import Triples

__all__ = ["TripleInteraction", "TripleScorer", "Triples"]
