"""A restored photo on its way out: encoded, stored once and for all, hashed."""

import hashlib
import logging
from dataclasses import dataclass, field

from pasd_batch.batch.worker.photo_state import PhotoState
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.photo import Photo
from pasd_batch.photos.photo_io import PhotoError, RestorationMarker, decode_photo, encode_photo
from pasd_batch.records import ImageFacts, RestorationReport, RestoredPhoto, Stage
from pasd_batch.runs.run_folder import image_path
from pasd_batch.storage.storage import AlreadyExists, NameRefused, Storage, StorageError, TooLarge

_logger = logging.getLogger(__name__)


def is_trouble_of_run(error: Exception) -> bool:
    """True if an error of storing a photo says that the run's own storage is in trouble: the shard is given back.

    Its name and its size are all that a photo itself can be refused for there.
    """
    return isinstance(error, StorageError) and not isinstance(error, NameRefused | TooLarge)


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
    """Stores restored photos; safe in threads.

    A stored file is never replaced. What an earlier attempt has left is taken as it is if it differs (as it may
    between kinds of hardware), so that a committed row's hash is that of the file, whoever else is at work.
    """

    spec: WorkerSpec
    storage: Storage = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "storage", self.spec.storage())

    def store(self, job: StoreJob) -> RestoredPhoto:
        """Encode and store a restored photo.

        Raises:
            StageFailed: it cannot be encoded, or the storage takes no file of its name or size.
            StorageError: the run's own storage is in trouble.
        """
        with job.state.through(Stage.ENCODE):
            data = encode_photo(
                job.photo, settings=self.spec.settings.output.file, marker=self._marker(), warn=job.state.warn
            )
        if self.spec.keeps_files:
            with job.state.through(Stage.STORE, beyond=is_trouble_of_run):
                data = self._create(_image_path(job), data, job.photo)
        return self._described(job, data)

    def _create(self, path: str, data: bytes, photo: Photo) -> bytes:
        try:
            self.storage.create(path, data)
        except AlreadyExists:
            stored = self.storage.read(path)
        else:
            return data
        if stored == data:
            return data
        if _shows_photo_of_size(stored, photo.height, photo.width):
            _logger.info("%s: an earlier attempt's file differs and is kept", self.storage.uri(path))
            return stored
        _logger.warning("%s: an earlier file is no restored photo and is replaced", self.storage.uri(path))
        self.storage.write(path, data)
        return data

    def _marker(self) -> RestorationMarker:
        provenance = self.spec.provenance
        return RestorationMarker(
            software=provenance.software,
            model=f"PASD {provenance.model_fingerprint}",
            config_fingerprint=provenance.config_fingerprint,
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
            output_uri=self.storage.uri(_image_path(job)) if self.spec.keeps_files else None,
            prompt_used=job.prompt,
            report=job.report,
            encoded=data if self.spec.keeps_images_in_rows else None,
        )


def _image_path(job: StoreJob) -> str:
    return image_path(job.state.task.record.output_path)


def _shows_photo_of_size(data: bytes, height: int, width: int) -> bool:
    try:
        photo = decode_photo(data, limits=DecodeLimits.for_result(width=width, height=height, nbytes=len(data)))
    except PhotoError:
        return False
    return (photo.height, photo.width) == (height, width)
