"""Co-embedding models: vectors of two sides of an interaction whose product predicts it."""

from graphemb.trainers.interaction.als import ALS

__all__ = ["ALS"]
