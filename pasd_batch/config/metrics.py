"""Settings of scores: which metrics, where their weights are, and where they run."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator

from pasd_batch.config.base import Settings
from pasd_batch.config.marks import RuntimeOnly, Weights
from pasd_batch.config.weights import WeightsPath


class Baseline(StrEnum):
    """Enlargement without a model that a restoration is compared with."""

    LANCZOS = "lanczos"
    NONE = "none"


class MetricsSettings(Settings):
    """Quality metrics of pyiqa, by its names; fidelity to the input is always scored besides.

    The defaults need no weights and take well under a second for a photo of 512 x 512 on a CPU core. PIQE is the only
    metric of quality without a reference of which that holds (entropy measures noise as much as detail).
    """

    no_reference: tuple[str, ...] = ("piqe",)
    """Metrics that look at one photo; a run that restores scores each input, the input enlarged to the result's size,
    and the result."""

    full_reference: tuple[str, ...] = ("psnr", "ssim", "ms_ssim")
    """Metrics against the true photo, where the manifest's `reference_uri` names one."""

    baseline: Baseline = Baseline.LANCZOS
    """Every metric against the true photo is also measured on the plainly enlarged input, so that what the model added
    can be told; `none`: not."""

    weights_dir: Annotated[WeightsPath | None, RuntimeOnly(), Weights()] = None
    """Folder, `hf://` name or address of what is laid out like `$TORCH_HOME` (`hub/pyiqa`, `hub/checkpoints`,
    `hub/clip`), with timm's backbones in `huggingface/hub`, as `pasd-batch weights fetch` makes it; none: where those
    libraries look by themselves, and nothing is downloaded then."""

    allow_pickle: Annotated[bool, RuntimeOnly()] = False
    """Load weights that hold more than tensors. Such files can run code: only for those you trust."""

    device: Annotated[str, RuntimeOnly()] = "auto"
    """torch device; `auto` takes CUDA where there is one, else the CPU."""

    max_pixels: int = Field(default=40_000_000, ge=1)
    """Larger photos get no score from pyiqa (fidelity they do), because metrics look at a photo as a whole."""

    @field_validator("no_reference", "full_reference")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named more than once; name each metric once")
        return names
