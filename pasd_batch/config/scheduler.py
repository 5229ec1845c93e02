"""Settings of a scheduler beside its name and steps, as few-step models and LoRAs ask for them."""

from enum import StrEnum

from pydantic import Field

from pasd_batch.config.base import Settings


class TimestepSpacing(StrEnum):
    """Placement of a scheduler's timesteps (table 2 of arXiv 2305.08891)."""

    LEADING = "leading"
    LINSPACE = "linspace"
    TRAILING = "trailing"
    """From the last timestep on; models for few steps need it."""


class SchedulerOptions(Settings):
    """Options of the scheduler, by diffusers' names; what is not set is as the model's own `scheduler/` has it."""

    timestep_spacing: TimestepSpacing | None = None
    """Placement of the timesteps."""

    eta: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share of noise that each step draws anew, where the scheduler knows one: DDIM (0 where it is not set), TCD (0.3;
    gamma in arXiv 2402.19159). At 0 sampling is deterministic behind its start."""

    original_inference_steps: int | None = Field(default=None, ge=1)
    """Timesteps that distillation knew, from which LCMScheduler and TCDScheduler pick theirs (50 where it is not
    set)."""
