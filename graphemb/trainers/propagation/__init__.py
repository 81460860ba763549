"""Vectors learned through parameter-free propagation over the graph."""

from graphemb.trainers.propagation.lightgcn import LightGCN

__all__ = ["LightGCN"]
