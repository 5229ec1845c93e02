"""The dial of fidelity: what one number between inventing and keeping moves."""

from typing import Annotated

from pydantic import Field

from pasd_batch.config.base import Settings
from pasd_batch.config.intervals import Probability

Frequency = Annotated[float, Field(ge=0.0, le=0.5)]
"""Cycles per pixel."""


class FidelityDial(Settings):
    """Settings of sampling that the dial moves: each with its value at fidelity 0 and at 1, linearly between them.

    The defaults are for PASD over Stable Diffusion 1.5, from its own defaults on; a model whose sampling settings come
    with it may have a dial there. docs/fidelity.md says how it is measured.
    """

    alpha_a: tuple[Probability, Probability] = (0.0, 1.0)
    """Share of the photo in the noise that sampling begins with."""

    guidance_scale: tuple[Annotated[float, Field(ge=0.0)], Annotated[float, Field(ge=0.0)]] = (9.0, 1.0)
    """Classifier-free guidance."""

    kept_frequencies: tuple[Frequency, Frequency] = (0.0, 0.5)
    """Frequencies of the input that the result keeps."""

    def at(self, fidelity: float) -> dict[str, float]:
        """Values of the settings at a fidelity in [0, 1], by their names."""
        ends = {"alpha_a": self.alpha_a, "guidance_scale": self.guidance_scale}
        ends["kept_frequencies"] = self.kept_frequencies
        return {name: low + (high - low) * fidelity for name, (low, high) in ends.items()}
