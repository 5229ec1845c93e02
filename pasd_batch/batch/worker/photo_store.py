"""A restored photo on its way out: encoded, stored, hashed."""

import hashlib
from dataclasses import dataclass

from pasd_batch.batch.worker.photo_state import PhotoState
from pasd_batch.batch.worker.run_images import ImageFiles
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.photos.photo import Photo
from pasd_batch.photos.photo_io import RestorationMarker, encode_photo
from pasd_batch.records import ImageFacts, RestorationReport, RestoredPhoto, Stage


@dataclass(frozen=True, eq=False)
class StoreJob:
    """A restored photo, as it is to be stored, and how it was restored."""

    state: PhotoState
    photo: Photo
    prompt: str
    report: RestorationReport

    @property
    def nbytes(self) -> int:
        """Memory that the pixels take."""
        return self.photo.nbytes


@dataclass(frozen=True)
class PhotoStore:
    """Stores restored photos, in `files` where they become files; safe in threads."""

    spec: WorkerSpec
    files: ImageFiles

    def store(self, job: StoreJob) -> RestoredPhoto:
        """Encode and store a restored photo.

        Raises:
            StageFailed: it cannot be encoded, or the storage takes no file of its name or size.
            StorageError: the storage is in trouble.
        """
        with job.state.through(Stage.ENCODE):
            data = encode_photo(
                job.photo, settings=self.spec.settings.output.file, marker=self._marker(), warn=job.state.warn
            )
        if self.spec.keeps_files:
            with job.state.through(Stage.STORE, beyond=self.files.is_in_trouble):
                data = self.files.store(job.state.record.output_path, data, job.photo)
        return self._described(job, data)

    def _marker(self) -> RestorationMarker:
        provenance = self.spec.provenance
        return RestorationMarker(
            software=provenance.software,
            model=f"PASD {provenance.model_fingerprint}",
            config_fingerprint=self.spec.photo_fingerprint,
        )

    def _described(self, job: StoreJob, data: bytes) -> RestoredPhoto:
        return RestoredPhoto(
            output=ImageFacts(
                sha256=hashlib.sha256(data).hexdigest(),
                bytes=len(data),
                width=job.photo.width,
                height=job.photo.height,
                format=self.spec.settings.output.file.format.value.upper(),
            ),
            output_uri=self.files.uri(job.state.record.output_path) if self.spec.keeps_files else None,
            prompt_used=job.prompt,
            report=job.report,
            encoded=data if self.spec.keeps_images_in_rows else None,
        )
