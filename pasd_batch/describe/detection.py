"""Detection: names and numbers of the objects in a photo, as the paper takes them from YOLO."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from transformers import AutoModelForObjectDetection

from pasd_batch.config.describe import DetectSettings
from pasd_batch.describe.describer import Finding, Work
from pasd_batch.describe.vision_model import Placement, VisionModel, require_finite
from pasd_batch.records import Description, FoundObject

_UNUSED = "N/A"
"""Name of classes that COCO's numbering leaves free."""


@dataclass(frozen=True)
class Detector:
    """Counts the objects that are sure enough, by name."""

    model: VisionModel
    settings: DetectSettings
    name: str = "detect"

    @classmethod
    def load(cls, settings: DetectSettings, placement: Placement) -> "Detector":
        """The detector of a folder.

        Raises:
            DescriberUnavailable: the folder holds none.
        """
        return cls(VisionModel.load(AutoModelForObjectDetection, settings, placement), settings)

    def describe(self, photos: Sequence[np.ndarray], work: Work) -> list[Finding]:
        """The objects in every photo."""
        return self.model.run(photos, self._objects, work)

    def _objects(self, pixel_values: Tensor) -> list[Finding]:
        found = self.model.network(pixel_values)
        found.logits, found.pred_boxes = require_finite(found.logits), found.pred_boxes.float()
        # Each family has its own way from logits to scores; the threshold is applied here, for the best is told.
        results = self.model.image_processor.post_process_object_detection(found, threshold=0.0)
        return [self._finding(result["labels"].tolist(), result["scores"].tolist()) for result in results]

    def _finding(self, labels: Sequence[int], scores: Sequence[float]) -> Finding:
        names = [self.model.class_names[label] for label in labels]
        found = [(name, score) for name, score in zip(names, scores, strict=True) if name != _UNUSED]
        sure = [(name, score) for name, score in found if score >= self.settings.threshold]
        if not found:
            return Finding(doubt="it sees nothing that has a name")
        if not sure:
            name, score = max(found, key=lambda each: each[1])
            return Finding(doubt=f"{name} has {score:.2f}, less than the threshold {self.settings.threshold:g}")
        return Finding(Description(objects=counted(sure)[: self.settings.most]))


def counted(found: Sequence[tuple[str, float]]) -> tuple[FoundObject, ...]:
    """Objects by name, the surest first."""
    names = dict.fromkeys(name for name, _ in found)
    kinds = [[score for other, score in found if other == name] for name in names]
    objects = [FoundObject(name, len(scores), max(scores)) for name, scores in zip(names, kinds, strict=True)]
    return tuple(sorted(objects, key=lambda each: (-each.score, each.name)))
