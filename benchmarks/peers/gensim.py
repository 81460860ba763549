"""gensim Word2Vec from `corpus_file`, its fast path.

The walks stand ready in a text file: neither making nor writing them counts against it.
"""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from typing import Any

import numpy as np
from gensim.models import Word2Vec
from measure import Meter, main


def _train(meter: Meter, corpus: str, radius: int, rate: float) -> Any:
    plan = meter.plan
    return Word2Vec(
        corpus_file=str(meter.folder / corpus),
        vector_size=plan["dim"],
        window=radius,
        negative=plan["negatives"],
        sg=1,
        hs=0,
        epochs=1,
        min_count=0,
        sample=0,
        alpha=rate,
        workers=plan["threads"],
        seed=1,
    )


def _save(meter: Meter, model: Any) -> None:
    size = meter.plan["num_nodes"]
    out = np.zeros((size, meter.plan["dim"]), np.float32)
    out[np.array([int(word) for word in model.wv.index_to_key])] = model.wv.vectors
    np.save(meter.out, out)


def _rate(radius: int) -> Any:
    def task(meter: Meter) -> None:
        rate = meter.plan["learning_rate"]
        model = meter.timed(lambda: _train(meter, "walks_short.txt", radius, rate))
        meter.counted(model.corpus_total_words)

    return task


def _whole(rate: float) -> Any:
    def task(meter: Meter) -> None:
        radius = meter.plan["radius"]
        meter.timed(lambda: _save(meter, _train(meter, "walks.txt", radius, rate)))

    return task


if __name__ == "__main__":
    main(
        {
            "skipgram.r10": _rate(10),
            "skipgram.r5": _rate(5),
            "whole:rate .05": _whole(0.05),
            "whole:rate .025, its default": _whole(0.025),
        }
    )
