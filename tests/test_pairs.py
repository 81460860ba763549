"""Context pairs against windows written out by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from graphemb.errors import ConfigError
from graphemb.pairs import context_pairs
from graphemb.walks import id_sequences

SEQUENCES = [list("abcde"), ["x"], list("ca"), list("dabbad")]


def as_text(parts: tuple[np.ndarray, np.ndarray], names: list[str]) -> list[str]:
    return [names[center] + names[context] for center, context in zip(*parts, strict=True)]


def test_whole_windows() -> None:
    corpus = id_sequences([list("abcd"), ["x"]], node_type="item")
    names = [str(name) for name in corpus.space.ids[0]]
    found = as_text(context_pairs(corpus, context_size=2), names)
    assert found == ["ab", "ac", "ba", "bc", "bd", "ca", "cb", "cd", "db", "dc"]


@pytest.mark.parametrize("radius", [1, 2, 3, 10])
def test_whole_windows_against_brute_force(radius: int) -> None:
    corpus = id_sequences(SEQUENCES, node_type="item")
    names = [str(name) for name in corpus.space.ids[0]]
    expected = [
        center + context
        for sequence in SEQUENCES
        for place, center in enumerate(sequence)
        for other, context in enumerate(sequence)
        if other != place and abs(other - place) <= radius
    ]
    assert as_text(context_pairs(corpus, context_size=radius), names) == expected


def test_drawn_windows_let_near_nodes_count_more() -> None:
    """A context at distance d is inside a window of radius 4 drawn from 1 to 4 in (5 - d) / 4."""
    corpus = id_sequences([list(range(2000))], node_type="item")
    centers, contexts = context_pairs(corpus, context_size=4, seed=3)
    counts = np.bincount(np.abs(centers - contexts))
    np.testing.assert_allclose(counts[1:] / 4000, [1.0, 0.75, 0.5, 0.25], atol=0.03)
    again = context_pairs(corpus, context_size=4, seed=3)
    assert (again[0] == centers).all() and (again[1] == contexts).all()


def test_fault_090_a_radius_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="context_size"):
        context_pairs(id_sequences([["a", "b"]], node_type="item"), context_size=0)
