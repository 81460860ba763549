"""A picture of the vectors: every entity of the marketplace on one map, by t-SNE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphemb.demo.niches import NAMES
from graphemb.demo.truth import Truth
from graphemb.embeddings import Embeddings
from graphemb.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

COLOURS = (
    "#2f9e5b",
    "#b9770e",
    "#7d4cc2",
    "#e0533a",
    "#8aa81f",
    "#1c9fb5",
    "#d63384",
    "#3566d6",
)
_INK, _GREY, _PAPER = "#22252b", "#60646c", "#fbfaf7"
_MOST_USERS = 1500
_ITERATIONS = 400
_ROUNDS = 200
_CROWD = 10


@dataclass(frozen=True)
class _Look:
    """How a node type is drawn."""

    label: str
    marker: str
    size: float
    alpha: float
    edge: str | None = None


_LOOKS = {
    "user": _Look("users", "o", 5, 0.35),
    "product": _Look("products", "o", 15, 0.7),
    "job": _Look("jobs", "^", 20, 0.8),
    "seller": _Look("sellers, derived", "D", 34, 1.0, "white"),
    "company": _Look("companies, derived", "s", 52, 1.0, _INK),
}


@dataclass(frozen=True, eq=False)
class _Points:
    """What is drawn: places float32 [n, 2]; kind and community int64 [n]; ids."""

    types: list[str]
    places: FloatArray
    kind: IntArray
    community: IntArray
    ids: list[str]


def draw_map(emb: Embeddings, truth: Truth, path: Path) -> None:
    """Draw the vectors as points, coloured by planted community, into a PNG.

    t-SNE (van der Maaten and Hinton 2008) sees the vectors alone, at length 1; what was planted
    gives the colours and names. At most 1,500 users are drawn.

    Args:
        emb: vectors of the demo's node types.
        truth: what was planted.
        path: of the PNG.
    """
    import matplotlib.pyplot as plt

    points = _points(emb, truth)
    figure, axes = plt.subplots(figsize=(12, 12), dpi=150, facecolor=_PAPER)
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.085, top=0.915)
    axes.set_axis_off()
    axes.set_aspect("equal", adjustable="datalim")
    for number, node_type in enumerate(points.types):
        _scatter(axes, points, points.kind == number, _LOOKS[node_type])
    _write_names(figure, axes, points, truth)
    _write_title(figure, emb, points)
    _write_legends(figure, points.types)
    figure.savefig(path, facecolor=_PAPER)
    plt.close(figure)


def _points(emb: Embeddings, truth: Truth) -> _Points:
    types = [node_type for node_type in _LOOKS if node_type in emb]
    rows = {
        node_type: np.arange(len(emb[node_type]))[: _MOST_USERS if node_type == "user" else None]
        for node_type in types
    }
    ids = [str(emb[node_type].ids[int(row)]) for node_type in types for row in rows[node_type]]
    kind = np.repeat(np.arange(len(types)), [rows[node_type].size for node_type in types])
    community = np.array(
        [
            NAMES.index(truth.community[types[number]][one])
            for number, one in zip(kind, ids, strict=True)
        ]
    )
    matrix = np.concatenate([emb[node_type].matrix[rows[node_type]] for node_type in types])
    return _Points(types, _places(matrix), kind, community, ids)


def _places(matrix: FloatArray) -> FloatArray:
    """float32 [n, 2]: t-SNE of the rows at length 1, on one thread (more wait for each other)."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    unit = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    perplexity = min(40, max(5, len(unit) // 50))
    model = TSNE(2, init="pca", perplexity=perplexity, max_iter=_ITERATIONS, random_state=0)
    with threadpool_limits(1):
        return np.asarray(model.fit_transform(unit), np.float32)


def _scatter(axes: Axes, points: _Points, chosen: Any, look: _Look) -> None:
    places, community = points.places[chosen], points.community[chosen]
    order = np.random.default_rng(0).permutation(len(places))
    axes.scatter(
        places[order, 0],
        places[order, 1],
        s=look.size,
        c=[COLOURS[one] for one in community[order]],
        marker=look.marker,
        alpha=look.alpha,
        linewidths=0.6 if look.edge else 0,
        edgecolors=look.edge or "none",
    )


