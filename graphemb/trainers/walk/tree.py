"""The tree of hierarchical softmax: who is often visited has a short way to the root."""

from __future__ import annotations

import math

import numpy as np

from graphemb.kernels import hierarchical
from graphemb.kernels.hierarchical import Tree
from graphemb.trainers.walk.fields import SkipGramFields
from graphemb.trainers.walk.noise import count_visits
from graphemb.walks import Source


def make_tree(config: SkipGramFields, source: Source) -> tuple[Tree, float]:
    """Huffman's tree by visits, and the loss of a pair where nothing is known yet.

    Nodes that no walk visits are not in it.
    """
    visits = count_visits(source, config.threads_used)
    there = np.flatnonzero(visits)
    up = np.empty(2 * visits.size, np.int64)
    hierarchical.grow(visits, there[np.argsort(visits[there], kind="stable")], up)
    depths = np.empty(visits.size, np.int64)
    hierarchical.measure_depths(up, depths)
    turns = float(depths @ visits) / max(int(visits.sum()), 1)
    return Tree(up, int(depths.max(initial=0))), turns * math.log(2)
