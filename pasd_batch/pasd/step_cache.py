"""Step cache: deep UNet features reused for several steps (DeepCache, arXiv 2312.00858).

Deep features change little from step to step. They are computed at every N-th step, a fixed schedule, so that a photo's
pixels depend on its settings alone; at other steps only the outermost layers of UNet and control branch run, about a
tenth of the work.
"""

from dataclasses import dataclass, field

from torch import Tensor

from pasd_batch.pasd.guidance import GuidedDenoiser, Latents, TileBatch


@dataclass
class _Kept:
    """Cached deep features of a batch, and the number of steps that used them."""

    features: Tensor
    is_guided: bool
    steps: int = 0


@dataclass
class StepCache:
    """Denoiser of one sampling that reuses deep features for `interval` steps.

    They are recomputed when guidance begins or ends, since then the number of halves changes. Per tile and half they
    take as much memory as the tile's embedding.
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
