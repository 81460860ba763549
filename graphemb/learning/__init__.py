"""The one training loop of the models that torch trains, and what they share.

A trainer brings a `torch.nn.Module`; positives, negatives, losses, decoders, early stopping,
checkpoints and progress are here. The module maps rows to vectors:

    class Lookup(torch.nn.Module):
        def __init__(self, graph, dim):
            super().__init__()
            self.tables = torch.nn.ModuleDict(
                {name: torch.nn.Embedding(graph.num_nodes(name), dim) for name in graph.node_types}
            )

        def forward(self, rows, links=None):
            return {name: self.tables[name](row) for name, row in rows.items()}

`rows` holds per node type the int64 rows that are wanted; what comes back has one vector for each
of them. `links` are the positives of this step (None when vectors are only read): a model that
passes messages along edges must leave these out, or it learns to look them up.

`rows` are ascending and each stands once. The trainer itself is then small:

    @dataclass(frozen=True, kw_only=True)
    class Factors(LinkFields):
        def fit(self, graph, *, on_epoch=None, checkpoint=None):
            from graphemb.learning.fit import fit_links    # torch is loaded here, not before

            known = provenance(self, graph)
            learned = fit_links(
                lambda part: Lookup(part, self.dim), graph, self, known, on_epoch, checkpoint
            )
            parts = [
                vectors_of(name, graph.ids(name), matrix, there)
                for name, (matrix, there) in learned.vectors().items()
            ]
            return Embeddings(parts, {**known, **learned.facts()})

`part` is the graph without the validation edges, and torch's generator is seeded there.
`learned.model.encoder` and `.decoder` hold the best parameters, for scores that are no dot product.

What the fields mean stands in `fields`. A trainer with steps of its own (triples, whole rows of a
matrix) gives `loop.train` a `loop.Task` instead, a generator of losses; `losses`, `decoders` and
`noise` can be used there too. Only `fields` can be imported without torch.

Same seed, same vectors: every epoch draws from generators keyed by seed and epoch, so a run taken
up from a checkpoint goes on as if it had never stopped; and torch works with `threads` threads,
one unless told otherwise. Another number of them, another machine or a GPU may change the last
digits of sums.
"""

from graphemb.learning.fields import LinkFields, LoopFields

__all__ = ["LinkFields", "LoopFields"]
