"""`WalkSpec`: which walks to make."""

from __future__ import annotations

from dataclasses import dataclass

from graphemb.checks import check_int, check_number
from graphemb.errors import ConfigError
from graphemb.graph import EdgeTypeChoice
from graphemb.types import Metapath, check_metapath

MAX_LENGTH = 1_000_000


@dataclass(frozen=True, kw_only=True)
class WalkSpec:
    """Which walks to make.

    Uniform where edges weigh the same, else by weight (DeepWalk, Perozzi et al. 2014); with p or
    q other than 1 weighed by the node before as well (node2vec, Grover and Leskovec 2016; weights
    and edge types hold at the same time); or along a metapath (metapath2vec, Dong et al. 2017).
    Every node with a way out starts `walks_per_node` walks (along a metapath: every such node of
    the type it starts at), in an order shuffled for each round. A walk ends early at a node
    without a way on.

    Attributes:
        walk_length: nodes in a walk.
        walks_per_node: rounds.
        edge_types: which, or which with what weight; None: all, weight 1.
        directed: walk edges only as stored; else both ways.
        p: return parameter; the node before is weighed by 1/p.
        q: in-out parameter; nodes to which no edge leads from the node before by 1/q.
        metapath: edge types to follow in turn, their own direction or reversed, each edge by its
            weight; over and over where it ends at the node type it starts at, else once.
        seed: of starts and steps.

    Raises:
        ConfigError: a field out of its range; a metapath together with p, q, edge types or
            directed; hops that do not join.
    """

    walk_length: int = 80
    walks_per_node: int = 10
    edge_types: EdgeTypeChoice = None
    directed: bool = False
    p: float = 1.0
    q: float = 1.0
    metapath: Metapath | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_int("walk_length", self.walk_length, low=2, high=MAX_LENGTH)
        check_int("walks_per_node", self.walks_per_node, low=1)
        check_int("seed", self.seed, low=0, high=2**63 - 1)
        check_number("p", self.p, low=1e-9, high=1e9)
        check_number("q", self.q, low=1e-9, high=1e9)
        if self.metapath is not None:
            object.__setattr__(self, "metapath", check_metapath(self.metapath))
            if self.second_order or self.edge_types is not None or self.directed:
                raise ConfigError(
                    "a metapath already says which edges a walk follows",
                    field="metapath",
                    hint="leave p, q, edge_types and directed as they are",
                )

    @property
    def second_order(self) -> bool:
        """Whether a step depends on the node before."""
        return self.p != 1.0 or self.q != 1.0
