"""Schedulers: diffusers' schedulers by class name, with the options that sampling has."""

import inspect
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import diffusers
import torch
from torch import Tensor

from pasd_batch.config.scheduler import SchedulerOptions

_STEP_OPTIONS = ("eta",)
"""Options of `step`, rather than of the scheduler's configuration."""

_NO_SCHEDULER = (
    "scheduler {!r} is not a diffusers scheduler with alphas_cumprod, set_timesteps, scale_model_input and step; try "
    "UniPCMultistepScheduler, DPMSolverMultistepScheduler, DDIMScheduler or EulerDiscreteScheduler"
)


@runtime_checkable
class Scheduler(Protocol):
    """Interface of a diffusers scheduler that sampling needs."""

    timesteps: Tensor
    alphas_cumprod: Tensor
    init_noise_sigma: float

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        """Choose the timesteps."""
        ...

    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor:
        """Scale latents to what the networks expect."""
        ...

    def step(self, model_output: Tensor, timestep: Tensor, sample: Tensor, **options: Any) -> Any:
        """Take one step."""
        ...


def build_scheduler(
    name: str, config: Mapping[str, Any], steps: int, options: SchedulerOptions | None = None
) -> Scheduler:
    """Build a diffusers scheduler by class name from the base model's scheduler configuration.

    Args:
        name: such as `UniPCMultistepScheduler`.
        config: the base model's scheduler configuration.
        steps: denoising steps.
        options: what goes before that configuration.

    Raises:
        ValueError: diffusers has no scheduler of that name with the methods sampling needs, or it does not take the
            options or as many steps.
    """
    kind = scheduler_class(name)
    chosen = {} if options is None else options.model_dump(mode="json", exclude_none=True)
    _refuse_unknown(kind, chosen)
    of_kind = {key: value for key, value in chosen.items() if key not in _STEP_OPTIONS}
    scheduler = kind.from_config({**config, **of_kind})
    if not isinstance(scheduler, Scheduler):
        raise ValueError(_NO_SCHEDULER.format(name))
    try:
        scheduler.set_timesteps(steps)
    except ValueError as error:
        remedy = "change steps or scheduler_options"
        raise ValueError(f"{name} cannot sample in {steps} steps; {remedy} ({error})") from error
    return scheduler


def scheduler_class(name: str) -> type[Any]:
    """The class of diffusers that is called so.

    Raises:
        ValueError: there is none, or it is no scheduler.
    """
    kind = getattr(diffusers, name, None) if name.endswith("Scheduler") else None
    if kind is None:
        raise ValueError(_NO_SCHEDULER.format(name))
    return kind


def _refuse_unknown(kind: type[Any], chosen: Mapping[str, Any]) -> None:
    """Refuse options that a scheduler does not have, which diffusers would ignore."""
    knows = inspect.signature(kind.__init__).parameters
    takes = inspect.signature(getattr(kind, "step", kind)).parameters
    if unknown := [name for name in chosen if name not in (takes if name in _STEP_OPTIONS else knows)]:
        raise ValueError(f"{kind.__name__} takes no {', '.join(unknown)}; leave it out of scheduler_options")
