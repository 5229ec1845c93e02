"""Settings of a model: its weights, device and precision."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import model_validator

from pasd_batch.config.base import Settings
from pasd_batch.config.embedded_model import EMBEDDED_MODEL
from pasd_batch.config.marks import RuntimeOnly, Weights
from pasd_batch.config.personalization import LoraSettings, PersonalizedSettings
from pasd_batch.config.weights import WeightsPath

BASE_PARTS = ("vae", "text_encoder", "tokenizer", "scheduler")
CONTROL_PARTS = ("unet", "controlnet", "scheduler")


class Precision(StrEnum):
    """Floating-point type that the networks run in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class ModelSettings(Settings):
    """Model: its weights, device and precision."""

    base: Annotated[WeightsPath | None, Weights(BASE_PARTS, otherwise=EMBEDDED_MODEL)] = None
    """Stable Diffusion 1.5 (`vae/ text_encoder/ tokenizer/ scheduler/`): a folder, `hf://owner/name` or an address such
    as `s3://bucket/folder`; none: the embedded model."""

    control: Annotated[WeightsPath | None, Weights(CONTROL_PARTS, otherwise=EMBEDDED_MODEL)] = None
    """PASD (`unet/ controlnet/`), as a folder, a name or an address; none: the embedded model."""

    personalized: PersonalizedSettings | None = None
    """Personalised weights over the base's; none: the base's own, which the control folder's UNet has."""

    loras: tuple[LoraSettings, ...] = ()
    """LoRAs that are merged into UNet and text encoder, all of them together."""

    device: Annotated[str, RuntimeOnly()] = "auto"
    """torch device; `auto` takes CUDA where there is one, else the CPU."""

    dtype: Precision | None = None
    """Networks' precision; none: bfloat16 on CUDA, float32 on the CPU."""

    vae_dtype: Precision = Precision.FLOAT32
    """VAE's precision. float16 is as exact as TF32, but Stable Diffusion's VAE may exceed its range; such a photo is
    restored again in float32. bfloat16 costs the embedded model's 4 of 256 levels, others more. The last layer runs in
    float32 all the same, so that no shade is missing."""

    vae_tf32: bool = True
    """On CUDA, multiply the VAE's float32 numbers with TF32's 10 bits: three to four times faster, at a cost of up to
    0.3 of 256 levels for the embedded model's (docs/performance.md)."""

    allow_pickle: Annotated[bool, RuntimeOnly()] = False
    """Also accept `.bin` and `.ckpt` weights (read with `weights_only=True`) where no safetensors file is present."""

    compile: Annotated[bool, RuntimeOnly()] = False
    """Compile the repeated blocks of the two networks with `torch.compile`: for whole tiles when the model is loaded,
    for other shapes when they are first seen. It takes a minute or more a shape, which torch keeps in
    `TORCHINDUCTOR_CACHE_DIR` for later processes, and pays off for many photos; other photo sizes that give the same
    tiles compile nothing."""

    fused_layers: Annotated[bool, RuntimeOnly()] = True
    """On CUDA, layers of the networks that keep features in one memory layout, and normalise them in one go; off: those
    of diffusers, which copy them back and forth."""

    cuda_graphs: Annotated[bool, RuntimeOnly()] = True
    """Launch the networks' kernels together, by a CUDA graph for each shape of a batch of tiles, where the device is
    CUDA; the same pixels, up to 5 times faster for few tiles at a time."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.base is None) != (self.control is None):
            given, missing = ("base", "control") if self.control is None else ("control", "base")
            raise ValueError(f"{given} is given without {missing}; give both folders, or neither")
        return self

    @model_validator(mode="after")
    def _personalization_of_a_named_model(self) -> Self:
        if self.base is None and (self.personalized is not None or self.loras):
            given = "personalized" if self.personalized is not None else "loras"
            raise ValueError(f"{given} is for Stable Diffusion 1.5, not for the embedded model; name base and control")
        return self
