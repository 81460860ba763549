"""The state of a training: optimizers over dense and sparse tables, and tensors as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphemb.checkpoint import Array
from graphemb.learning.fields import LoopFields


class Optimizers:
    """AdamW for the dense parameters, and Adam's sparse form for tables that ask for it.

    A table `Embedding(..., sparse=True)` moves only in the rows of a step, which is what large
    tables with small batches need; weight decay and clipping do not touch it.
    """

    def __init__(self, module: nn.Module, fields: LoopFields) -> None:
        self._fields = fields
        named = dict(module.named_parameters())
        tables = [
            name
            for name, part in module.named_modules()
            if isinstance(part, nn.Embedding) and part.sparse
        ]
        sparse = {name: named[name] for name in (f"{table}.weight" for table in tables)}
        dense = {name: tensor for name, tensor in named.items() if name not in sparse}
        rate, betas = fields.learning_rate, (0.9, fields.beta2)
        self._dense = list(dense.values())
        self._home: dict[str, tuple[torch.optim.Optimizer, Tensor]] = {}
        if dense:
            adam = torch.optim.AdamW(
                self._dense, rate, betas, weight_decay=fields.weight_decay, fused=True
            )
            self._home |= {name: (adam, tensor) for name, tensor in dense.items()}
        if sparse:
            lazy = torch.optim.SparseAdam(list(sparse.values()), rate, betas)
            self._home |= {name: (lazy, tensor) for name, tensor in sparse.items()}
        self._all = list({id(one): one for one, _ in self._home.values()}.values())

    def step(self, loss: Tensor, done: float) -> None:
        """Go down the gradient of `loss`; `done` is the share of the training that is behind."""
        rate = self._fields.learning_rate * rate_factor(self._fields.schedule, done)
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._fields.clip is not None:
            nn.utils.clip_grad_norm_(self._dense, self._fields.clip)
        for optimizer in self._all:
            optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """What the optimizers remember, `<parameter>:<quantity>`."""
        return {
            f"{name}:{quantity}": torch.as_tensor(value)
            for name, (optimizer, tensor) in self._home.items()
            for quantity, value in optimizer.state.get(tensor, {}).items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Remember what `state` gave."""
        for key, value in state.items():
            name, quantity = key.rsplit(":", 1)
            optimizer, tensor = self._home[name]
            if quantity != "step":
                optimizer.state[tensor][quantity] = value.to(tensor.device)
            else:  # SparseAdam counts in a plain number
                plain = isinstance(optimizer, torch.optim.SparseAdam)
                optimizer.state[tensor][quantity] = int(value) if plain else value.to(tensor.device)


def rate_factor(schedule: str, done: float) -> float:
    """What the learning rate is multiplied by; 1 at the start."""
    if schedule == "linear":
        return 1.0 - done
    return 0.5 * (1.0 + math.cos(math.pi * done)) if schedule == "cosine" else 1.0


def pack(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Array]:
    """Tensors as arrays, with `prefix` before their names."""
    return {prefix + name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


def unpack(arrays: Mapping[str, Array], prefix: str) -> dict[str, Tensor]:
    """The tensors that `pack` made arrays of."""
    size = len(prefix)
    return {
        name[size:]: torch.from_numpy(array.copy())
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
