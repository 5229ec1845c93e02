"""A restored photo on its way out: encoded, stored, hashed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pasd_batch.batch.worker.photo_loader import LoadedPhoto
from pasd_batch.batch.worker.photo_state import PhotoState
from pasd_batch.batch.worker.run_images import ImageFiles
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.photos.photo import Photo
from pasd_batch.photos.photo_io import RestorationMarker, encode_photo
from pasd_batch.records import ImageFacts, PassResult, Stage


@dataclass(frozen=True)
class PhotoStore:
    """Stores restored photos, in `files` where they become files; safe in threads."""

    spec: WorkerSpec
    files: ImageFiles
    earlier: Sequence[ImageFiles] = ()
    """Places for the results of the passes before the last, in their order."""

    def store(self, restored: LoadedPhoto) -> None:
        """Encode and store a restored photo.

        Raises:
            StageFailed: it cannot be encoded, or the storage takes no file of its name or size.
            StorageError: the storage is in trouble.
        """
        state, photo, output_path = restored.state, restored.photo, restored.state.record.output_path
        with state.through(Stage.ENCODE):
            data = encode_photo(
                photo, settings=self.spec.settings.output.file, marker=self._marker(state), warn=state.warn
            )
        state.row.passes = self._store_earlier(restored)
        if self.spec.keeps_files:
            data = self._store_file(state, self.files, data, photo)
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

    def _store_earlier(self, restored: LoadedPhoto) -> list[PassResult] | None:
        state, settings = restored.state, self.spec.settings.output.file
        if not restored.earlier:
            return None
        with state.through(Stage.ENCODE):
            files = [encode_photo(each, settings=settings, marker=self._marker(state)) for each in restored.earlier]
        results = []
        for photo, data, place in zip(restored.earlier, files, self.earlier, strict=True):
            stored = self._store_file(state, place, data, photo)
            results.append(
                PassResult(
                    uri=place.uri(state.record.output_path),
                    sha256=hashlib.sha256(stored).hexdigest(),
                    bytes=len(stored),
                    width=photo.width,
                    height=photo.height,
                )
            )
        return results

    def _store_file(self, state: PhotoState, files: ImageFiles, data: bytes, photo: Photo) -> bytes:
        with state.through(Stage.STORE, beyond=files.is_in_trouble):
            return files.store(state.record.output_path, data, photo)

    def _marker(self, state: PhotoState) -> RestorationMarker:
        provenance = self.spec.provenance
        return RestorationMarker(
            software=provenance.software,
            model=f"PASD {provenance.model_fingerprint}",
            config_fingerprint=self.spec.fingerprint_with(state.row.mask_sha256),
            color_reference=state.row.color_reference_sha256,
        )
