"""Settings of the paper's high-level information: what describes photos, for their prompts."""

from typing import Annotated

from pydantic import Field

from pasd_batch.config.base import Settings
from pasd_batch.config.marks import RuntimeOnly, Weights
from pasd_batch.config.weights import WeightsPath


class DescriberSettings(Settings):
    """A describer: a model as transformers saves it, with its image processor; no code beside it is ever run."""

    weights: Annotated[WeightsPath, Weights()]
    """Folder with `config.json`, `preprocessor_config.json` and the weights; or a name or an address of one."""

    allow_pickle: Annotated[bool, RuntimeOnly()] = False
    """Also accept `.bin` weights (read with `weights_only=True`) where no safetensors file is present."""


class ClassifySettings(DescriberSettings):
    """A classifier, such as microsoft/resnet-50: the photo's class goes into its prompt."""

    threshold: float = Field(default=0.1, ge=0.0, le=1.0)
    """Probability (softmax) from which the best class is taken."""


class DetectSettings(DescriberSettings):
    """A detector, such as RT-DETR, D-FINE or YOLOS: the objects' names and numbers go into the prompt."""

    threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    """Score from which an object is taken."""

    most: int = Field(default=5, ge=1)
    """Most names of objects that are taken, those with the highest scores."""

    in_prompt: bool = True
    """Objects' names go into the prompt; off where they are found for `sampling.regions` alone."""


class CaptionSettings(DescriberSettings):
    """A captioner, BLIP or Florence-2: a sentence about the photo goes into its prompt."""

    threshold: float = Field(default=0.0, ge=0.0, le=1.0)
    """Mean probability of the caption's tokens (geometric) from which it is taken."""

    max_tokens: int = Field(default=30, ge=1)
    """Tokens after which a caption ends. All prompts together have room for 75 of the text encoder's."""


class DescribeSettings(Settings):
    """Describers, which look at a photo before it is enlarged; none unless its weights are named."""

    classify: ClassifySettings | None = None
    """Classifier."""

    detect: DetectSettings | None = None
    """Detector."""

    caption: CaptionSettings | None = None
    """Captioner."""

    substitutions: dict[str, str] = Field(default={"blurry": "clear", "noisy": "clean"})
    """Words of captions that say what is wrong with a photo, and what its prompt says instead; whole words, in any
    case. These are the released PASD's. With `sampling.colorize`, "black and white" becomes "color" besides."""

    batch: int | None = Field(default=None, ge=1)
    """Photos that go through a describer together; none: 4 on CUDA, 1 on the CPU. Batches that are not full are filled
    up, so that no neighbour can change a word by a rounding."""

    @property
    def describers(self) -> dict[str, DescriberSettings]:
        """The describers that are asked for, by name, in the order of the prompt."""
        asked = {"caption": self.caption, "detect": self.detect, "classify": self.classify}
        return {name: settings for name, settings in asked.items() if settings is not None}
