"""Every golden file is checked somewhere, or named here as waiting for the module that will need it."""

from fnmatch import fnmatch

import golden_data

CHECKED = {
    "cond_embedding_*": "test_networks",
    "layers_*": "test_networks",
    "denoiser_*": "test_networks",
    "text": "test_text",
    "vae": "test_vae",
    "initial_latents": "test_noise_schedule",
    "scheduler": "test_scheduler",
    "tiles": "test_tiles",
    "pipeline_*": "test_pipeline",
    "color_fix": "test_color_fix",
    "end_to_end": "test_end_to_end",
    "preprocessing": "test_end_to_end",
    "degradation_kernels": "test_degradation",
    "degradation_ops*": "test_degradation",
    "degradation_trace_*": "test_degradation",
    "training_*": "test_training",
    "personalized": "test_personalization",
    "lora": "test_personalization",
}

NOT_YET = {
    "vae_tiling": "how far the published tiled VAE is off; ours equals the plain one, see tests/pasd",
}


def test_every_golden_file_is_recognised():
    known = [*CHECKED, *NOT_YET]
    unknown = [name for name in golden_data.names("*") if not any(fnmatch(name, pattern) for pattern in known)]
    assert not unknown, f"{golden_data.FOLDER}: no test checks {unknown}"


def test_the_folder_holds_golden_data():
    assert len(golden_data.names("*")) >= 10, f"{golden_data.FOLDER} is not a conformance folder"
