"""Holding edges out of training, what a split asks, where answers rank, and the leak audit."""

from graphemb.split.audit import Audit, audit_leaks
from graphemb.split.edges import given_split, split_by, split_edges
from graphemb.split.newcomers import Newcomers, hold_out_nodes
from graphemb.split.rule import HeldOut, Split, SplitRule

__all__ = [
    "Audit",
    "HeldOut",
    "Newcomers",
    "Split",
    "SplitRule",
    "audit_leaks",
    "given_split",
    "hold_out_nodes",
    "split_by",
    "split_edges",
]
