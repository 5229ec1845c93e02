"""Runs of an evaluation: every variant restores all pairs in a run of its own, below the evaluation's folder."""

import io
import os
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.config.evaluation import EvaluationSettings, Variant
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.evaluation.layout import MANIFEST, MANIFEST_WITHOUT_CAPTIONS, run_folder
from pasd_batch.evaluation.protocols import Protocol
from pasd_batch.evaluation.sets import PhotoPair
from pasd_batch.storage.location import parse_location
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.storage import AlreadyExists, Storage

SET_COLUMN, NAME_COLUMN = "test_set", "photo"
"""Columns of the manifest, and so of the rows, that say which pair a photo is of."""

_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("reference_uri", pa.string(), nullable=False),
        pa.field("prompt", pa.string()),
        pa.field("scale", pa.float64(), nullable=False),
        pa.field(SET_COLUMN, pa.string(), nullable=False),
        pa.field(NAME_COLUMN, pa.string(), nullable=False),
    ]
)


def run_root(storage: Storage, variant: str) -> str:
    """Place of a variant's run."""
    return storage.uri(run_folder(variant))


def run_settings(
    variant: Variant, settings: EvaluationSettings, protocol: Protocol, storage: Storage, pairs: Sequence[PhotoPair]
) -> RunSettings:
    """The run that restores all pairs with a variant and scores what comes out.

    Raises:
        EvaluationError: its manifest is there already, and has other photos.
        StorageError: the manifest cannot be stored.
    """
    captions = variant.captions or all(pair.prompt is None for pair in pairs)
    manifest = MANIFEST if captions else MANIFEST_WITHOUT_CAPTIONS
    _store_manifest(storage, manifest, pairs, captions=captions)
    metrics = {"no_reference": protocol.no_reference, "full_reference": protocol.full_reference, "baseline": "lanczos"}
    return RunSettings.parse(
        {
            **settings.model_dump(include={"workers", "deadlines", "limits"}),
            "manifest": {"path": storage.uri(manifest), "format": "parquet", "columns": {"scale": "scale"}},
            "output": {"root": run_root(storage, variant.name), "file": {"format": "png"}},
            "shard_size": settings.shard_size,
            "max_error_rate": settings.max_error_rate,
            "storage": settings.storage.with_folders(_folders(pairs, settings.storage)),
            "restoration": variant.restoration,
            "metrics": settings.metrics.model_dump() | metrics,
        },
        source=f"run of {variant.name}",
    )


def _folders(pairs: Sequence[PhotoPair], storage_settings: StorageSettings) -> frozenset[str]:
    """Local folders that the pairs lie in."""
    places = (uri for pair in pairs for uri in (pair.uri, pair.truth))
    found = (parse_location(uri, allowed_schemes=storage_settings.allowed_schemes) for uri in places)
    return frozenset(os.path.dirname(location.path) for location in found if location.scheme == "file")


def _store_manifest(storage: Storage, path: str, pairs: Sequence[PhotoPair], *, captions: bool) -> None:
    rows = [
        {
            "id": pair.photo_id,
            "uri": pair.uri,
            "reference_uri": pair.truth,
            "prompt": pair.prompt if captions else None,
            "scale": pair.scale,
            SET_COLUMN: pair.test_set,
            NAME_COLUMN: pair.name,
        }
        for pair in pairs
    ]
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    try:
        storage.create(path, buffer.getvalue())
    except AlreadyExists:
        if not pq.read_table(io.BytesIO(storage.read(path))).equals(table):
            raise EvaluationError(
                f"{redact_uri(storage.uri(path))} has other photos or captions than the sets have now; give this "
                "evaluation another output, or bring the sets back to what they were"
            ) from None
