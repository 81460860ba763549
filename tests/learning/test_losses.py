"""Losses and decoders against NumPy, term by term."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from graphemb.learning import losses
from graphemb.learning.decoders import Decoder
from graphemb.learning.fields import DecoderName
from graphemb.testing import BUYS

RNG = np.random.default_rng(0)
POSITIVE = RNG.normal(size=5)
NEGATIVE = RNG.normal(size=(5, 4))
KEEP = RNG.random((5, 4)) < 0.6
KEEP[3] = False


def log_sigmoid(x: float) -> float:
    return float(-np.log1p(np.exp(-x)))


def expected(name: str, row: int) -> float:
    """One positive's loss, from the textbook."""
    positive, negative = POSITIVE[row], NEGATIVE[row][KEEP[row]]
    if name == "bce":
        rest = np.mean([-log_sigmoid(-x) for x in negative]) if negative.size else 0.0
        return -log_sigmoid(positive) + float(rest)
    if not negative.size:
        return 0.0
    if name == "bpr":
        return float(np.mean([-log_sigmoid(positive - x) for x in negative]))
    if name == "margin":
        return float(np.mean(np.maximum(0.7 - positive + negative, 0.0)))
    raised = np.exp(negative / 0.3)
    above = np.exp(positive / 0.3)
    below = raised.sum() + (above if name == "softmax" else 0.0)
    return float(-np.log(above / below))


@pytest.mark.parametrize("name", ["bce", "bpr", "margin", "softmax", "decoupled"])
def test_losses_are_what_their_papers_say(name: str) -> None:
    arguments = [torch.tensor(POSITIVE), torch.tensor(NEGATIVE), torch.tensor(KEEP)]
    extra = {"margin": [0.7], "softmax": [0.3], "decoupled": [0.3]}.get(name, [])
    found = getattr(losses, name)(*arguments, *extra)
    np.testing.assert_allclose(found, [expected(name, row) for row in range(5)], atol=1e-9)


@pytest.mark.parametrize("name", ["bce", "bpr", "margin", "softmax", "decoupled"])
def test_a_masked_negative_moves_nothing(name: str) -> None:
    positive = torch.tensor(POSITIVE, requires_grad=True)
    negative = torch.tensor(NEGATIVE, requires_grad=True)
    extra = {"margin": [0.7], "softmax": [0.3], "decoupled": [0.3]}.get(name, [])
    getattr(losses, name)(positive, negative, torch.tensor(KEEP), *extra).sum().backward()
    assert negative.grad is not None and positive.grad is not None
    assert not negative.grad.numpy()[~KEEP].any()
    assert (positive.grad[:3].numpy() <= 0).all(), "a loss pulls edges up"
    assert (negative.grad.numpy()[KEEP] >= 0).all(), "and pushes negatives down"


def score(decoder: Decoder, src: np.ndarray, dst: np.ndarray) -> float:
    """One score by NumPy."""
    values = {key: value.detach().double().numpy() for key, value in decoder.named_parameters()}
    key = str(BUYS)
    relation = values.get(f"relations.{key}")
    if decoder.name == "dot":
        found = src @ dst
    elif decoder.name == "distmult":
        found = src @ (relation * dst)
    elif decoder.name == "transe":
        found = -np.linalg.norm(src + relation - dst)
    elif decoder.name == "twhin":
        found = (src + relation) @ dst
    else:
        first, second = (f"layers.{key}.{number}." for number in (0, 2))
        inner = values[first + "weight"] @ np.concatenate([src, dst, src * dst])
        inner = np.maximum(inner + values[first + "bias"], 0)
        found = (values[second + "weight"] @ inner + values[second + "bias"])[0]
    return float(found * values[f"scales.{key}"] + values[f"biases.{key}"])


@pytest.mark.parametrize("name", get_args(DecoderName))
def test_decoders_score_as_written(name: DecoderName) -> None:
    torch.manual_seed(1)
    decoder = Decoder(name, [BUYS], 6, calibrated=True)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.normal_()
    src, several = RNG.normal(size=(3, 6)), RNG.normal(size=(3, 4, 6))
    left, many = (torch.tensor(array, dtype=torch.float32) for array in (src, several))
    pairs = decoder(BUYS, left, many[:, 0]).detach()
    own = decoder(BUYS, left, many).detach()
    table = decoder.table(BUYS, left, many[1]).detach()
    for row in range(3):
        assert pairs[row] == pytest.approx(score(decoder, src[row], several[row, 0]), abs=1e-4)
        for other in range(4):
            wanted = score(decoder, src[row], several[row, other])
            assert own[row, other] == pytest.approx(wanted, abs=1e-4)
            wanted = score(decoder, src[row], several[1, other])
            assert table[row, other] == pytest.approx(wanted, abs=1e-4)
