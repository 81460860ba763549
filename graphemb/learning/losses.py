"""Losses of a positive against its negatives; each gives one number per positive.

All take `positive` float [b], the scores of edges, `negative` float [b, k], those of each one's
negatives, and `keep` bool [b, k] or None: False where a negative is no negative after all. A
positive without any negative left costs nothing, except in `bce`, where it still counts as an edge.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_NEVER = -1e9
"""A score that no softmax can see, and that is finite."""


def bce(positive: Tensor, negative: Tensor, keep: Tensor | None) -> Tensor:
    """Logistic loss; a positive weighs as much as all of its negatives together."""
    return functional.softplus(-positive) + _mean(functional.softplus(negative), keep)


def bpr(positive: Tensor, negative: Tensor, keep: Tensor | None) -> Tensor:
    """Logistic loss of the difference (Rendle et al. 2009), the mean over negatives."""
    return _mean(functional.softplus(negative - positive[:, None]), keep)


def margin(positive: Tensor, negative: Tensor, keep: Tensor | None, gap: float) -> Tensor:
    """How far the edge falls short of leading by `gap`, the mean over negatives."""
    return _mean(functional.relu(gap + negative - positive[:, None]), keep)


def softmax(positive: Tensor, negative: Tensor, keep: Tensor | None, temperature: float) -> Tensor:
    """Cross-entropy of the edge among itself and its negatives."""
    logits = torch.cat([positive[:, None], _masked(negative, keep)], dim=1) / temperature
    return torch.logsumexp(logits, dim=1) - logits[:, 0]


def decoupled(
    positive: Tensor, negative: Tensor, keep: Tensor | None, temperature: float
) -> Tensor:
    """As `softmax` without the edge in the sum (Yeh et al. 2022): no vanishing gradient."""
    loss = torch.logsumexp(_masked(negative, keep) / temperature, dim=1) - positive / temperature
    return loss if keep is None else torch.where(keep.any(dim=1), loss, torch.zeros_like(loss))


def _masked(negative: Tensor, keep: Tensor | None) -> Tensor:
    return negative if keep is None else negative.masked_fill(~keep, _NEVER)


def _mean(losses: Tensor, keep: Tensor | None) -> Tensor:
    """The mean over the negatives kept; 0 where there is none."""
    if keep is None:
        return losses.mean(dim=1)
    return (losses * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1)
