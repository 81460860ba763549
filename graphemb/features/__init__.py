"""Node columns as matrices, by statistics that are fitted once and applied to any graph."""

from graphemb.features.tabular import Features, TabularEncoder, encode_columns

__all__ = ["Features", "TabularEncoder", "encode_columns"]
