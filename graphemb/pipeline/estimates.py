"""Bytes that each kind of step needs, from a graph's counts.

Each function gives components by name: the arrays that are alive at the step's peak. They are
compared with measured peaks in the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphemb.derive import Derivation
from graphemb.evaluate import Evaluation
from graphemb.graph import HeteroGraph
from graphemb.graph.adjacency import row_dtype
from graphemb.learning import LinkFields, LoopFields
from graphemb.pipeline.chosen import chosen_edges
from graphemb.source import AnswerSize
from graphemb.split import Split
from graphemb.split.ranking import BLOCK_BYTES
from graphemb.trainers.base import Trainer
from graphemb.trainers.gnn.fields import WHOLE_GRAPH
from graphemb.types import EdgeType, NodeType

CODE = 30_000_000
"""Compiled kernels that a family's first fit loads; measured."""
FIGURES = 90_000_000
"""Matplotlib and one figure while it is drawn; measured."""
TORCH = 660_000_000
GEOMETRIC = 55_000_000
"""Torch with its optimizers, and torch_geometric besides, when they are loaded; measured."""
_STEP_COPIES = 12
_LAYER_MATRICES = 5
_PAIR = 60
"""Of learning with torch: arrays as large as a step's scores, and as all vectors in each layer of
a graph network, that are alive at once, and bytes of a positive; measured."""
_QUESTIONS = 1_000 * 100
"""Vectors that validation compares at once, twice."""
_FILTERED = 6 * 32 * 4
"""Bytes a node of the columns that ProNE filters at once, with copies."""
_TABLE_KEPT = 1.3
_BUILDING = 60_000_000
_EDGE_GROUPED = 28
_EDGE_KEPT = 12
"""Of building a graph: of a byte of a table what stays while it is read from, what is always
taken, and bytes of an edge while its type is grouped and afterwards; measured."""
_DEFAULT_DIM = 128
_OVERSAMPLING = 10
_BASELINE_DIM = 64
_FLOAT = 4


def load_bytes(sizes: Mapping[NodeType | EdgeType, AnswerSize]) -> dict[str, int]:
    """What is alive when most is: while the largest answer is read, or its edges are grouped."""
    tables = sum(size.bytes for size in sizes.values())
    edges = [size.rows for target, size in sizes.items() if isinstance(target, EdgeType)]
    reading = {"tables": tables, "reading": max(size.work for size in sizes.values())}
    grouping = _EDGE_KEPT * sum(edges) + _EDGE_GROUPED * max(edges, default=0)
    building = {"tables": round(_TABLE_KEPT * tables), "edges": _BUILDING + grouping}
    return max(reading, building, key=lambda parts: sum(parts.values()))


