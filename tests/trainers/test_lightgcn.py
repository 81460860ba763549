"""LightGCN: gradients against automatic differentiation, and graphs whose answer is known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import sparse

from graphemb.errors import ConfigError, TrainingError
from graphemb.kernels.descent import HIDDEN, adam_rows, softmax_rows
from graphemb.testing import BUYS, KNOWS, SELLS, checkerboard, communities, community_share
from graphemb.trainers.propagation import LightGCN
from graphemb.trainers.propagation.objectives import Logistic, SharedSoftmax
from graphemb.trainers.propagation.pairs import Propagation, Task, joined, with_kin
from graphemb.trainers.propagation.training import Training

SMALL = LightGCN(dim=8, epochs=30, seed=3)


def some_task(seed: int = 0) -> tuple[Task, np.ndarray]:
    """Thirteen nodes, of which the last six are targets, and vectors float32 [13, 5]."""
    rng = np.random.default_rng(seed)
    src, dst = np.nonzero(rng.random((7, 6)) < 0.5)
    task = Task(src, dst + 7, rng.uniform(0.5, 2.0, src.size), np.unique(dst + 7))
    return task, rng.standard_normal((13, 5)).astype(np.float32)


def by_autograd(vectors: np.ndarray, loss_of, *more: torch.Tensor) -> tuple[float, list]:
    inputs = [torch.tensor(vectors, dtype=torch.float64, requires_grad=True), *more]
    loss = loss_of(*inputs)
    loss.backward()
    return float(loss.detach()), [one.grad.numpy() for one in inputs]


@pytest.mark.parametrize("power", [0.0, 0.25, 1.0])
def test_the_softmax_gradient_is_autograds(power: float) -> None:
    task, vectors = some_task()
    sources, places = np.array([0, 2, 5]), np.array([4, 0, 2])
    positives = task.positives(len(vectors))[sources]
    known = positives[:, task.candidates[places]]
    assert 0 < known.nnz < known.shape[0] * known.shape[1]

    def loss_of(x: torch.Tensor) -> torch.Tensor:
        queries = torch.nn.functional.normalize(x[sources], dim=1)
        targets = x[task.candidates]
        targets = targets * targets.norm(dim=1, keepdim=True) ** (power - 1)
        scores = queries @ targets.T / 0.3
        weight = torch.tensor(positives.toarray()[:, task.candidates])
        others = scores[:, places].masked_fill(weight[:, places] > 0, -torch.inf)
        bottom = torch.logsumexp(others, dim=1, keepdim=True)
        return (weight * (bottom - scores)).sum() / weight.sum()

    wanted, (slope,) = by_autograd(vectors, loss_of)
    found = np.zeros_like(vectors)
    with ThreadPoolExecutor(2) as pool:
        objective = SharedSoftmax(
            sources, positives, task.candidates, places, known, 0.3, power, pool
        )
        assert objective(vectors, found) == pytest.approx(wanted, rel=1e-5)
    assert_allclose(found, slope, atol=1e-5)


def test_a_row_whose_columns_are_all_left_out_has_no_loss_and_no_gradient() -> None:
    scores = np.full((2, 3), HIDDEN, np.float32)
    scores[1] = 0.5, HIDDEN, 0.5
    losses = np.full(2, np.nan)
    softmax_rows(scores, 0.5, np.ones(2, np.float32), losses, 0, 2)
    assert_allclose(scores, [[0, 0, 0], [1, 0, 1]])
    assert_allclose(losses, [0, np.log(2) + 1], rtol=1e-6)


def test_the_logistic_gradient_is_autograds() -> None:
    task, vectors = some_task(1)
    chosen = np.arange(0, task.src.size, 2)
    absent = np.random.default_rng(2).choice(task.candidates, chosen.size)
    src, dst, weight = task.src[chosen], task.dst[chosen], torch.tensor(task.weight[chosen])

    def loss_of(x: torch.Tensor, line: torch.Tensor) -> torch.Tensor:
        good, bad = (line[0] * (x[src] * x[to]).sum(1) + line[1] for to in (dst, absent))
        soft = torch.nn.functional.softplus
        return (weight * (soft(-good) + soft(bad))).sum() / (2 * weight.sum())

    line = torch.tensor([1.5, -0.3], dtype=torch.float64, requires_grad=True)
    wanted, (slope, line_slope) = by_autograd(vectors, loss_of, line)
    found, found_line = np.zeros_like(vectors), np.zeros(2)
    pairs = src, dst, task.weight[chosen]
    objective = Logistic(*pairs, absent, np.array([1.5, -0.3]), found_line)
    assert objective(vectors, found) == pytest.approx(wanted, rel=1e-5)
    assert_allclose(found, slope, atol=1e-6)
    assert_allclose(found_line, line_slope, atol=1e-6)


def test_gradients_flow_back_through_the_layers() -> None:
    task, vectors = some_task(3)
    adjacency = joined({BUYS: task}, len(vectors))
    trainer = replace(SMALL, layers=(0.5, 0.0, 1.0, 2.0), self_loops=1.0)
    flow = trainer.propagation(adjacency, np.ones(len(vectors), np.bool_))
    goal = np.random.default_rng(4).standard_normal(vectors.shape)
    looped = adjacency.toarray().astype(np.float64) + np.eye(len(vectors))
    scale = np.diag(looped.sum(1) ** -0.5)
    step = torch.tensor(scale @ looped @ scale)

    def loss_of(x: torch.Tensor) -> torch.Tensor:
        out = (0.5 * x + step @ step @ x + 2.0 * step @ step @ step @ x) / 3.5
        return (out * torch.tensor(goal)).sum()

    _, (slope,) = by_autograd(vectors, loss_of)
    assert_allclose(flow(goal.astype(np.float32)), slope, atol=1e-5)


def test_adam_is_the_papers() -> None:
    rng = np.random.default_rng(5)
    start = rng.standard_normal((6, 4)).astype(np.float32)
    mine, means, squares = start.copy(), np.zeros_like(start), np.zeros_like(start)
    wanted, mean, square = start.astype(np.float64), np.zeros((6, 4)), np.zeros((6, 4))
    for step in range(1, 6):
        slope = rng.standard_normal(start.shape).astype(np.float32)
        adam_rows(mine, means, squares, slope, 0.05, (0.9, 0.99), step, 0, 6)
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope.astype(float) ** 2
        wanted -= 0.05 * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    assert_allclose(mine, wanted, atol=1e-5)


def test_the_spectral_start_is_the_svd_of_the_normalised_pairs() -> None:
    graph = communities()
    trainer = LightGCN(dim=4, edge_types=(BUYS,))
    start = Training.of(trainer, graph).start()
    pairs = graph[BUYS].to_scipy().toarray().astype(np.float64)
    scaled = pairs / np.sqrt(pairs.sum(1, keepdims=True) * pairs.sum(0, keepdims=True))
    left, values, right = np.linalg.svd(scaled)
    wanted = (left[:, :4] * values[:4]) @ right[:4]
    found = start[:80] @ start[80:140].T
    assert_allclose(found / np.linalg.norm(found), wanted / np.linalg.norm(wanted), atol=4e-3)
    for rows in (start[:80], start[80:140]):
        assert np.mean(np.sum(rows**2, axis=1)) == pytest.approx(1.0, rel=1e-4)
    assert not start[140:].any()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"start": "random"},
        {"message_share": 0.7},
        {"kin": 5},
        {"loss": "bce", "layers": (1.0, 1.0, 1.0), "self_loops": 1.0, "message_share": 0.5},
    ],
    ids=["softmax", "random start", "divided", "kin", "bce"],
)
def test_communities_are_found_and_nothing_in_a_random_graph(fields: dict) -> None:
    trainer = replace(SMALL, edge_types=(BUYS,), **fields)
    planted, random = communities(), communities(mixing=1.0)
    assert community_share(trainer.fit(planted), planted, "product") > 0.8
    assert community_share(trainer.fit(random), random, "product") < 0.4


def test_the_checkerboard_is_completed() -> None:
    graph = checkerboard()
    fitted = replace(SMALL, dim=4).fit(graph)
    scores = fitted["user"].matrix @ fitted["product"].matrix.T
    bought = graph[BUYS].to_scipy().toarray() > 0
    own = np.where(np.add.outer(np.arange(20), np.arange(20)) % 2 == 0, scores, np.nan)
    assert (np.nanmin(own, axis=1) > np.where(np.isnan(own), scores, -np.inf).max(axis=1)).all()
    assert bought.sum() == 180


def test_lengths_of_vectors_are_those_that_were_learned_with() -> None:
    fitted = replace(SMALL, edge_types=(SELLS, BUYS), length_power=0.0).fit(communities())
    for part in fitted.values():
        assert_allclose(np.linalg.norm(part.matrix, axis=1), 1.0, rtol=1e-5)


def test_the_threads_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, trainer = communities(), replace(SMALL, epochs=3)
    several = trainer.fit(graph)
    monkeypatch.setattr("graphemb.trainers.propagation.fields.num_threads", lambda: 1)
    monkeypatch.setattr("graphemb.linalg.num_threads", lambda: 1)
    one = trainer.fit(graph)
    for name, part in several.items():
        assert np.array_equal(part.matrix, one[name].matrix)


def test_fault_077_a_loss_that_is_no_number_stops_the_training() -> None:
    with pytest.raises(TrainingError, match="learning_rate"):
        replace(SMALL, learning_rate=1e30, loss="bce", edge_types=(BUYS,)).fit(communities())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("layers", (0.0, 0.0)),
        ("temperature", 0.0),
        ("message_share", 0.0),
        ("kin", -1),
        ("final_rate", 1.5),
        ("scale", 0.0),
    ],
)
def test_fault_090_a_field_out_of_range_is_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match="layer" if field == "layers" else field):
        replace(SMALL, **{field: value})


def test_edges_within_a_type_are_learned_too() -> None:
    graph = communities()
    fitted = replace(SMALL, edge_types=(KNOWS,)).fit(graph)
    assert list(fitted) == ["user"]
    assert community_share(fitted, graph, "user") > 0.8


def test_a_layer_of_weight_zero_adds_nothing() -> None:
    step = sparse.csr_matrix(np.array([[0, 2], [2, 0]], np.float32))
    vectors = np.array([[1.0], [10.0]], np.float32)
    assert_allclose(Propagation(step, (0.0, 1.0))(vectors), [[20.0], [2.0]])
    assert_allclose(Propagation(step, (1.0, 0.0, 1.0))(vectors), [[2.5], [25.0]])


def test_an_edge_type_can_be_asked_from_its_other_end() -> None:
    graph = communities()
    fitted = replace(SMALL, epochs=5, edge_types=(BUYS.reverse,)).fit(graph)
    assert community_share(fitted, graph, "product") > 0.8
    assert_allclose(np.linalg.norm(fitted["product"].matrix, axis=1), 1.0, rtol=1e-5)
    assert np.linalg.norm(fitted["user"].matrix, axis=1).std() > 0.01


def test_kin_are_the_largest_entries_of_the_squared_step() -> None:
    task, _ = some_task(6)
    adjacency = joined({BUYS: task}, 13)
    dense = adjacency.toarray().astype(np.float64)
    degrees = dense.sum(1)
    scaled = dense / np.sqrt(np.outer(degrees, degrees))
    square = scaled @ scaled
    np.fill_diagonal(square, 0.0)
    square[:7] = 0.0
    for row in square[7:]:
        row[row < np.sort(row)[-3]] = 0.0
    shares = square / np.maximum(square.sum(1, keepdims=True), 1e-12)
    between = 0.5 * 0.7 * (shares + shares.T) * np.sqrt(np.outer(degrees, degrees))
    targets = np.arange(13) >= 7
    assert_allclose(with_kin(adjacency, targets, 3, 0.7).toarray(), dense + between, rtol=1e-5)


def test_nodes_with_fewer_kin_than_asked_for_have_all_of_them() -> None:
    path = sparse.csr_matrix(np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0] * 4], float))
    for number in (3, 2**40):  # room is made for those that can be, not for those asked for
        found = with_kin(path, np.ones(4, np.bool_), number, 1.0).toarray()
        assert_allclose(found, [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
