"""The learning rate of every step: a linear warm-up, then constant or falling as a cosine."""

import math

from pasd_batch.config.optimization import OptimizerSettings, RateDecay

_FINAL_SHARE = 0.05
"""Share of the learning rate that is left at the end of a cosine decay."""


def learning_rate(settings: OptimizerSettings, step: int, steps: int) -> float:
    """Rate of a step, counted from 0, of a training of `steps` steps."""
    if step < settings.warm_up_steps:
        return settings.learning_rate * (step + 1) / settings.warm_up_steps
    match settings.decay:
        case RateDecay.CONSTANT:
            return settings.learning_rate
        case RateDecay.COSINE:
            progress = (step - settings.warm_up_steps) / max(1, steps - settings.warm_up_steps)
            fall = 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
            return settings.learning_rate * (_FINAL_SHARE + (1.0 - _FINAL_SHARE) * fall)
