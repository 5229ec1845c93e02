"""Milder degradations: ranges contracted towards no degradation.

At strength s every end v of a range becomes `neutral + s (v - neutral)`, where the neutral value does no harm:

- blur: sigma towards 0, sinc cutoffs towards pi; resize factors towards 1; noise levels towards 0; JPEG quality
  towards 100;
- old photos: amounts, opacities, counts and softness towards 0, JPEG quality towards 100.

Probabilities, kernel shapes and sizes, the distance of halftone dots and the overall scale stay. So 1 is the published
chain, and 0 leaves the resizing, chroma subsampling, and sinc filters that let nearly everything through.
"""

import math

from pasd_batch.config.degradation import BlurSettings, FinalSincSettings, RealEsrganSettings, StageSettings
from pasd_batch.config.old_photo import OldPhotoSettings


def contract(interval: tuple[float, float], *, neutral: float, strength: float) -> tuple[float, float]:
    """Move both ends of an interval towards the neutral value; strength 1 leaves them, 0 makes them neutral."""
    low, high = interval
    return neutral + strength * (low - neutral), neutral + strength * (high - neutral)


def contracted_chain(settings: RealEsrganSettings) -> RealEsrganSettings:
    """The chain whose full ranges are these settings' at their strength."""
    strength = settings.strength
    if strength == 1.0:
        return settings
    return settings.model_copy(
        update={
            "strength": 1.0,
            "first": _contracted_stage(settings.first, strength),
            "second": _contracted_stage(settings.second, strength),
            "final_sinc": _contracted_sinc(settings.final_sinc, strength),
        }
    )


def contracted_old_photo(settings: OldPhotoSettings) -> OldPhotoSettings:
    """The old-photo chain whose full ranges are these settings' at their strength."""
    strength = settings.strength
    if strength == 1.0:
        return settings
    amounts = {
        "tone": ("sepia", "dye_loss", "cast", "black_lift", "white_drop", "gamma", "unevenness", "vignette"),
        "grain": ("amount",),
        "halftone": ("amount",),
        "blotches": ("opacity",),
        "scratches": ("count", "opacity"),
        "dust": ("density", "opacity"),
        "capture": ("lens_sigma", "scan_sigma"),
    }
    update = {}
    for name, fields in amounts.items():
        group = getattr(settings, name)
        mild = {field: contract(getattr(group, field), neutral=0.0, strength=strength) for field in fields}
        if name == "capture":
            mild["jpeg_quality"] = contract(group.jpeg_quality, neutral=100.0, strength=strength)
        update[name] = group.model_copy(update=mild)
    return settings.model_copy(update={"strength": 1.0, **update})


def _contracted_stage(stage: StageSettings, strength: float) -> StageSettings:
    factor = contract(stage.resize.factor, neutral=1.0, strength=strength)
    sigma = contract(stage.noise.sigma, neutral=0.0, strength=strength)
    poisson_scale = contract(stage.noise.poisson_scale, neutral=0.0, strength=strength)
    return stage.model_copy(
        update={
            "blur": _contracted_blur(stage.blur, strength),
            "resize": stage.resize.model_copy(update={"factor": factor}),
            "noise": stage.noise.model_copy(update={"sigma": sigma, "poisson_scale": poisson_scale}),
            "jpeg_quality": contract(stage.jpeg_quality, neutral=100.0, strength=strength),
        }
    )


def _contracted_blur(blur: BlurSettings, strength: float) -> BlurSettings:
    return blur.model_copy(
        update={
            "sigma": contract(blur.sigma, neutral=0.0, strength=strength),
            "sinc_cutoff_small": contract(blur.sinc_cutoff_small, neutral=math.pi, strength=strength),
            "sinc_cutoff_large": contract(blur.sinc_cutoff_large, neutral=math.pi, strength=strength),
        }
    )


def _contracted_sinc(sinc: FinalSincSettings, strength: float) -> FinalSincSettings:
    return sinc.model_copy(update={"cutoff": contract(sinc.cutoff, neutral=math.pi, strength=strength)})
