"""Scheduler steps over whole latents, by diffusers' schedulers."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from pasd_batch.pasd.differential_diffusion import KeptLatents, alphas_and_sigmas
from pasd_batch.pasd.schedulers import Scheduler

_STRIP_BYTES = 128 << 20
"""Most bytes of a photo's latents that a scheduler steps at once."""


class Solver:
    """Latents of photos of one size, which a scheduler steps together.

    A step is some hundred element-wise operations on small tensors, which take as long for many photos as for one and
    are independent between photos. A large photo's latents are stepped in strips, in place, each with its own
    scheduler, so that temporary tensors stay small.

    Args:
        members: indices of the photos.
        starts: their initial latents, float32.
        generators: their CPU generators, for schedulers that draw noise.
        kept: kept latents of photos with a mask, by position among the members.
        make_scheduler: factory of equally configured schedulers.
        eta: DDIM's eta, for schedulers that take it; None: their default.
    """

    def __init__(
        self,
        members: Sequence[int],
        starts: Sequence[Tensor],
        generators: Sequence[Generator],
        kept: Mapping[int, KeptLatents],
        make_scheduler: Callable[[], Scheduler],
        eta: float | None = None,
    ) -> None:
        self.members = members
        self.latents = _together(starts)
        strips = min(self.latents.shape[2], -(-starts[0].nbytes // _STRIP_BYTES))
        self._schedulers = [make_scheduler() for _ in range(strips)]
        self.timesteps = self._schedulers[0].timesteps
        draws = "generator" in inspect.signature(self._schedulers[0].step).parameters
        self._options: dict[str, Any] = {} if eta is None else {"eta": eta}
        self._options |= {"generator": list(generators)} if draws else {}
        self._kept = kept
        # Factors on signal and noise before every step, and after the last.
        self._levels = alphas_and_sigmas(self._schedulers[0]) if kept else ()

    def restore_kept(self, steps: int) -> None:
        """Replace latents that are still kept after `steps` steps (differential diffusion)."""
        if not self._kept:
            return
        signal, noise = self._levels[steps]
        remaining = 1.0 - steps / (len(self._levels) - 1)
        latents = list(self.latents.split(1))
        for place, own in self._kept.items():
            latents[place] = own.composite(latents[place], remaining=remaining, signal=signal, noise=noise)
        self.latents = torch.cat(latents)

    def scaled(self, timestep: Tensor) -> Tensor:
        """The latents scaled as the scheduler's model input."""
        strips = self._strips(self.latents)
        pairs = list(zip(self._schedulers, strips, strict=True))
        scaled = [scheduler.scale_model_input(strip, timestep) for scheduler, strip in pairs]
        is_same = all(new is old for new, old in zip(scaled, strips, strict=True))
        return self.latents if is_same else _joined(scaled)

    def step(self, noises: Sequence[Tensor], timestep: Tensor, *, is_last: bool) -> None:
        """Take one step with the predicted noise of each photo."""
        noise = _together(noises)
        if len(self._schedulers) == 1:
            self.latents = self._stepped(self._schedulers[0], noise, timestep, self.latents)
            return
        for strip, own in zip(self._strips(self.latents), self._strips(noise), strict=True):
            scheduler = self._schedulers.pop(0)
            # Multistep schedulers keep references to their inputs, so that all but the last step needs a copy.
            strip.copy_(self._stepped(scheduler, own.float(), timestep, strip if is_last else strip.clone()))
            if not is_last:
                self._schedulers.append(scheduler)

    def _strips(self, tensor: Tensor) -> Sequence[Tensor]:
        count = len(self._schedulers)
        return [tensor] if count == 1 else tensor.tensor_split(count, dim=2)

    def _stepped(self, scheduler: Scheduler, noise: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        return scheduler.step(noise, timestep, latents, return_dict=False, **self._options)[0]


def _together(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors as one; a single one is not copied."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


def _joined(strips: Sequence[Tensor]) -> Tensor:
    return strips[0] if len(strips) == 1 else torch.cat(list(strips), dim=2)
