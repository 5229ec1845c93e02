"""Classification: the photo's class, as the paper takes it from ResNet-50."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForImageClassification

from pasd_batch.config.describe import ClassifySettings
from pasd_batch.describe.describer import Finding, Work
from pasd_batch.describe.vision_model import Placement, VisionModel, require_finite
from pasd_batch.records import Description


@dataclass(frozen=True)
class Classifier:
    """Names the class that is the most probable, if it is probable enough."""

    model: VisionModel
    settings: ClassifySettings
    name: str = "classify"

    @classmethod
    def load(cls, settings: ClassifySettings, placement: Placement) -> "Classifier":
        """The classifier of a folder.

        Raises:
            DescriberUnavailable: the folder holds none.
        """
        return cls(VisionModel.load(AutoModelForImageClassification, settings, placement), settings)

    def describe(self, photos: Sequence[np.ndarray], work: Work) -> list[Finding]:
        """The class of every photo."""
        return self.model.run(photos, self._classes, work)

    def _classes(self, pixel_values: Tensor) -> list[Finding]:
        logits = require_finite(self.model.network(pixel_values).logits)
        scores, classes = torch.softmax(logits, dim=-1).max(dim=-1)
        return [self._finding(int(found), float(score)) for found, score in zip(classes, scores, strict=True)]

    def _finding(self, found: int, score: float) -> Finding:
        # ImageNet's classes are lists of synonyms: "tabby, tabby cat".
        name = self.model.class_names[found].split(",")[0].strip()
        if score < self.settings.threshold:
            return Finding(doubt=f"{name} has {score:.2f}, less than the threshold {self.settings.threshold:g}")
        return Finding(Description(class_name=name, class_score=score))
