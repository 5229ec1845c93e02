"""Settings of where training photos come from and how they are brought to the trainer."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pasd_batch.config.base import Place, Settings
from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.training_samples import SampleSettings


class PhotoSource(ManifestSettings):
    """A manifest of photos, or photos themselves (folder, prefix or glob); the column `prompt` has the captions."""

    kind: Literal["photos"] = "photos"
    """Names this kind of source."""


class WebDatasetSource(Settings):
    """Tars in the WebDataset layout: files that share their name up to the first dot are one sample."""

    kind: Literal["webdataset"] = "webdataset"
    """Names this kind of source."""

    path: Place
    """Tar, folder, prefix or glob (local, `s3://`, anything fsspec opens) of uncompressed `.tar` files."""

    caption_suffix: str = "txt"
    """Suffix of the captions' files, upper or lower case; samples without such a file have no caption."""

    @field_validator("caption_suffix")
    @classmethod
    def _as_in_names(cls, value: str) -> str:
        return value.removeprefix(".").lower()


DataSource = Annotated[PhotoSource | WebDatasetSource, Field(discriminator="kind")]
"""One place with training photos, told apart by its `kind`."""


class TrainingDataSettings(Settings):
    """The training set, and the work of making samples from it."""

    sources: tuple[DataSource, ...] = Field(min_length=1)
    """Sources of photos; all of them are mixed, each photo once an epoch."""

    samples: SampleSettings = SampleSettings()
    """From a photo to a sample."""

    storage: StorageSettings = StorageSettings()
    """Storage settings: URI schemes that are opened, and retries."""

    loaders: int = Field(default=2, ge=0)
    """Processes that make samples for each worker; 0 (without Ray only): the worker itself does."""

    loader_cpus: float = Field(default=1.0, gt=0.0)
    """CPU cores a loader reserves in Ray; the cluster must have them beside those of the workers."""

    cache_bytes: int = Field(default=0, ge=0)
    """Memory in which each loader keeps decoded photos (12 bytes a pixel), for sets that fit; 0: decode every time."""

    on_device_mib: int = Field(default=0, ge=0)
    """Memory of the training's device in which all photos are kept decoded, in 8 bits (3 bytes a pixel), and batches
    are made there instead of by loaders; an error where the photos need more. 0: loaders make batches. Without Ray
    only."""

    group_size: int = Field(default=64, ge=1)
    """With `on_device_mib`: samples that are degraded together, and so share resize factors and a mixture's chain."""

    tries: int = Field(default=50, ge=1)
    """Photos tried in place of one that cannot be used, before training gives up."""