def _write_names(figure: Figure, axes: Axes, points: _Points, truth: Truth) -> None:
    """Communities in large letters amid their products, and their niches in small ones."""
    products = points.kind == points.types.index("product")
    places, community = points.places[products], points.community[products]
    niche = [truth.niche[one] for one, is_one in zip(points.ids, products, strict=True) if is_one]
    large, small = [], []
    for number, name in enumerate(NAMES):
        middle = np.median(places[community == number], axis=0)
        large.append(_name(axes, middle, name, number, 21))
    for name in dict.fromkeys(niche):
        own = np.array([one == name for one in niche])
        number = int(np.bincount(community[own]).argmax())
        small.append(_name(axes, _densest(places[own]), name.lower(), number, 10))
    _move_apart(figure, axes, large, small)


def _densest(places: FloatArray) -> FloatArray:
    """float32 [2]: the point with the closest neighbours."""
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
    near = min(_CROWD, len(places) - 1)
    return np.asarray(places[np.sort(gaps, axis=1)[:, near].argmin()])


def _name(axes: Axes, place: FloatArray, name: str, community: int, size: int) -> Text:
    from matplotlib import patheffects

    text = axes.text(
        float(place[0]),
        float(place[1]),
        name,
        fontsize=size,
        weight="bold",
        color=COLOURS[community],
        ha="center",
        va="center",
        zorder=10,
    )
    text.set_path_effects([patheffects.withStroke(linewidth=size / 4, foreground=_PAPER)])
    return text


def _move_apart(figure: Figure, axes: Axes, fixed: Sequence[Text], moved: Sequence[Text]) -> None:
    """Shift `moved` up or down until no two names lie on each other."""
    figure.draw_without_rendering()
    texts = [*fixed, *moved]
    boxes = np.array([text.get_window_extent().extents for text in texts])
    boxes += np.array([-3.0, -2.0, 3.0, 2.0])
    shifts = np.zeros(len(texts))
    for _ in range(_ROUNDS):
        calm = True
        for one in range(len(fixed), len(texts)):
            for other in range(one):
                overlap = np.minimum(boxes[one, 2:], boxes[other, 2:])
                overlap -= np.maximum(boxes[one, :2], boxes[other, :2])
                if overlap.min() <= 0:
                    continue
                up = boxes[one, [1, 3]].sum() >= boxes[other, [1, 3]].sum()
                step = (overlap[1] + 1.0) * (1 if up else -1) / (1 if other < len(fixed) else 2)
                for place, share in ((one, step), (other, -step)):
                    if place >= len(fixed):
                        boxes[place, [1, 3]] += share
                        shifts[place] += share
                calm = False
        if calm:
            break
    to_data = axes.transData.inverted()
    for text, shift in zip(texts, shifts, strict=True):
        x, y = axes.transData.transform(text.get_position())
        text.set_position(tuple(to_data.transform((x, y + shift))))


def _write_title(figure: Figure, emb: Embeddings, points: _Points) -> None:
    names = {one: _LOOKS[one].label.split(",")[0] for one in points.types}
    counts = ", ".join(f"{len(emb[one]):,} {name}" for one, name in names.items())
    title = "A marketplace, learned from who buys and who applies"
    figure.text(0.035, 0.967, title, fontsize=23, weight="bold", color=_INK)
    below = (
        f"{counts}; sellers from what they sell, companies from what they offer.\n"
        "Synthetic data. Colours are the planted communities; places come from the vectors "
        "alone (t-SNE)."
    )
    figure.text(
        0.035, 0.957, below, fontsize=11.5, color=_GREY, va="top", linespacing=1.5, parse_math=False
    )


def _write_legends(figure: Figure, types: list[str]) -> None:
    from matplotlib.lines import Line2D

    shapes = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=_LOOKS[one].marker,
            color="#70747c",
            label=_LOOKS[one].label,
            markersize=np.sqrt(_LOOKS[one].size) + 1.5,
            markeredgecolor=_LOOKS[one].edge or "none",
        )
        for one in types
    ]
    colours = [
        Line2D([], [], linestyle="", marker="o", color=COLOURS[number], label=name, markersize=9)
        for number, name in enumerate(NAMES)
    ]
    for y, marks in ((0.048, shapes), (0.018, colours)):
        figure.legend(
            handles=marks,
            loc="center",
            bbox_to_anchor=(0.5, y),
            ncol=len(marks),
            frameon=False,
            fontsize=12,
            labelcolor=_INK,
            handletextpad=0.2,
            columnspacing=1.6,
        )
