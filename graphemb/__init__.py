"""Graph-native embeddings: read a graph by Cypher, learn a vector per entity, evaluate, search.

    import graphemb as ge

    graph = ge.load_graph("ladybug:shop.lbug", spec)
    split = ge.split_edges(graph, BUYS, by="time", test=0.1)
    emb = ge.Node2Vec(dim=128, seed=7).fit(split.train)
    print(ge.evaluate_links(emb, split, at=(10, 50)))

Every name here is loaded when it is first used, so that `import graphemb` costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphemb.derive import derive as derive
    from graphemb.derive import derive_chain as derive_chain
    from graphemb.derive import derive_update as derive_update
    from graphemb.derive import learn_weights as learn_weights
    from graphemb.derive.explain import explain as explain
    from graphemb.embeddings import Embeddings as Embeddings
    from graphemb.embeddings import Vectors as Vectors
    from graphemb.errors import GraphEmbError as GraphEmbError
    from graphemb.evaluate import Evaluation as Evaluation
    from graphemb.evaluate import GivenNegatives as GivenNegatives
    from graphemb.evaluate import Report as Report
    from graphemb.evaluate import evaluate_links as evaluate_links
    from graphemb.evaluate import evaluate_newcomers as evaluate_newcomers
    from graphemb.evaluate import evaluate_seeds as evaluate_seeds
    from graphemb.graph import HeteroGraph as HeteroGraph
    from graphemb.graph import Policies as Policies
    from graphemb.index import Index as Index
    from graphemb.interests import Interests as Interests
    from graphemb.interests import interests as interests
    from graphemb.source import GraphSpec as GraphSpec
    from graphemb.source import Source as Source
    from graphemb.source import load_graph as load_graph
    from graphemb.source import write_graph as write_graph
    from graphemb.split import HeldOut as HeldOut
    from graphemb.split import Split as Split
    from graphemb.split import SplitRule as SplitRule
    from graphemb.split import audit_leaks as audit_leaks
    from graphemb.split import given_split as given_split
    from graphemb.split import hold_out_nodes as hold_out_nodes
    from graphemb.split import split_edges as split_edges
    from graphemb.store import EmbeddingStore as EmbeddingStore
    from graphemb.tasks import classify_nodes as classify_nodes
    from graphemb.trainers.attributes import AttributeTower as AttributeTower
    from graphemb.trainers.base import EpochEvent as EpochEvent
    from graphemb.trainers.base import Trainer as Trainer
    from graphemb.trainers.gnn import GAT as GAT
    from graphemb.trainers.gnn import HGT as HGT
    from graphemb.trainers.gnn import RGCN as RGCN
    from graphemb.trainers.gnn import GraphSAGE as GraphSAGE
    from graphemb.trainers.gnn import PinSage as PinSage
    from graphemb.trainers.interaction import ALS as ALS
    from graphemb.trainers.interaction import BPR as BPR
    from graphemb.trainers.interaction import NeuralCF as NeuralCF
    from graphemb.trainers.interaction import TwoTower as TwoTower
    from graphemb.trainers.nodevectors import NodeVectors as NodeVectors
    from graphemb.trainers.prone import ProNE as ProNE
    from graphemb.trainers.propagation import LightGCN as LightGCN
    from graphemb.trainers.spectral import SVD as SVD
    from graphemb.trainers.spectral import FastRP as FastRP
    from graphemb.trainers.spectral import RandomVectors as RandomVectors
    from graphemb.trainers.triple import TripleInteraction as TripleInteraction
    from graphemb.trainers.walk import DeepWalk as DeepWalk
    from graphemb.trainers.walk import Metapath2Vec as Metapath2Vec
    from graphemb.trainers.walk import Node2Vec as Node2Vec
    from graphemb.trainers.walk import SequenceSkipGram as SequenceSkipGram
    from graphemb.types import EdgeType as EdgeType
    from graphemb.types import Metapath as Metapath
    from graphemb.walks import WalkSpec as WalkSpec
    from graphemb.walks import generate_walks as generate_walks

__version__ = "0.1.0"

__all__ = [
    "ALS",
    "AttributeTower",
    "BPR",
    "DeepWalk",
    "EdgeType",
    "EmbeddingStore",
    "Embeddings",
    "EpochEvent",
    "Evaluation",
    "FastRP",
    "GAT",
    "GivenNegatives",
    "GraphEmbError",
    "GraphSAGE",
    "GraphSpec",
    "HGT",
    "HeldOut",
    "HeteroGraph",
    "Index",
    "Interests",
    "LightGCN",
    "Metapath",
    "Metapath2Vec",
    "NeuralCF",
    "Node2Vec",
    "NodeVectors",
    "PinSage",
    "Policies",
    "ProNE",
    "RGCN",
    "RandomVectors",
    "Report",
    "SVD",
    "SequenceSkipGram",
    "Source",
    "Split",
    "SplitRule",
    "Trainer",
    "TripleInteraction",
    "TwoTower",
    "Vectors",
    "WalkSpec",
    "audit_leaks",
    "classify_nodes",
    "derive",
    "derive_chain",
    "derive_update",
    "evaluate_links",
    "evaluate_newcomers",
    "evaluate_seeds",
    "explain",
    "generate_walks",
    "given_split",
    "hold_out_nodes",
    "interests",
    "learn_weights",
    "load_graph",
    "split_edges",
    "write_graph",
]

_HOMES = {
    "graphemb.derive": ("derive", "derive_chain", "derive_update", "learn_weights"),
    "graphemb.derive.explain": ("explain",),
    "graphemb.embeddings": ("Embeddings", "Vectors"),
    "graphemb.errors": ("GraphEmbError",),
    "graphemb.evaluate": (
        "Evaluation",
        "GivenNegatives",
        "Report",
        "evaluate_links",
        "evaluate_newcomers",
        "evaluate_seeds",
    ),
    "graphemb.graph": ("HeteroGraph", "Policies"),
    "graphemb.index": ("Index",),
    "graphemb.interests": ("Interests", "interests"),
    "graphemb.source": ("GraphSpec", "Source", "load_graph", "write_graph"),
    "graphemb.split": (
        "HeldOut",
        "Split",
        "SplitRule",
        "audit_leaks",
        "given_split",
        "hold_out_nodes",
        "split_edges",
    ),
    "graphemb.store": ("EmbeddingStore",),
    "graphemb.tasks": ("classify_nodes",),
    "graphemb.trainers.attributes": ("AttributeTower",),
    "graphemb.trainers.base": ("EpochEvent", "Trainer"),
    "graphemb.trainers.interaction": ("ALS", "BPR", "NeuralCF", "TwoTower"),
    "graphemb.trainers.gnn": ("GAT", "GraphSAGE", "HGT", "PinSage", "RGCN"),
    "graphemb.trainers.nodevectors": ("NodeVectors",),
    "graphemb.trainers.prone": ("ProNE",),
    "graphemb.trainers.propagation": ("LightGCN",),
    "graphemb.trainers.spectral": ("FastRP", "RandomVectors", "SVD"),
    "graphemb.trainers.triple": ("TripleInteraction",),
    "graphemb.trainers.walk": ("DeepWalk", "Metapath2Vec", "Node2Vec", "SequenceSkipGram"),
    "graphemb.types": ("EdgeType", "Metapath"),
    "graphemb.walks": ("WalkSpec", "generate_walks"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # which would take any name for granted

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


class _Face(ModuleType):
    """Keeps `graphemb.derive` the function, also after `import graphemb.derive`.

    Importing a submodule sets it on its package; a name of the face must not be lost to that.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
