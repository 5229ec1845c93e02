"""A restored photo on its way out: encoded, stored, hashed."""

import hashlib
from dataclasses import dataclass

from pasd_batch.batch.worker.photo_loader import LoadedPhoto
from pasd_batch.batch.worker.run_images import ImageFiles
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.photos.photo_io import RestorationMarker, encode_photo
from pasd_batch.records import ImageFacts, Stage


@dataclass(frozen=True)
class PhotoStore:
    """Stores restored photos, in `files` where they become files; safe in threads."""

    spec: WorkerSpec
    files: ImageFiles

    def store(self, restored: LoadedPhoto) -> None:
        """Encode and store a restored photo.

        Raises:
            StageFailed: it cannot be encoded, or the storage takes no file of its name or size.
            StorageError: the storage is in trouble.
        """
        state, photo, output_path = restored.state, restored.photo, restored.state.record.output_path
        with state.through(Stage.ENCODE):
            data = encode_photo(photo, settings=self.spec.settings.output.file, marker=self._marker(), warn=state.warn)
        if self.spec.keeps_files:
            with state.through(Stage.STORE, beyond=self.files.is_in_trouble):
                data = self.files.store(output_path, data, photo)
            state.row.output_uri = self.files.uri(output_path)
        if self.spec.keeps_images_in_rows:
            state.row.image = {"bytes": data, "path": output_path}
        state.row.output_path = output_path
        state.row.output = ImageFacts(
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            width=photo.width,
            height=photo.height,
            format=self.spec.settings.output.file.format.value.upper(),
        )

    def _marker(self) -> RestorationMarker:
        provenance = self.spec.provenance
        return RestorationMarker(
            software=provenance.software,
            model=f"PASD {provenance.model_fingerprint}",
            config_fingerprint=self.spec.photo_fingerprint,
        )
