"""The describers that settings ask for, loaded."""

import torch

from pasd_batch.config.describe import CaptionSettings, ClassifySettings, DescribeSettings, DetectSettings
from pasd_batch.describe.captions import Captioner
from pasd_batch.describe.classification import Classifier
from pasd_batch.describe.describer import Describer
from pasd_batch.describe.detection import Detector
from pasd_batch.describe.vision_model import Placement

_BATCH_ON_CUDA = 4


def load_describers(settings: DescribeSettings, *, device: torch.device, dtype: torch.dtype) -> tuple[Describer, ...]:
    """Describers in the order in which the prompt has what they say; none if none is asked for.

    Raises:
        DescriberUnavailable: a folder is missing or does not hold what it should.
    """
    batch = settings.batch or (_BATCH_ON_CUDA if device.type == "cuda" else 1)
    placement = Placement(device, dtype, batch)
    found: list[Describer] = []
    for describer in settings.describers.values():
        match describer:
            case CaptionSettings():
                found.append(Captioner.load(describer, placement))
            case DetectSettings():
                found.append(Detector.load(describer, placement))
            case ClassifySettings():
                found.append(Classifier.load(describer, placement))
    return tuple(found)
