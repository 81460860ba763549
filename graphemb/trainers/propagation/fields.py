"""The fields of `LightGCN`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphemb.checks import check_choice, check_int, check_number, check_positive
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.graph.homogeneous import chosen_weights
from graphemb.linalg import CSR, num_threads, scaled_adjacency
from graphemb.trainers.propagation.pairs import Propagation, with_kin
from graphemb.types import BoolArray, EdgeType, EdgeTypeWeights

Loss = Literal["softmax", "bce"]
Start = Literal["svd", "random"]


@dataclass(frozen=True, kw_only=True)
class PropagationFields:
    """Fields of models that learn through parameter-free propagation; see `LightGCN`.

    Raises:
        ConfigError: a field out of its range.
    """

    dim: int = 64
    epochs: int = 16
    layers: tuple[float, ...] = (0.0, 1.0, 1.0)
    degree_exponent: float = 0.5
    self_loops: float = 0.0
    kin: int = 0
    kin_weight: float = 0.4
    loss: Loss = "softmax"
    batch_size: int = 2048
    num_negatives: int = 8192
    temperature: float = 0.1
    length_power: float = 0.25
    message_share: float = 1.0
    start: Start = "svd"
    start_length: float = 1.0
    regularization: float = 0.0
    learning_rate: float = 0.02
    final_rate: float = 0.0
    scale: float = 4.0
    bias: float = -4.0
    beta2: float = 0.99
    edge_types: EdgeTypeWeights = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "epochs", "batch_size", "num_negatives"):
            check_int(name, getattr(self, name), low=1)
        for name in ("seed", "kin"):
            check_int(name, getattr(self, name), low=0)
        object.__setattr__(self, "layers", tuple(self.layers))
        for number, weight in enumerate(self.layers):
            check_number(f"layers[{number}]", weight, low=0.0)
        if not any(self.layers):
            raise ConfigError(
                "at least one layer needs a weight above 0", field="layers", value=self.layers
            )
        check_number("degree_exponent", self.degree_exponent, low=0.0, high=1.0)
        for name in ("self_loops", "kin_weight", "regularization"):
            check_number(name, getattr(self, name), low=0.0)
        check_choice("loss", self.loss, ("softmax", "bce"))
        check_choice("start", self.start, ("svd", "random"))
        check_number("length_power", self.length_power, low=0.0, high=1.0)
        check_number("message_share", self.message_share, above=0.0, high=1.0)
        check_number("beta2", self.beta2, low=0.0, high=0.999999)
        check_number("final_rate", self.final_rate, low=0.0, high=1.0)
        check_number("bias", self.bias)
        for name in ("temperature", "start_length", "learning_rate", "scale"):
            check_positive(name, getattr(self, name))

    @property
    def threads(self) -> int:
        """Threads that a step runs on; the result does not hang on them."""
        return num_threads()

    def chosen(self, graph: HeteroGraph) -> dict[EdgeType, float]:
        """The edge types to learn, each with its weight.

        Raises:
            UnknownName: an edge type that is not in the graph.
        """
        return chosen_weights(self.edge_types, graph.edge_types)

    def propagation(self, adjacency: CSR, targets: BoolArray) -> Propagation:
        """Along the edges of a symmetric adjacency, and between kin among `targets` bool [N]."""
        if self.kin:
            adjacency = with_kin(adjacency, targets, self.kin, self.kin_weight)
        step = scaled_adjacency(
            adjacency, exponent=self.degree_exponent, self_loops=self.self_loops
        )
        return Propagation(step, self.layers)
