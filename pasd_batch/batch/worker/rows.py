"""Result rows: one for every photo, whether it was restored or failed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pasd_batch.batch.worker.photo_state import PhotoState
from pasd_batch.batch.worker.spec import WorkerSpec, photo_seed
from pasd_batch.config.base import ConfigError
from pasd_batch.config.photo_settings import own_settings, page_of, refuse_unused_reference, sampling_of
from pasd_batch.records import PhotoFailure, PhotoRecord, ResultRow, Stage, Status, WorkOrigin
from pasd_batch.storage.location import redact_uri

Row = dict[str, Any]


@dataclass(frozen=True)
class RowWriter:
    """Makes the rows of one attempt at a shard."""

    spec: WorkerSpec
    origin: WorkOrigin

    def begin(self, record: PhotoRecord) -> PhotoState:
        """A photo at the beginning of its way."""
        restoration = self.spec.settings.restoration
        run, before = restoration.last.sampling, restoration.enlarged_before
        own = own_settings(record.settings)
        sampling, refused, page = run, None, None
        try:
            page = page_of(own)
            sampling = sampling_of(run, own, enlarged_before=before)
            if self.spec.restores and record.color_reference_uri is not None:
                refuse_unused_reference(sampling)
        except ConfigError as error:
            refused = PhotoFailure(Stage.SETTINGS, "InvalidSettings", str(error))
        row = ResultRow(
            photo_id=record.photo_id,
            uri=redact_uri(record.uri),
            prompt=record.prompt,
            reference_uri=redact_uri(record.reference_uri) if record.reference_uri else None,
            color_reference_uri=redact_uri(record.color_reference_uri) if record.color_reference_uri else None,
            page=page,
            mask_uri=redact_uri(record.mask_uri) if record.mask_uri else None,
            provenance=self.spec.provenance,
            origin=self.origin,
        )
        if self.spec.restores and refused is None:
            row.scale = sampling.scale * before
            row.seed = int(own["seed"]) if "seed" in own else photo_seed(run.seed, record.photo_id)
        return PhotoState(record, row, sampling, refused=refused)

    def end(self, state: PhotoState, failure: PhotoFailure | None = None) -> Row:
        """The row of a photo that is done, or failed; what a late thread still sets in its state changes it no more."""
        status = Status.OK if failure is None else Status.FAILED
        row = replace(state.row, status=status, failure=failure, finished_at=datetime.now(UTC))
        return state.record.extra | row.values()


def with_worker_seconds(rows: Sequence[Row], began: float) -> list[Row]:
    """A shard's rows with their shares of the time (`time.monotonic`) that has gone since its worker began."""
    share = (time.monotonic() - began) / max(1, len(rows))
    return [row | {"worker_seconds": share} for row in rows]


def without_images_beyond(rows: Sequence[Row], most_bytes: int) -> list[Row]:
    """`rows`, with those turned into failures whose images no longer fit into one Parquet object."""
    kept, total = [], 0
    for row in rows:
        size = len((row.get("image") or {}).get("bytes") or b"")
        total += size
        kept.append(row if total <= most_bytes or not size else _too_much(row, most_bytes))
    return kept


def _too_much(row: Row, most_bytes: int) -> Row:
    message = (
        f"the shard's images are more than the {most_bytes // 2**20} MiB of one result file; "
        "set a smaller shard_size, or output.images to files"
    )
    lost = dict.fromkeys(("image", "output_path", "output_uri", "output_sha256", "output_bytes"))
    failure = {"error_stage": Stage.STORE.value, "error_type": "ShardTooLarge", "error_message": message}
    return row | lost | {"status": Status.FAILED.value} | failure
