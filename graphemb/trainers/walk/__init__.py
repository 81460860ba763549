"""Walk models: skip-gram or CBOW with negative sampling over walks and sequences.

Walks are made by the threads that learn from them and used at once, so that memory is the graph,
two matrices and a few megabytes a thread, whatever the number of walks.

How the defaults were chosen. Learning rate: on the benchmark graph G1 (100,000 nodes, one walk of
80 nodes each, radius 5), held-out edges are told from others with an AUC of .66, .83 and .83 at
rates of .025, .05 and .1, and 90, 98 and 99 % of nodes have neighbours of their own community;
with ten times the walks on BlogCatalog .025 is better than .05 by a little. So .05 for few walks,
.025 for many. Radius 5 costs half of 10 and loses next to nothing on either graph. The rest is
as in the papers.

One step of smoothing (`smoothing=1`) after one walk a node on G1 brings 99.0 % of nodes neighbours
of their own community instead of 97.8 %, at the same AUC (.831 of the .834 that the communities
themselves give; one seed); on PPI, Wiki and BlogCatalog it gained one to two points of Micro-F1 on
divisions other than the benchmark's. It is no part of the papers' models, but the default here;
a second step told classes better still and ranked Facebook's links worse.
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
