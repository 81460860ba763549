"""Items and users as sums of their attributes' vectors, which both sides share."""

from graphemb.trainers.attributes.encoder import TowerEncoder
from graphemb.trainers.attributes.trainer import AttributeTower

__all__ = ["AttributeTower", "TowerEncoder"]
