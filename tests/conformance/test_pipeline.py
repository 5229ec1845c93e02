"""Whole sampling runs: every step's guided noise and latents, and the decoded picture."""

import golden_data
import pytest
from golden_data import model_folder
from sampling_run import BASE, Run


@pytest.mark.parametrize("tile_batch", [1, 4])
@pytest.mark.parametrize("name", golden_data.names("pipeline_*"))
def test_pipeline(name: str, tile_batch: int):
    golden = golden_data.load(name)
    about, data = golden.description, golden.tensors
    run = Run(
        about=about,
        variant=model_folder(about["models"][0]),
        low_resolution=data["lr_image_u8"] / 255,
        draws=[data[f"draw_{i}"] for i in range(3) if f"draw_{i}" in data],
        scheduler_config=golden_data.FOLDER / BASE / "scheduler/scheduler_config.json",
    )
    latents, scheduler = run.sample(tile_batch=tile_batch)
    golden.check(run.start(scheduler), "x_start")
    checked = 0
    for step, (noise, latent) in enumerate(zip(scheduler.noises, scheduler.latents, strict=True)):
        for key, tensor in ((f"eps_{step}", noise), (f"x_{step}", latent)):
            if key in data:
                golden.check(tensor, key)
                checked += 1
    assert checked == sum(key.startswith(("eps_", "x_")) and key != "x_start" for key in data)
    if "decoded" in data:
        golden.check(run.decode(latents), "decoded")