@dataclass(frozen=True, eq=False)
class Fit:
    """A trainer and the graph it will be fitted on."""

    trainer: Trainer
    graph: HeteroGraph

    @property
    def family(self) -> str:
        """The trainer's class."""
        return type(self.trainer).__name__

    @property
    def dim(self) -> int:
        """Components of a vector."""
        dim = getattr(self.trainer, "dim", _DEFAULT_DIM)
        return dim if isinstance(dim, int) else _DEFAULT_DIM

    @cached_property
    def edge_types(self) -> tuple[EdgeType, ...]:
        """Those that are used, as stored: the ones it names, else all."""
        named = [hop.stored for hops in chosen_edges(self.trainer).values() for hop in hops]
        found = dict.fromkeys(named or self.graph.edge_types)
        return tuple(one for one in found if one in self.graph)

    @property
    def matrix(self) -> int:
        """Bytes of one matrix over all nodes."""
        return self.graph.num_nodes() * self.dim * _FLOAT

    @property
    def merged(self) -> int:
        """Bytes of the chosen edges over one row space; the graph keeps them.

        Those of a mapped graph are read from the disk, and walked as they are where that can be.
        What torch learns takes edges as they are.
        """
        parts = [self.graph[one] for one in self.edge_types]
        arrays = [array for part in parts for array in (part.offsets, part.neighbors, part.weights)]
        mapped = sum(array.nbytes for array in arrays if isinstance(array, np.memmap))
        if isinstance(self.trainer, LoopFields):
            return mapped
        scaled = isinstance(getattr(self.trainer, "edge_types", None), Mapping)
        if self._directed and len(parts) == len(self.graph.node_types) == 1 and not scaled:
            return mapped
        rows, edges = self.graph.num_nodes(), self._edges
        weighted = scaled or any(part.weights is not None for part in parts)
        row = np.dtype(row_dtype(rows)).itemsize
        return mapped + 8 * (rows + 1) + edges * (row + _FLOAT * weighted)

    @cached_property
    def vectors(self) -> int:
        """Bytes that the vectors hold on to.

        A node type with missing nodes is copied out of the trained matrix; one without is a view
        that keeps all of the matrix.
        """
        if self.family == "RandomVectors":
            return self._random
        sizes = {one: self.graph.num_nodes(one) for one in self.graph.node_types}
        joined = self._joined()
        whole = any(0 < sizes[one] == count for one, count in joined.items())
        copied = sum(count for one, count in joined.items() if count < sizes[one])
        return copied * self.dim * _FLOAT + (self.matrix if whole else 0)

    def needs(self, *, fresh: bool = True) -> dict[str, int]:
        """All that this fit takes: its edges, what it works with, and code.

        Args:
            fresh: none of its family has been fitted in this process.
        """
        code = {"compiled code": CODE * fresh, **self.libraries}
        return {"merged edges": self.merged, **code, **self.parts()}

    @property
    def libraries(self) -> dict[str, int]:
        """What the trainer loads that is not there yet."""
        if not isinstance(self.trainer, LoopFields):
            return {}
        wanted = {"torch": TORCH}
        if self._num_layers:
            wanted["torch_geometric"] = GEOMETRIC
        return {name: size for name, size in wanted.items() if name not in sys.modules}

    def parts(self) -> dict[str, int]:
        """What is alive at the peak, besides merged edges and code.

        A trainer of another family than ours is taken to work like NodeVectors.
        """
        rows, matrix = self.graph.num_nodes(), self.matrix
        sparse = (self._edges + rows) * 8
        if self.family == "RandomVectors":
            return {"vectors": self._random}
        if self.family in ("SVD", "ProNE"):
            wide = rows * (self.dim + _OVERSAMPLING) * _FLOAT
            after = 4 * matrix if getattr(self.trainer, "smoothing", 0) else 0
            if self.family == "ProNE":
                after = matrix + rows * _FILTERED
            return {"sparse matrices": 4 * sparse, "work matrices": max(2 * wide, after)}
        if self.family == "FastRP":
            return {"work matrices": 2 * matrix, "vectors": max(self.vectors, matrix)}
        if self.family == "LightGCN":
            return self._propagation_parts()
        if isinstance(self.trainer, LoopFields):
            return self._torch_parts(self.trainer)
        if hasattr(self.trainer, "context_size"):
            padded = rows * -(-self.dim // 16) * 16 * _FLOAT
            return {"training matrices": 2 * padded, "negatives and counts": rows * 16}
        return {"sparse matrices": 4 * sparse, "work matrices": 6 * matrix}

    def _propagation_parts(self) -> dict[str, int]:
        """Of learning through propagation: the first vectors' decomposition, or else its steps."""
        rows, matrix = self.graph.num_nodes(), self.matrix
        sources, others = (
            min(getattr(self.trainer, name), rows) for name in ("batch_size", "num_negatives")
        )
        wide = rows * (2 * self.dim + _OVERSAMPLING) * _FLOAT
        steps = {"work matrices": 7 * matrix, "scores": 2 * sources * others * _FLOAT}
        start = {"work matrices": 4 * wide + 2 * matrix}
        larger = max(start, steps, key=lambda parts: sum(parts.values()))
        return {"sparse matrices": 4 * (self._edges + rows) * 8, **larger}

    def _torch_parts(self, fields: LoopFields) -> dict[str, int]:
        """Of torch's loop: parameters with all that Adam keeps of them, and one step."""
        edges, vector = self._edges // 2, fields.dim * _FLOAT
        batch = min(fields.batch_size, edges)
        kept = 4 + (fields.valid > 0)  # vectors, gradients, two moments, the best so far
        parts = {"parameters and optimizer": kept * self.matrix, "positives": edges * _PAIR}
        if fields.valid:
            parts["validation"] = 2 * _QUESTIONS * vector
        if isinstance(fields, LinkFields):
            own = fields.num_negatives * vector if fields.negatives == "own" else 0
            drawn = fields.num_negatives if fields.negatives in ("shared", "mixed") else 0
            others = batch if fields.negatives in ("in_batch", "mixed") else 0
            parts["a step"] = _STEP_COPIES * batch * (own + (drawn + others) * _FLOAT)
        if self._num_layers:
            messages = min(edges, WHOLE_GRAPH) * vector
            parts["layers"] = self._num_layers * (_LAYER_MATRICES * self.matrix + messages)
        return parts

    @property
    def _num_layers(self) -> int:
        """Of a graph network; 0 for any other trainer."""
        return int(getattr(self.trainer, "num_layers", 0))

    @property
    def _random(self) -> int:
        wanted = getattr(self.trainer, "node_types", None) or self.graph.node_types
        return sum(map(self.graph.num_nodes, wanted)) * self.dim * _FLOAT

    @property
    def _directed(self) -> bool:
        return bool(getattr(self.trainer, "directed", False))

    @property
    def _edges(self) -> int:
        return (1 if self._directed else 2) * sum(
            self.graph.num_edges(one) for one in self.edge_types
        )

    def _joined(self) -> dict[NodeType, int]:
        """Nodes of each type at an end of a chosen edge."""
        met = {one: np.zeros(self.graph.num_nodes(one), np.bool_) for one in self.graph.node_types}
        for edge_type in self.edge_types:
            adjacency = self.graph[edge_type]
            met[edge_type.src] |= adjacency.degrees > 0
            met[edge_type.dst][adjacency.neighbors] = True
        return {one: int(np.count_nonzero(flags)) for one, flags in met.items()}


def derive_bytes(derivations: Sequence[Derivation], dim: int, graph: HeteroGraph) -> dict[str, int]:
    """All derived vectors, and the edges and weights of the largest derivation."""
    edges = max(
        sum(graph.num_edges(hop.stored) for path in one.paths for hop in path)
        for one in derivations
    )
    rows = sum(graph.num_nodes(one.derived_type) for one in derivations)
    return {"vectors": rows * dim * _FLOAT, "edges and weights": edges * 24}


def evaluate_bytes(rules: Evaluation, split: Split, dims: Iterable[int]) -> dict[str, int]:
    """Placed copies of the vectors, a block of scores and the questions; or else the figures."""
    ends = [split.train.num_nodes(name) for name in (split.edge_type.src, split.edge_type.dst)]
    widths = [*dims, *(_BASELINE_DIM for one in rules.baselines if one in ("svd", "random"))]
    edges = split.train.num_edges(split.edge_type.stored)
    held = len(split.removed)
    queries = min(len(split.test), ends[0])
    parts = {
        "vectors of both ends": sum(ends) * sum(widths) * _FLOAT,
        "a block of scores": min(BLOCK_BYTES, queries * ends[1] * _FLOAT),
        "questions and baselines": (edges + held) * 60,
    }
    return parts if sum(parts.values()) > FIGURES else {"figures": FIGURES}
