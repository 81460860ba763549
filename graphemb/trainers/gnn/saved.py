"""An encoder on the disk: parameters as safetensors, everything else as JSON and Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from graphemb.checkpoint import check_files, read_arrays, write_arrays
from graphemb.embeddings import Embeddings
from graphemb.errors import CorruptManifest
from graphemb.features import TabularEncoder
from graphemb.files import atomic_folder, digest_tree, read_parquet, write_json, write_parquet
from graphemb.ids import Ids
from graphemb.learning.inputs import InputPlan
from graphemb.learning.loop import device_of, seeded
from graphemb.learning.state import pack, unpack
from graphemb.manifest import MANIFEST, read_manifest
from graphemb.trainers.base import describe, make_trainer
from graphemb.trainers.gnn.encoder import GraphEncoder
from graphemb.trainers.gnn.inductive import Encoder
from graphemb.trainers.gnn.models import GNN
from graphemb.types import EdgeType, NodeType

FORMAT = 1
_KIND = "graphemb encoder"
_PARAMETERS = "parameters.safetensors"
_VECTORS = "vectors"


def save(encoder: Encoder, folder: Path) -> None:
    """See `Encoder.save`."""
    network = encoder.network
    arrays = pack(network.state_dict(), "")
    plans: dict[NodeType, Any] = {}
    with atomic_folder(folder, replace=True, needed=sum(a.nbytes for a in arrays.values())) as part:
        write_arrays(part / _PARAMETERS, arrays)
        encoder.vectors.save(part / _VECTORS)
        for name, plan in network.inputs.plans.items():
            columns = None if plan.columns is None else plan.columns.to_json()
            plans[name] = {"ids": plan.ids is not None, "columns": columns}
            if plan.ids is not None:
                write_parquet(part / f"{name}.ids.parquet", pa.table({"id": plan.ids.array}))
        manifest: dict[str, Any] = {
            "kind": _KIND,
            "format": FORMAT,
            "trainer": describe(encoder.trainer),
            "node_types": list(network.schema[0]),
            "ways": [str(way) for way in network.schema[1]],
            "edge_types": [str(edge_type) for edge_type in encoder.edge_types],
            "inputs": plans,
            "files": digest_tree(part),
        }
        write_json(part / MANIFEST, manifest)


def load(folder: Path) -> Encoder:
    """See `Encoder.load`."""
    manifest = read_manifest(folder, _KIND, FORMAT)
    check_files(folder, manifest, [_PARAMETERS])
    try:
        config = dict(manifest["trainer"])
        trainer = make_trainer(config.pop("trainer"), config, source=folder)
        plans = {name: _plan(folder, name, told) for name, told in manifest["inputs"].items()}
        ways = tuple(EdgeType.parse(way) for way in manifest["ways"])
        used = tuple(EdgeType.parse(text) for text in manifest["edge_types"])
        schema = (tuple(manifest["node_types"]), ways)
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptManifest("not an encoder's manifest", source=folder, value=error) from error
    if not isinstance(trainer, GNN):
        raise CorruptManifest("no encoder of ours", source=folder, value=type(trainer).__name__)
    with seeded(0):
        network = GraphEncoder(plans, schema, trainer.make_layer(), trainer)
    try:
        network.load_state_dict(unpack(read_arrays(folder / _PARAMETERS), ""))
    except RuntimeError as error:
        raise CorruptManifest("parameters of another network", source=folder) from error
    network.to(device_of(trainer)).eval()
    return Encoder(trainer, network, used, Embeddings.load(folder / _VECTORS))


def _plan(folder: Path, name: NodeType, told: Mapping[str, Any]) -> InputPlan:
    ids, columns = None, None
    if told["ids"]:
        column = read_parquet(folder / f"{name}.ids.parquet")["id"]
        ids = Ids(pa.concat_arrays([*column.chunks, pa.array([], column.type)]))
    if told["columns"] is not None:
        columns = TabularEncoder.from_json(told["columns"], source=folder)
    return InputPlan(ids, columns)
