"""Co-embedding models: vectors of two sides of an interaction whose product predicts it."""

from graphemb.trainers.interaction.als import ALS
from graphemb.trainers.interaction.neuralcf import NeuralCF
from graphemb.trainers.interaction.scorer import NeuralScorer
from graphemb.trainers.interaction.towers import BPR, TwoTower

__all__ = ["ALS", "BPR", "NeuralCF", "NeuralScorer", "TwoTower"]
