"""The published program around the sampler: prompts, 8-bit result, colour fix. Its resizing we replace on purpose."""

import golden_data
import numpy as np
import pytest
import torch
from golden_data import load, model_folder
from PIL import Image
from sampling_run import BASE, Run
from torch.nn.functional import interpolate

from pasd_batch.config.sampling import ColorFix
from pasd_batch.pasd.color_fix import fix_color
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.padding import resize
from pasd_batch.pasd.prompts import compose_prompt

CASES = load("end_to_end").description["cases"] if golden_data.names("end_to_end") else {}


def read(name: str) -> torch.Tensor:
    pixels = np.asarray(Image.open(golden_data.FOLDER / "golden" / name).convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]


@pytest.mark.parametrize("case", CASES)
def test_restored_picture(case: str):
    about = dict(CASES[case])
    data = load("end_to_end").tensors
    about["prompt"], about["negative_prompt"] = about["resulting_prompt"], about["resulting_negative_prompt"]
    colorization = about["control_type"] == "grayscale"
    run = Run(
        about=about,
        variant=model_folder(f"tiny/{about['variant']}"),
        low_resolution=read(about["processed"]) / 255,
        draws=[data[f"{case}.draw_{i}"] for i in range(3)],
        scheduler_config=golden_data.FOLDER / ("tiny" if colorization else BASE) / "scheduler/scheduler_config.json",
    )
    latents, _ = run.sample()
    restored = (run.decode(latents) / 2 + 0.5).clamp(0, 1).mul(255).round()
    difference = (restored - read(about["restored"])).abs()
    # "at most 1 level on 99.5 % of samples, at most 3 anywhere"
    assert (difference > 1).float().mean() <= 0.005
    assert difference.max() <= 3


@pytest.mark.parametrize("case", [name for name, about in CASES.items() if about["control_type"] == "realisr"])
def test_color_fix_and_final_resize(case: str):
    about = CASES[case]
    restored, processed = read(about["restored"]) / 255, read(about["processed"]) / 255
    fixed = fix_color(restored, processed, ColorFix.WAVELET).clamp(0, 1).mul(255).floor() / 255
    output = read(about["output"])
    final = resize(fixed, Size.of(output)).mul(255).round()
    difference = (final - output).abs()
    # Pillow rounds to 8 bits between its horizontal and vertical pass; this resize stays in float32.
    assert (difference > 1).float().mean() <= 0.005
    assert difference.max() <= 3


def colorizations() -> list[dict]:
    """Recorded transfers of colour: the grey input, the sampler's result, and what the program made of the two."""
    recorded = [about for about in CASES.values() if about["control_type"] == "grayscale"]
    if golden_data.names("preprocessing"):
        recorded += [
            case for case in load("preprocessing").description["cases"] if "grayscale" in case.get("input", "")
        ]
    return recorded


@pytest.mark.parametrize("case", colorizations(), ids=lambda case: case["input"])
def test_colors_of_the_result_with_the_luma_of_the_input(case: dict):
    source, restored, output = (read(case[name]) / 255 for name in ("input", "restored", "output"))
    colored = interpolate(restored, size=source.shape[-2:], mode="bilinear", align_corners=False)
    difference = (fix_color(colored, source, ColorFix.LUMA).clamp(0, 1) - output).abs() * 255
    # The program rounds to 8 bits after resizing, in YUV and after it; this stays in float32.
    assert difference.mean() <= 1
    assert (difference > 2).float().mean() <= 0.01


def prompt_cases() -> list[dict]:
    if not golden_data.names("preprocessing"):
        return []
    return [case for case in load("preprocessing").description["prompts"] if case.get("control_type") != "grayscale"]


@pytest.mark.parametrize("case", prompt_cases(), ids=str)
def test_prompts(case: dict):
    settings = {"added_prompt": "clean, high-resolution, 8k"} | case
    assert compose_prompt(case.get("prompt", ""), suffix=settings["added_prompt"]) == case["resulting_prompt"]
