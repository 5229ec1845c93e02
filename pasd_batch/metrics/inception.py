"""Inception features of a picture, as FID and KID compare them.

The network is TensorFlow's of 2015, which the field's numbers are of, in pyiqa's port of `pytorch-fid`; the picture is
brought to its size as clean-fid does it (Parmar et al. 2022), which is pyiqa's default, too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.metrics.iqa import build_inception

_SIDE = 299


@dataclass(frozen=True)
class InceptionFeatures:
    """The network on its device. Pictures go through it one by one: features do not depend on what else is there."""

    network: Any
    device: Any

    @classmethod
    def from_settings(cls, settings: MetricsSettings) -> "InceptionFeatures":
        """Load the network.

        Raises:
            MetricsUnavailable: pyiqa or the weight file is missing.
        """
        return cls(*build_inception(settings))

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Features, float32 (2048), of a picture (height, width, 3), sRGB in [0, 1], at its 8-bit levels."""
        import torch

        levels = np.floor(np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.float32)
        planes = [_resized(levels[..., channel]) for channel in range(3)]
        pixels = torch.from_numpy(np.stack(planes))[None].to(self.device)
        with torch.inference_mode():
            (features,) = self.network((pixels - 128.0) / 128.0)
        return features.flatten().cpu().numpy()


def _resized(plane: np.ndarray) -> np.ndarray:
    image = Image.fromarray(plane).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(image), 0.0, 255.0)
