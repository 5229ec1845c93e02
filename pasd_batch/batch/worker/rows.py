"""Result rows: one for every photo, whether it was restored or failed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pasd_batch.batch.worker.photo_state import PhotoState
from pasd_batch.batch.worker.spec import WorkerSpec, photo_seed
from pasd_batch.records import ImageFacts, PhotoFailure, RestoredPhoto, Score, Stage, Status, WorkOrigin
from pasd_batch.storage.location import redact_uri

Row = dict[str, Any]


@dataclass(frozen=True)
class RowWriter:
    """Makes the rows of one attempt at a shard."""

    spec: WorkerSpec
    origin: WorkOrigin

    def failed(self, state: PhotoState, failure: PhotoFailure) -> Row:
        """The row of a photo that has no result."""
        return self._common(state) | {
            "status": Status.FAILED.value,
            "error_stage": failure.stage.value,
            "error_type": failure.error_type,
            "error_message": failure.message,
        }

    def done(self, state: PhotoState, restored: RestoredPhoto | None, scores: Sequence[Score]) -> Row:
        """The row of a photo that was scored, and restored unless the run only scores."""
        row = self._common(state) | {"status": Status.OK.value} | _score_columns(scores)
        if restored is not None:
            row |= _restored_columns(restored, state.record.output_path)
            if self.spec.keeps_images_in_rows:
                row["image"] = {"bytes": restored.encoded, "path": state.record.output_path}
        return row

    def _common(self, state: PhotoState) -> Row:
        record, provenance = state.record, self.spec.provenance
        sampling = self.spec.settings.restoration.sampling
        return record.extra | {
            "photo_id": record.photo_id,
            "uri": redact_uri(record.uri),
            "prompt": record.prompt,
            "reference_uri": redact_uri(record.reference_uri) if record.reference_uri else None,
            "scale": sampling.scale if self.spec.restores else None,
            "seed": photo_seed(sampling.seed, record.photo_id) if self.spec.restores else None,
            "config_fingerprint": provenance.config_fingerprint,
            "manifest_fingerprint": provenance.manifest_fingerprint,
            "model_fingerprint": provenance.model_fingerprint,
            "software": provenance.software,
            "shard": self.origin.shard,
            "attempt": self.origin.attempt,
            "worker": self.origin.worker,
            "isolated": self.origin.isolated,
            "finished_at": datetime.now(UTC),
            "warnings": list(state.warnings),
            "seconds": {stage.value: taken for stage, taken in dict(state.seconds).items()},
            **({} if state.source is None else _image_columns("input", state.source)),
        }


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


def _image_columns(prefix: str, facts: ImageFacts) -> Row:
    return {f"{prefix}_{name}": value for name, value in asdict(facts).items()}


def _restored_columns(restored: RestoredPhoto, output_path: str) -> Row:
    return {
        "output_path": output_path,
        "output_uri": restored.output_uri,
        "prompt_used": restored.prompt_used,
        **_image_columns("output", restored.output),
        **asdict(restored.report),
    }


def _score_columns(scores: Sequence[Score]) -> Row:
    if not scores:
        return {}
    errors = [f"{score.name}: {score.error}" for score in scores if score.error]
    if not errors and all(score.value is None for score in scores):
        errors = ["no metric of this run applies: all compare with a reference_uri, which the manifest does not give"]
    return {
        "scores": {score.name: score.value for score in scores},
        "score_errors": "; ".join(errors) or None,
    }
