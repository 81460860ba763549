"""Gowalla again: does a user find more places by several vectors than by one?

The places' vectors are the same for all rows, an SVD's. A user is its own vector, the mean of its
places, or up to k medoids of them, whose hits are merged by turns or by the best score.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Literal

import numpy as np

import graphemb as ge
from benchmarks.recsys.gowalla import split
from benchmarks.recsys.sets import Measured, Method, RecSet, timed
from graphemb.types import EdgeType, NodeId

VISITS = EdgeType("user", "visits", "place")
_USERS = 2_000
_K = 20
Search = Callable[[NodeId, list[NodeId]], list[NodeId]]


@cache
def vectors(seed: int) -> ge.Embeddings:
    """Of users and places."""
    return ge.SVD(dim=64, seed=seed).fit(split().train)


def recall(search: Search, seed: int) -> float:
    """R@20 of some users."""
    asked, train = split().test, split().train
    users = np.random.default_rng(seed).permutation(np.unique(asked.src))[:_USERS]
    user_ids, place_ids = train.ids("user"), train.ids("place")
    found = []
    for user in users:
        name = user_ids[int(user)]
        wanted = {place_ids[int(place)] for place in asked.dst[asked.src == user]}
        seen = train.neighbors("user", name, VISITS)
        found.append(len(wanted & set(search(name, seen))) / len(wanted))
    return float(np.mean(found))


def one_vector(of: Literal["own", "mean"], seed: int) -> Measured:
    """A single vector for each user."""
    emb = vectors(seed)
    places, users = emb["place"], emb["user"]
    index = ge.Index.build(places)

    def search(name: NodeId, seen: list[NodeId]) -> list[NodeId]:
        query = users.vector(name) if of == "own" else places.vectors(seen).mean(axis=0)
        ids: list[NodeId] = index.search(query, _K, exclude=seen)[0]
        return ids

    return Measured((recall(search, seed),))


def several(k: int, merge: Literal["best", "turns"], seed: int) -> Measured:
    """Up to k medoids for each user; the time is that of clustering all users' places."""
    emb = vectors(seed)
    found, seconds = timed(lambda: ge.interests(emb, split().train, along=VISITS, k=k))
    index = ge.Index.build(emb["place"])

    def search(name: NodeId, seen: list[NodeId]) -> list[NodeId]:
        return found.search(index, name, _K, merge=merge, exclude=seen)[0]

    return Measured((recall(search, seed),), seconds)


SET = RecSet(
    name="gowalla_interests",
    measures=("R@20",),
    about=(
        f"{_USERS:,} users of Gowalla; places by cosine over the vectors of one SVD with 64 "
        "components. A question of how users are told, not of how well places are learned."
    ),
    must=(),
    goal=(),
    methods=(
        Method("3 medoids, by turns", partial(several, 3, "turns")),
        Method("3 medoids, best score", partial(several, 3, "best")),
        Method("10 medoids, by turns", partial(several, 10, "turns")),
        Method("10 medoids, best score", partial(several, 10, "best")),
        Method("mean of the places", partial(one_vector, "mean"), role="simple"),
        Method("the SVD's own vector", partial(one_vector, "own"), role="simple"),
    ),
)
