"""What a hand-written training step spends its time in: softmax over many columns, and Adam."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from graphemb.kernels.aggregate import Doubles, Floats

HIDDEN = np.float32(-1e30)
"""The score of a column that is left out of a row's softmax."""


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def softmax_rows(
    scores: Floats, temperature: float, mass: Floats, losses: Doubles, low: int, high: int
) -> None:
    """Turn rows [low, high) of `scores` float32 [b, n] into gradients of their log-sums, in place.

    Row r becomes mass[r] / temperature x softmax(scores[r] / temperature), and losses[r] is
    mass[r] x log sum exp(scores[r] / temperature). Scores that are HIDDEN stay out of the sum and
    have gradient 0; where all are, the row's loss is 0.
    """
    sharp = np.float32(1.0 / temperature)
    for row in range(low, high):
        line = scores[row]
        top = line[0]
        for j in range(line.size):
            top = max(top, line[j])
        if top <= HIDDEN:
            line[:] = 0.0
            losses[row] = 0.0
            continue
        total = np.float32(0.0)
        for j in range(line.size):
            line[j] = np.exp((line[j] - top) * sharp)
            total += line[j]
        losses[row] = mass[row] * (math.log(total) + np.float64(top * sharp))
        factor = mass[row] * sharp / total
        for j in range(line.size):
            line[j] *= factor


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def adam_rows(
    vectors: Floats,
    means: Floats,
    squares: Floats,
    gradients: Floats,
    rate: float,
    betas: tuple[float, float],
    step: int,
    low: int,
    high: int,
) -> None:
    """One step of Adam (Kingma, Ba 2015) for rows [low, high) of float32 [n, dim], in place.

    Args:
        means, squares: float32 [n, dim], the running moments.
        step: from 1.
    """
    keep, keep_square = np.float32(betas[0]), np.float32(betas[1])
    new, new_square = np.float32(1.0 - betas[0]), np.float32(1.0 - betas[1])
    pace = np.float32(rate / (1.0 - betas[0] ** step))
    scale = np.float32(1.0 / math.sqrt(1.0 - betas[1] ** step))
    tiny = np.float32(1e-8)
    for row in range(low, high):
        x, mean, square, slope = vectors[row], means[row], squares[row], gradients[row]
        for j in range(x.size):
            mean[j] = keep * mean[j] + new * slope[j]
            square[j] = keep_square * square[j] + new_square * slope[j] * slope[j]
            x[j] -= pace * mean[j] / (np.sqrt(square[j]) * scale + tiny)
