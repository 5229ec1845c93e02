"""Detection: names, numbers and places of the objects in a photo; the paper takes them from YOLO."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor
from transformers import AutoModelForObjectDetection

from pasd_batch.config.describe import DetectSettings
from pasd_batch.describe.describer import Finding, Work
from pasd_batch.describe.vision_model import Placement, VisionModel, require_finite
from pasd_batch.records import Description, FoundBox, FoundObject

_UNUSED = "N/A"
"""Name of classes that COCO's numbering leaves free."""


SureObject = tuple[str, float, Sequence[float]]
"""Name, score and box of an object: left, top, right and bottom as shares of the photo's width and height."""


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
        seen = self.model.run(photos, self._objects, work)
        return [
            replace(finding, boxes=placed(objects, photo))
            for (finding, objects), photo in zip(seen, photos, strict=True)
        ]

    def _objects(self, pixel_values: Tensor) -> list[tuple[Finding, Sequence[SureObject]]]:
        found = self.model.network(pixel_values)
        found.logits, found.pred_boxes = require_finite(found.logits), found.pred_boxes.float()
        # Each family has its own way from logits to scores; the threshold is applied here, for the best is told.
        results = self.model.image_processor.post_process_object_detection(found, threshold=0.0)
        seen = []
        for result in results:
            names = [self.model.class_names[label] for label in result["labels"].tolist()]
            every = zip(names, result["scores"].tolist(), result["boxes"].tolist(), strict=True)
            objects = [each for each in every if each[0] != _UNUSED]
            finding = self._finding([(name, score) for name, score, _ in objects])
            seen.append((finding, [each for each in objects if each[1] >= self.settings.threshold]))
        return seen

    def _finding(self, found: Sequence[tuple[str, float]]) -> Finding:
        sure = [(name, score) for name, score in found if score >= self.settings.threshold]
        if not found:
            return Finding(doubt="it sees nothing that has a name")
        if not sure:
            name, score = max(found, key=lambda each: each[1])
            return Finding(doubt=f"{name} has {score:.2f}, less than the threshold {self.settings.threshold:g}")
        return Finding(Description(objects=counted(sure)[: self.settings.most]))


def placed(objects: Sequence[SureObject], photo: np.ndarray) -> tuple[FoundBox, ...]:
    """Boxes in whole pixels of a photo (height, width, 3) that hold all of the objects, the surest first."""
    height, width = photo.shape[:2]
    boxes = [
        FoundBox(
            name,
            score,
            left=max(0, math.floor(left * width)),
            top=max(0, math.floor(top * height)),
            right=min(width, math.ceil(right * width)),
            bottom=min(height, math.ceil(bottom * height)),
        )
        for name, score, (left, top, right, bottom) in objects
    ]
    return tuple(sorted(boxes, key=lambda box: (-box.score, box.name, box.left, box.top)))


def counted(found: Sequence[tuple[str, float]]) -> tuple[FoundObject, ...]:
    """Objects by name, the surest first."""
    names = dict.fromkeys(name for name, _ in found)
    kinds = [[score for other, score in found if other == name] for name in names]
    objects = [FoundObject(name, len(scores), max(scores)) for name, scores in zip(names, kinds, strict=True)]
    return tuple(sorted(objects, key=lambda each: (-each.score, each.name)))
