"""Milder degradations: ranges contracted towards no degradation.

At strength s every end v of a range becomes `neutral + s (v - neutral)`, where the neutral value does no harm:

- blur: sigma towards 0, sinc cutoffs towards pi; resize factors towards 1; noise levels towards 0; JPEG quality
  towards 100;
- old photos: amounts, opacities, counts and softness towards 0, JPEG quality towards 100.

Probabilities, kernel shapes and sizes, the distance of halftone dots and the overall scale stay. So 1 is the published
chain, and 0 leaves the resizing, chroma subsampling, and sinc filters that let nearly everything through.
"""

BEST_JPEG_QUALITY = 100.0
"""The neutral value of JPEG qualities."""


def contract(interval: tuple[float, float], *, strength: float, neutral: float = 0.0) -> tuple[float, float]:
    """Move both ends of an interval towards the neutral value; strength 1 leaves them, 0 makes them neutral."""
    if strength == 1.0:
        return interval
    low, high = interval
    return neutral + strength * (low - neutral), neutral + strength * (high - neutral)
