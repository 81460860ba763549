"""For authors of trainers and loaders: contracts to check against, graphs with known answers."""

from graphemb.testing.loaders import check_loader
from graphemb.testing.toys import (
    APPLIES,
    BUYS,
    KNOWS,
    SELLS,
    TO,
    awkward,
    chain,
    checkerboard,
    communities,
    edgeless,
    parity,
    star,
)
from graphemb.testing.trainers import check_trainer, community_share

__all__ = [
    "APPLIES",
    "BUYS",
    "KNOWS",
    "SELLS",
    "TO",
    "awkward",
    "chain",
    "check_loader",
    "check_trainer",
    "checkerboard",
    "communities",
    "community_share",
    "edgeless",
    "parity",
    "star",
]
