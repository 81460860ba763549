"""Walks over a graph and sequences in it, as a corpus; what walk models learn from.

corpus = generate_walks(graph, WalkSpec(walk_length=40, p=0.5, q=2.0, seed=7))
corpus.to_ids(0)        # [("user", "u17"), ("product", "p4"), ...]
"""

from graphemb.walks.corpus import Corpus, Space
from graphemb.walks.sequences import SequenceSource, graph_sequences, id_sequences
from graphemb.walks.spec import WalkSpec
from graphemb.walks.walker import Source, Walker, generate_walks, node_types_of

__all__ = [
    "Corpus",
    "SequenceSource",
    "Source",
    "Space",
    "WalkSpec",
    "Walker",
    "generate_walks",
    "graph_sequences",
    "id_sequences",
    "node_types_of",
]
