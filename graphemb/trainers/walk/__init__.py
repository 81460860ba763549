"""Walk models: skip-gram or CBOW with negative sampling over walks and sequences.

Walks are made by the threads that learn from them and used at once, so that memory is the graph,
two matrices and a few megabytes a thread, whatever the number of walks.

Defaults: a learning rate of .05, falling to a hundredth of that, because one epoch at .025 ends
far from what the same walks can teach; the rest is as in the papers, but a window radius of 5,
which costs half of 10.
"""

from graphemb.trainers.walk.fields import Objective, SkipGramFields
from graphemb.trainers.walk.metapaths import Metapath2Vec
from graphemb.trainers.walk.models import DeepWalk, Node2Vec
from graphemb.trainers.walk.sequences import SequenceSkipGram

__all__ = [
    "DeepWalk",
    "Metapath2Vec",
    "Node2Vec",
    "Objective",
    "SequenceSkipGram",
    "SkipGramFields",
]
