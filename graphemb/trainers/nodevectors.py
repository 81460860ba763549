"""`NodeVectors`: the models of the library nodevectors, fed by CSR.

What works (nodevectors 0.1.23, csrgraph 0.1.28, NumPy 2, networkx 3), each given a SciPy
`csr_matrix` through `csrgraph.csrgraph`:

- `ProNE` (Zhang et al. 2019): a factorisation, then spectral propagation. The best of them.
- `GGVec`: the library's own, gradient descent on edges and sampled pairs.
- `GraRep` (Cao, Lu, Xu 2015): a factorisation per power of the transition matrix, added up. It
  leaves out the paper's logarithm. Powers fill up fast: for small graphs.
- `Glove` (Pennington, Socher, Manning 2014): takes edge weights for counts, and says little
  where they are all 1.

What does not: a networkx graph, which it reads by a function that networkx 3 no longer has, and
its `Node2Vec`, which passes gensim 3's argument names to gensim 4; use `graphemb.Node2Vec`.

The library takes no seed. ProNE, and the starts of GGVec and Glove, draw from NumPy's global
generator, which is seeded for the time of the fit and put back afterwards; GraRep is handed a
seeded factorisation. So ProNE and GraRep repeat themselves. GGVec and Glove go on with threads
that race, and no two fits are alike: there `seed` has no effect worth the name. They also run
Numba's own threads: do not fit them from several Python threads at once. They are compiled anew
in every process, which takes some seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from graphemb.checks import check_choice, check_int, check_number, check_positive
from graphemb.embeddings import Embeddings
from graphemb.errors import MissingDependency, TrainingError
from graphemb.graph import HeteroGraph
from graphemb.linalg import CSR, square_part
from graphemb.trainers.base import EdgeTypeWeights, EpochEvent, OnEpoch, provenance, split_matrix
from graphemb.types import FloatArray

if TYPE_CHECKING:
    from types import ModuleType

Method = Literal["ProNE", "GGVec", "GraRep", "Glove"]
METHODS = ("ProNE", "GGVec", "GraRep", "Glove")


@dataclass(frozen=True, kw_only=True)
class NodeVectors:
    """A model of the library nodevectors over the symmetric adjacency of the chosen edge types.

    Attributes:
        method: `ProNE`, `GGVec`, `GraRep` or `Glove`.
        dim: components of a vector; those beyond what the graph gives are zero.
        step: ProNE: terms of the propagation.
        mu: ProNE: damping.
        theta: ProNE: of the Bessel functions.
        order: GraRep and GGVec: powers of the transition matrix.
        max_epochs: GGVec and Glove: at most.
        learning_rate: GGVec and Glove.
        edge_types: which, with what weight; None: all, weight 1.
        seed: of NumPy's global generator during the fit; see the module for what that does.

    Nodes without edges are missing. Node types at no end of the chosen edge types are left out.
    What the library warns of is in the provenance.

    Raises:
        ConfigError: a field out of its range.
    """

    method: Method = "ProNE"
    dim: int = 128
    step: int = 10
    mu: float = 0.2
    theta: float = 0.5
    order: int = 1
    max_epochs: int = 350
    learning_rate: float = 0.1
    edge_types: EdgeTypeWeights = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_int("dim", self.dim, low=1)
        check_int("step", self.step, low=1)
        check_number("mu", self.mu)
        check_number("theta", self.theta)
        check_int("order", self.order, low=1)
        check_int("max_epochs", self.max_epochs, low=1)
        check_positive("learning_rate", self.learning_rate)
        check_int("seed", self.seed, low=0, high=2**32 - 1)

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        """One float32 vector [dim] per node with edges.

        Raises:
            UnknownName: an edge type that is not in the graph.
            MissingDependency: nodevectors is not installed.
            TrainingError: the library failed, or gave what is not finite.
        """
        merged = graph.homogeneous(self.edge_types)
        learned = merged.degrees > 0
        out = np.zeros((merged.num_nodes, self.dim), np.float32)
        told: list[str] = []
        if learned.any():
            out[learned], told = self._vectors(square_part(merged.to_scipy(), learned))
        if on_epoch:
            on_epoch(EpochEvent(1, 1))
        parts = split_matrix(out, learned & out.any(axis=1), graph, self.edge_types)
        return Embeddings(parts, provenance(self, graph) | {"warnings": told})

    def _vectors(self, adjacency: CSR) -> tuple[FloatArray, list[str]]:
        """float32 [n, dim], and what the library warned of."""
        with _quiet(self.seed) as told:
            try:
                library, csrgraph = _library()
                model = self._model(library, min(self.dim, adjacency.shape[0]))
                found = model.fit_transform(csrgraph(adjacency.astype(np.float32)))
            except (ValueError, IndexError, ArithmeticError) as error:
                raise TrainingError(f"nodevectors' {self.method} failed: {error}") from error
        with np.errstate(over="ignore"):
            vectors = np.asarray(found).astype(np.float32)
        if not np.isfinite(vectors).all():
            raise TrainingError(
                f"nodevectors' {self.method} gave vectors that are not finite",
                field="learning_rate",
                value=self.learning_rate,
                hint="a smaller learning rate may help",
            )
        out = np.zeros((vectors.shape[0], self.dim), np.float32)
        out[:, : vectors.shape[1]] = vectors
        return out, sorted({str(warning.message) for warning in told})

    def _model(self, library: ModuleType, dim: int) -> Any:
        if self.method == "ProNE":
            return library.ProNE(dim, self.step, self.mu, self.theta, verbose=False)
        if self.method == "GGVec":
            return library.GGVec(
                dim,
                order=self.order,
                learning_rate=self.learning_rate,
                max_epoch=self.max_epochs,
                verbose=False,
            )
        if self.method == "Glove":
            return library.Glove(
                dim, max_epoch=self.max_epochs, learning_rate=self.learning_rate, verbose=False
            )
        from sklearn.decomposition import TruncatedSVD

        factors = TruncatedSVD(n_iter=10, random_state=self.seed)
        return library.GraRep(dim, self.order, factors, verbose=False)


def _library() -> tuple[ModuleType, Any]:
    try:
        import nodevectors
        from csrgraph import csrgraph
    except ImportError as error:
        raise MissingDependency("nodevectors", "NodeVectors") from error
    return nodevectors, csrgraph


@contextmanager
def _quiet(seed: int) -> Iterator[list[warnings.WarningMessage]]:
    """Collects warnings, and seeds NumPy's global generator until the block ends."""
    before = np.random.get_state()  # noqa: NPY002 - it is what the library draws from
    with warnings.catch_warnings(record=True) as told, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield told
        finally:
            np.random.set_state(before)  # noqa: NPY002
