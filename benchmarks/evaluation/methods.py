"""What restores a degraded photo: Lanczos resampling, Real-ESRGAN, and PASD with one set of settings."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from evaluation.photo_sets import Sample
from pasd_batch.config.base import with_overrides
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.evaluation.degraded import from_8_bit, to_8_bit
from pasd_batch.pasd.model_identity import model_fingerprint
from pasd_batch.pasd.models import Models, load_models
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.records import PhotoFailure


class Method(Protocol):
    """A way of restoring photos."""

    @property
    def name(self) -> str:
        """As tables and sheets show it."""
        ...

    @property
    def key(self) -> str:
        """Names the method with everything that its results depend on; part of a file name."""
        ...

    def restore(self, sample: Sample) -> np.ndarray:
        """The degraded photo at the original's size: float32 (height, width, 3), sRGB in [0, 1]."""
        ...


class Lanczos:
    """Resampling with Pillow's Lanczos filter; a photo that already has its size is left as it is."""

    name = "Lanczos"
    key = "lanczos"

    def restore(self, sample: Sample) -> np.ndarray:
        """See `Method`."""
        return resized(sample.degraded, sample.original.shape)


class Pasd:
    """The restorer of `pasd_batch` with one model and one set of sampling settings."""

    def __init__(self, name: str, models: Models, settings: RestorationSettings, *, model_digest: str) -> None:
        self.name = name
        self.settings = settings
        self._models = models
        self._model_digest = model_digest

    @classmethod
    def load(cls, name: str, folder: Path | None, overrides: Sequence[str] = ()) -> "Pasd":
        """Load a model folder (default: the embedded one); overrides are `sampling.steps=8` or `model.device=cuda`.

        Raises:
            CheckpointError: the folder does not hold a model.
            ConfigError: an override names no setting, or its value is out of range.
        """
        settings = restoration_settings(folder, overrides)
        digest = model_fingerprint(settings.model)
        return cls(name, load_models(settings.model), settings, model_digest=digest)

    @property
    def key(self) -> str:
        """See `Method`: the model's files, all settings of sampling, and where it runs."""
        facts = [
            self._model_digest,
            self.settings.sampling.model_dump(mode="json"),
            self._models.device.type,
            str(self._models.dtype),
            str(self._models.vae_dtype),
            self.settings.model.compile,
        ]
        return "pasd-" + hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def restore(self, sample: Sample) -> np.ndarray:
        """See `Method`.

        Raises:
            RuntimeError: the restorer gave a reason instead of a photo.
        """
        scale = {"scale": float(sample.key.photo_set.scale)}
        sampling = self.settings.sampling.model_copy(update=scale)
        restorer = Restorer(self._models, self.settings.model_copy(update={"sampling": sampling}))
        photo = torch.from_numpy(np.ascontiguousarray(sample.degraded.transpose(2, 0, 1)))
        (outcome,) = restorer.restore([photo], prompts=[sampling.prompt], seeds=[sample.key.seed])
        if isinstance(outcome, PhotoFailure):
            raise RuntimeError(f"{self.name} did not restore {sample.key.photo}: {outcome.message}")
        return outcome.image.numpy().transpose(1, 2, 0)


def restoration_settings(folder: Path | None, overrides: Sequence[str]) -> RestorationSettings:
    """The settings that a model folder (None: the embedded one) is restored with, but for the overrides."""
    model = {} if folder is None else {"base": str(folder), "control": str(folder)}
    return RestorationSettings.parse(
        with_overrides({"model": model}, overrides, RestorationSettings), source="command line"
    )


def resized(picture: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A picture at the height and width of `shape`, by Lanczos resampling, which filters where it shrinks."""
    if picture.shape[:2] == tuple(shape[:2]):
        return picture
    image = Image.fromarray(to_8_bit(picture)).resize((shape[1], shape[0]), Image.Resampling.LANCZOS)
    return from_8_bit(np.asarray(image))
