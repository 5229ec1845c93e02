"""Settings of sampling: how a photo is restored; defaults are those of the released PASD."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from pasd_batch.config.adaptation import MapOrFile
from pasd_batch.config.base import Settings, says_true
from pasd_batch.config.fidelity import FidelityDial
from pasd_batch.config.intervals import NonNegativeInterval
from pasd_batch.config.regions import RegionSettings, refuse_twice
from pasd_batch.config.scheduler import SchedulerOptions
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.config.weak_tiles import RetryWeakSettings

LARGEST_SCALE = 16.0
"""Most that a photo is enlarged by, in all passes together."""

QUALITY_SUFFIX = "clean, high-resolution, 8k"
COLORIZATION_NEGATIVE_PROMPT = "b&w, color bleeding"
NEGATIVE_PROMPT = "blurry, dotted, noise, raster lines, unclear, lowres, over-smoothed"


class ColorFix(StrEnum):
    """Colour fix: the method that brings a restored photo's colours back to the input's."""

    WAVELET = "wavelet"
    ADAIN = "adain"
    LUMA = "luma"
    """The input's brightness with the result's colours, for colorization."""
    REFERENCE = "reference"
    """As `wavelet`, and then the palette of another photo: the manifest's `color_reference_uri`, if the photo has one,
    or `--color-reference`."""
    NONE = "none"


class SamplingSettings(Settings):
    """Sampling: how a photo is restored, from its size to its colours."""

    scale: float = Field(default=2.0, gt=0.0, le=LARGEST_SCALE)
    """Output size = round(input size x scale)."""

    min_short_side: int = Field(default=768, ge=8)
    """Photos whose scaled short side (pixels) is below this are worked on enlarged, then brought back."""

    steps: int = Field(default=20, ge=1, le=1000)
    """Denoising steps."""

    scheduler: str = "UniPCMultistepScheduler"
    """Any diffusers scheduler class that has `set_timesteps`, `scale_model_input` and `step`."""

    scheduler_options: SchedulerOptions = SchedulerOptions()
    """Options of the scheduler."""

    guidance_scale: float = Field(default=9.0, ge=0.0)
    """Classifier-free guidance; at 1 or below the negative prompt is not evaluated at all."""

    guidance_interval: NonNegativeInterval | None = None
    """Noise levels, above the first and up to the second, at which guidance acts; none: at all of them. A noise level
    is sqrt((1 - abar_t) / abar_t) of the step's timestep: 14.6 at Stable Diffusion's first, 0.03 at its last. Steps
    outside take half the time (arXiv 2404.07724, which found 0.28 to 5.42 for SD-XL)."""

    guidance_rescale: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the guided noise whose spread is brought back to that of the prompt's noise, against colours that
    guidance makes too strong (phi in section 3.4 of arXiv 2305.08891, which found 0.7)."""

    step_cache: int = Field(default=1, ge=1)
    """Steps for which deep features of the networks serve, by a fixed schedule (DeepCache, arXiv 2312.00858). After the
    first of them only the outermost layers run, about a tenth of the work (docs/few_steps.md)."""

    guess_mode: bool = False
    """Run the control branch on the prompt's half only, with residuals growing from shallow to deep."""

    conditioning_scale: float = Field(default=1.0, ge=0.0)
    """Factor on the control branch's residuals."""

    prompt: str = ""
    """Prompt for photos that have none of their own, as `restore` and `run` pass it on."""

    trigger_words: str = ""
    """Words before every prompt, such as those that a personalised model or a LoRA was trained with."""

    added_prompt: str = QUALITY_SUFFIX
    """Quality suffix behind every prompt."""

    negative_prompt: str = NEGATIVE_PROMPT
    """Negative prompt, which guidance steers away from."""

    added_noise_level: int | None = Field(default=None, ge=0)
    """Adjustable noise schedule by timestep: alpha_a = alphas_cumprod[this]; 900 if neither is set."""

    alpha_a: float | None = Field(default=None, ge=0.0, le=1.0)
    """Adjustable noise schedule by its own number: near 1 keeps more of the photo, near 0 generates more."""

    pure_noise_start: bool = False
    """Start from pure noise instead of the noised low-resolution latent."""

    offset_noise_scale: float = Field(default=0.0, ge=0.0)
    """Strength of a constant per-channel offset on a pure-noise start."""

    kept_frequencies: float = Field(default=0.0, ge=0.0, le=0.5)
    """Frequencies of the input that the result keeps as they are, in cycles per pixel of the input: those below are
    brought back from its plain enlargement; 0: none, 0.5: all that the input has."""

    fidelity: float | None = Field(default=None, ge=0.0, le=1.0)
    """One number between inventing what is plausible (0) and only what is there (1), in place of the settings that
    `fidelity_dial` has; none: those are as they stand here."""

    fidelity_dial: FidelityDial = FidelityDial()
    """Settings that `fidelity` moves."""

    adapt: bool = False
    """Choose settings for each photo by the noise, blur and JPEG blocks that are estimated in it, with the map
    `adaptation`; a photo's own settings in the manifest go before what the map says, the run's behind it."""

    adaptation: MapOrFile | None = None
    """Map from estimates to settings, or its file, as `pasd-batch adapt` fits it; none: the model folder's own
    (`adaptation.yaml`), if settings adapt."""

    regions: tuple[RegionSettings, ...] = ()
    """Classes of things, such as faces or text, that are restored with a fidelity of their own wherever
    `describe.detect` finds them; where they overlap the higher one holds."""

    feather: int = Field(default=8, ge=0, le=128)
    """Width in pixels of the photo over which what a mask lets through fades in, and regions fade out."""

    color_fix: ColorFix = ColorFix.WAVELET
    """Colour correction against the input."""

    colorize: bool = False
    """For models trained on grey photos: make photos grey before the model sees them, and keep the colours that it
    makes, those of grey photos, too. What is not set is then as the released colorization has it: `color_fix` luma, no
    `added_prompt`, and a `negative_prompt` of its own; "black and white" in prompts becomes "color"."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Run seed; each photo's seed derives from it and the photo's id."""

    tiling: TilingSettings = TilingSettings()
    """Tiling of large photos."""

    retry_weak: RetryWeakSettings = RetryWeakSettings()
    """A second try for photos with weak tiles."""

    @property
    def of_batch(self) -> Self:
        """The settings that photos of one batch share: all but those that are each photo's own, which are left out.

        A photo's own are its noise level and the frequencies that it keeps, by themselves or by the dial.
        """
        shared = self.at_fidelity()
        own = {"fidelity": None, "alpha_a": None, "added_noise_level": None, "kept_frequencies": 0.0}
        return shared.model_copy(update=own)

    def at_fidelity(self) -> Self:
        """The settings with those that the dial of fidelity moves where it puts them."""
        if self.fidelity is None:
            return self
        moved = self.fidelity_dial.at(self.fidelity)
        if self.colorize:
            del moved["kept_frequencies"]  # those of grey photos are grey
        return self.model_copy(update={**moved, "added_noise_level": None})

    @model_validator(mode="before")
    @classmethod
    def _colorization_defaults(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not says_true(values.get("colorize")):
            return values
        own = {"color_fix": ColorFix.LUMA, "added_prompt": "", "negative_prompt": COLORIZATION_NEGATIVE_PROMPT}
        return {**own, **values}

    @model_validator(mode="after")
    def _colors_are_kept(self) -> Self:
        if self.colorize and self.color_fix not in (ColorFix.LUMA, ColorFix.NONE):
            fix = self.color_fix.value
            raise ValueError(f"color_fix {fix} would bring back the grey; with colorize set it to luma or none")
        if self.colorize and self.kept_frequencies:
            raise ValueError("kept_frequencies would bring back the grey; with colorize leave them out")
        return self

    @model_validator(mode="after")
    def _adapts_by_a_map(self) -> Self:
        if self.adapt and self.colorize:
            raise ValueError("adapt goes by what restoring improves, not colorizing; with colorize leave it out")
        if self.adapt and self.adaptation is None:
            raise ValueError(
                "adapt needs a map, and this model has none of its own; fit one with `pasd-batch adapt` (docs/"
                "adaptation.md), then name its file as sampling.adaptation"
            )
        return self

    @model_validator(mode="after")
    def _regions_once(self) -> Self:
        refuse_twice(self.regions)
        return self

    @model_validator(mode="after")
    def _one_noise_level(self) -> Self:
        if self.added_noise_level is not None and self.alpha_a is not None:
            raise ValueError("added_noise_level and alpha_a both set the same thing; give one of them")
        return self
