"""Derived entities: vectors by edge-weighted aggregation, for those that have no behaviour.

A seller is the weighted mean of the products it sells, a job of its city, company and words, an
applicant of the jobs they looked at, the latest counting most. `derive` makes the vectors,
`explain` names who they come from, `derive_update` redoes only what a change touched, and
`learn_weights` fits how much each edge type should count.
"""

from graphemb.derive.derivation import Derivation
from graphemb.derive.explain import Contribution, explain
from graphemb.derive.learn import WeightFit, learn_weights
from graphemb.derive.run import derive, derive_chain
from graphemb.derive.update import derive_update
from graphemb.derive.weights import (
    Column,
    EdgeWeight,
    Idf,
    Log1p,
    One,
    Rank,
    Recency,
    Sif,
    Values,
)

__all__ = [
    "Column",
    "Contribution",
    "Derivation",
    "EdgeWeight",
    "Idf",
    "Log1p",
    "One",
    "Rank",
    "Recency",
    "Sif",
    "Values",
    "WeightFit",
    "derive",
    "derive_chain",
    "derive_update",
    "explain",
    "learn_weights",
]
