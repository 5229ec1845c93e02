"""Penalty on periodic patterns of restored pictures: what `metrics/periodic_pattern.py` measures, with a gradient."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from pasd_batch.luma import BT601
from pasd_batch.metrics.periodic_pattern import FLOOR, STEP, WINDOW, grid_contrast, hann_weights
from pasd_batch.training.objectives.losses import Picture, Scalar

_HALF_RANGE = 127.5


class GridPenalty(nn.Module):
    """Excess of power at multiples of 1/8 cycle a pixel over the clean pictures', for a batch of both in [-1, 1].

    The measure takes a mean over windows and multiples for each signal (luma, the strength of its differences along
    rows and along columns); here every multiple counts by itself, so that none makes up for another.
    """

    luma: Tensor
    weights: Tensor
    contrast: Tensor
    odd: Tensor

    def __init__(self) -> None:
        super().__init__()
        contrast, odd = grid_contrast()
        self.register_buffer("luma", torch.tensor(BT601, dtype=torch.float32) * _HALF_RANGE, persistent=False)
        self.register_buffer("weights", torch.from_numpy(hann_weights()).float(), persistent=False)
        self.register_buffer("contrast", torch.from_numpy(contrast).float(), persistent=False)
        # As indices: a mask's size would have to be read from the GPU.
        self.register_buffer("odd", torch.from_numpy(odd).nonzero()[:, 0], persistent=False)

    def forward(self, pictures: Picture, clean: Picture) -> Scalar:
        """Mean over multiples of what is above the clean pictures' excess, in natural logarithms of power; at least 0.

        Args:
            pictures, clean: in [-1, 1], of at least 65 pixels a side.
        """
        with torch.autocast(pictures.device.type, enabled=False):
            return relu(self._excess(pictures.float()) - self._excess(clean.detach().float())).mean()

    def _excess(self, pictures: Picture) -> Float[Tensor, " multiples"]:
        luma = torch.einsum("bchw,c->bhw", pictures, self.luma)
        rows = (luma[:, :, 1:] - luma[:, :, :-1]).abs()[:, 1:]
        columns = (luma[:, 1:] - luma[:, :-1]).abs()[:, :, 1:]
        of_differences = (self._mean_contrast(signal)[self.odd] for signal in (rows, columns))
        return torch.cat([self._mean_contrast(luma[:, 1:, 1:]), *of_differences])

    def _mean_contrast(self, signal: Float[Tensor, "batch height width"]) -> Float[Tensor, " multiples"]:
        windows = signal.unfold(1, WINDOW, STEP).unfold(2, WINDOW, STEP).reshape(-1, WINDOW, WINDOW)
        means = (windows * self.weights).sum((1, 2), keepdim=True) / self.weights.sum()
        power = torch.fft.fft2((windows - means) * self.weights).abs().square() / self.weights.square().sum()
        return ((power + FLOOR).log().flatten(1) @ self.contrast).mean(0)
