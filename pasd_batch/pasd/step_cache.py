"""Step cache: deep features of the networks that serve for several steps (DeepCache, arXiv 2312.00858).

From one step to the next the features deep in the UNet change little. They are computed at every N-th step by a fixed
schedule, so that a photo's pixels depend on nothing but its settings; in the steps between them only the outermost
layers run, of the UNet and of the control branch: about a tenth of the work.
"""

from dataclasses import dataclass, field

from torch import Tensor

from pasd_batch.pasd.guidance import GuidedDenoiser, Latents, TileBatch


@dataclass
class _Kept:
    """Deep features of a batch, and how many steps they have served for."""

    features: Tensor
    is_guided: bool
    steps: int = 0


@dataclass
class StepCache:
    """The denoiser of one sampling, whose deep features serve for `interval` steps.

    Where guidance begins or ends they are computed anew, since they are of one half or of both. What it keeps of a tile
    takes, in each half, as much memory as the tile's embedding.
    """

    denoiser: GuidedDenoiser
    interval: int
    _kept: dict[int, _Kept] = field(default_factory=dict)

    def __call__(self, batch: TileBatch, timestep: int | float | Tensor) -> Latents:
        """Predict the noise of a batch at one timestep; to be called once a step for each batch."""
        is_guided = batch.negative_prompts is not None
        kept = self._kept.get(batch.number)
        if kept is None or kept.is_guided is not is_guided or kept.steps == self.interval:
            self._kept.pop(batch.number, None)  # before its successor takes memory
            kept = _Kept(self.denoiser.deep_features(batch, timestep), is_guided)
            self._kept[batch.number] = kept
        kept.steps += 1
        return self.denoiser.predict_from(kept.features, batch, timestep)
