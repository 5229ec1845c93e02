"""The paper's ablations as changes of settings; PACA's is applied to the built UNet (`zero_paca`)."""

from pasd_batch.config.training import Ablation, TrainingSettings
from pasd_batch.config.training_model import FromPasd, FromRealEsrgan


def ablated(settings: TrainingSettings) -> TrainingSettings:
    """The settings with the parts in `without` switched off."""
    model, losses, data = settings.model, settings.losses, settings.data
    sampling = settings.validation_sampling
    if Ablation.DEGRADATION_REMOVAL in settings.without and not isinstance(model, FromPasd):
        if not isinstance(model, FromRealEsrgan):
            model = model.model_copy(update={"branch": model.branch.model_copy(update={"return_rgbs": False})})
        losses = losses.model_copy(update={"gamma": 0.0, "colorfulness": 0.0})
    if Ablation.ADJUSTABLE_NOISE in settings.without:
        sampling = sampling.model_copy(update={"pure_noise_start": True})
    if Ablation.HIGH_LEVEL_PROMPT in settings.without:
        data = data.model_copy(update={"samples": data.samples.model_copy(update={"caption_drop_probability": 1.0})})
    return settings.model_copy(update={"model": model, "losses": losses, "data": data, "validation_sampling": sampling})
