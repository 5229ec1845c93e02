"""The degradation chain against recorded data: kernels, single operations, and whole runs stage by stage."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import golden_data
import pytest
import torch

from pasd_batch.config.degradation import ResizeMode
from pasd_batch.degradation.blur_kernels import BivariateKernel, BivariateProfile, SincKernel, kernel_weights
from pasd_batch.degradation.filtering import blur, resize_by, resize_to, round_to_8_bit
from pasd_batch.degradation.jpeg import compress_jpeg
from pasd_batch.degradation.noise import (
    NoiseKind,
    NoiseParameters,
    add_gaussian_noise,
    add_noise,
    add_poisson_noise,
)
from pasd_batch.degradation.real_esrgan import ChainParameters, Resize, StageParameters, apply_chain

Tensors = dict[str, torch.Tensor]


def load(name: str) -> tuple[dict[str, Any], Tensors]:
    golden = golden_data.load(name)
    return golden.description, golden.tensors


def absolute_tolerance(text: str) -> float:
    return float(re.findall(r"abs ([\d.e-]+)", text)[0].rstrip("."))


def tie_share(text: str) -> float:
    """Share of samples that a JPEG coefficient at a rounding tie may change."""
    return float(re.findall(r"fewer than ([\d.]+) %", text)[0]) / 100.0


def assert_within(actual: torch.Tensor, expected: torch.Tensor, tolerance: float, *, what: str) -> None:
    assert actual.shape == expected.shape, f"{what}: shape {tuple(actual.shape)}, not {tuple(expected.shape)}"
    error = (actual.double() - expected.double()).abs()
    message = f"{what}: largest error {error.max():.3g}, mean {error.mean():.3g}, allowed {tolerance:.3g}"
    assert float(error.max()) <= tolerance, message


def assert_mostly_close(
    actual: torch.Tensor, expected: torch.Tensor, tolerance: float, *, share: float, what: str
) -> None:
    assert actual.shape == expected.shape, f"{what}: shape {tuple(actual.shape)}, not {tuple(expected.shape)}"
    error = (actual.double() - expected.double()).abs()
    beyond = float((error > tolerance).double().mean())
    message = (
        f"{what}: {beyond:.4%} of the samples differ by more than {tolerance:.3g} (allowed {share:.4%}); "
        f"largest error {error.max():.3g}, mean {error.mean():.3g}"
    )
    assert beyond <= share, message


def weights_of(case: dict[str, Any]) -> torch.Tensor:
    if case["kind"] == "sinc":
        kernel = SincKernel(case["size"], case["cutoff"])
        return kernel_weights([kernel], size=case["pad_to"] or case["size"])[0]
    bell = BivariateKernel(
        size=case["size"],
        sigma_x=case["sigma_x"],
        sigma_y=case.get("sigma_y", case["sigma_x"]),
        rotation=case.get("theta", 0.0),
        beta=case.get("beta", 1.0),
        profile=BivariateProfile.PLATEAU if case["kind"].startswith("plateau") else BivariateProfile.GENERALIZED,
    )
    return kernel_weights([bell])[0]


def kernel_cases() -> Iterator[Any]:
    for name in golden_data.names("degradation_kernels*"):
        for case in load(name)[0]["cases"]:
            yield pytest.param(name, case, id=f"{name}-{case['tensor']}")


@pytest.mark.parametrize(("name", "case"), kernel_cases())
def test_kernel_equals_the_recorded_one(name: str, case: dict[str, Any]) -> None:
    description, tensors = load(name)
    expected = tensors[case["tensor"]]
    tolerance = description["recommended_tolerance"]["abs"]
    assert_within(weights_of(case), expected, tolerance, what=case["tensor"])


def picture(tensors: Tensors, label: str) -> torch.Tensor:
    return tensors[f"image_{label}_u8"].float() / 255.0


def noisy_picture(tensors: Tensors, output: torch.Tensor) -> torch.Tensor:
    """The one stored picture that has the output's shape."""
    shaped = [tensors[n] for n in tensors if n.startswith("image_") and tensors[n].shape == output.shape]
    assert len(shaped) == 1, f"{len(shaped)} stored pictures have shape {tuple(output.shape)}"
    return shaped[0].float() / 255.0


def blur_output(tensors: Tensors, label: str, kernel: str) -> torch.Tensor:
    photos = picture(tensors, label)
    if kernel == "per_picture":
        return blur(photos, tensors["kernels_per_picture"])
    return blur(photos, tensors[f"kernel_{kernel}"].expand(len(photos), -1, -1))


def jpeg_output(tensors: Tensors, label: str, quality: str) -> torch.Tensor:
    photos = picture(tensors, label)
    if quality.startswith("qualities_"):
        return compress_jpeg(photos, torch.tensor([float(q) for q in quality.split("_")[1:]]))
    return compress_jpeg(photos, torch.full((len(photos),), int(quality.removeprefix("q")) / 100.0))


def noise_output(
    tensors: Tensors, case: str, kind: NoiseKind, parameters: dict[str, Any], gray: list[int]
) -> torch.Tensor:
    """Each picture by itself, with its own row of the draws; the grey Gaussian plane is one for all pictures."""
    gaussian = kind is NoiseKind.GAUSSIAN
    add = add_gaussian_noise if gaussian else add_poisson_noise
    levels = parameters["sigma" if gaussian else "scale"]
    prefix = f"{kind}_{case}_{'draw' if gaussian else 'counts'}_"
    draws = [tensors[name] for name in sorted(tensors) if name.startswith(prefix)]
    photos = noisy_picture(tensors, tensors[f"{kind}_{case}_out"])
    results = []
    for index, (level, is_gray) in enumerate(zip(levels, gray, strict=True)):
        draw = draws[0 if is_gray else -1]
        own = draw[None, None] if draw.ndim == 2 else draw[index : index + 1]
        results.append(add(photos[index : index + 1], own, torch.tensor([level])))
    return torch.cat(results)


@pytest.mark.parametrize("name", golden_data.names("degradation_ops*"))
def test_blur_equals_the_recorded_one(name: str) -> None:
    description, tensors = load(name)
    outputs = [re.fullmatch(r"filtered_([^_]+)_(.+)", tensor) for tensor in tensors]
    found = [match for match in outputs if match]
    assert found, f"{name} has no blurred pictures"
    tolerance = absolute_tolerance(description["recommended_tolerance"]["filtered"])
    for match in found:
        assert_within(
            blur_output(tensors, match[1], match[2]), tensors[match[0]], tolerance, what=f"{name}: {match[0]}"
        )


@pytest.mark.parametrize("name", golden_data.names("degradation_ops*"))
def test_jpeg_equals_the_recorded_one(name: str) -> None:
    description, tensors = load(name)
    outputs = [re.fullmatch(r"jpeg_([^_]+)_(q\d+|qualities_[\d_.]+)", tensor) for tensor in tensors]
    found = [match for match in outputs if match]
    assert found, f"{name} has no compressed pictures"
    text = description["recommended_tolerance"]["jpeg"]
    for match in found:
        assert_mostly_close(
            jpeg_output(tensors, match[1], match[2]),
            tensors[match[0]],
            absolute_tolerance(text),
            share=tie_share(text),
            what=f"{name}: {match[0]}",
        )


@pytest.mark.parametrize("kind", list(NoiseKind))
@pytest.mark.parametrize("name", golden_data.names("degradation_ops*"))
def test_noise_equals_the_recorded_one(name: str, kind: NoiseKind) -> None:
    description, tensors = load(name)
    tolerance = absolute_tolerance(description["recommended_tolerance"]["noise"])
    for case, gray in description["gaussian"]["gray"].items():
        actual = noise_output(tensors, case, kind, description[kind], gray)
        what = f"{kind}_{case}_out"
        assert_within(actual, tensors[what], tolerance, what=f"{name}: {what}")


@pytest.mark.parametrize("name", golden_data.names("degradation_ops*"))
def test_every_recorded_operation_is_known(name: str) -> None:
    tensors = load(name)[1]
    known = re.compile(
        r"image_[^_]+_u8|kernel_\d+|kernels_per_picture|filtered_.+|jpeg_[^_]+_(q\d+|qualities_[\d_.]+)"
        r"|(gaussian|poisson)_[^_]+_((draw|counts)_\d+|out)"
    )
    assert [tensor for tensor in tensors if not known.fullmatch(tensor)] == []


class RecordedNoise:
    """Gives back recorded draws, in their order; grey planes get their missing axes."""

    def __init__(self, draws: list[torch.Tensor]) -> None:
        self._draws = list(draws)

    def normal(self, shape: Sequence[int]) -> torch.Tensor:
        return self._next(torch.Size(shape))

    def poisson(self, rates: torch.Tensor) -> torch.Tensor:
        return self._next(rates.shape)

    def _next(self, shape: torch.Size) -> torch.Tensor:
        return self._draws.pop(0).reshape(shape)


def noise_parameters(stage: dict[str, Any]) -> NoiseParameters:
    return NoiseParameters(NoiseKind(stage["op"]), stage["level"], stage["gray"])


def used_draw(stage: dict[str, Any], tensors: Tensors) -> torch.Tensor:
    """Grey noise is drawn before colour noise, which is then not used."""
    return tensors[stage["draws"][0 if stage["gray"] else -1]]


def replay_stage(stage: dict[str, Any], photos: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    match stage["op"]:
        case "blur":
            return blur(photos, tensors[stage["kernel"]][None])
        case "resize":
            return replay_resize(stage, photos)
        case "jpeg":
            return compress_jpeg(photos, torch.tensor([stage["quality"]]))
        case _:
            return add_noise(photos, [noise_parameters(stage)], RecordedNoise([used_draw(stage, tensors)]))


def replay_resize(stage: dict[str, Any], photos: torch.Tensor) -> torch.Tensor:
    mode = ResizeMode(stage["mode"])
    if "scale_factor" in stage:
        return resize_by(photos, factor=stage["scale_factor"], mode=mode)
    height, width = stage["size"]
    return resize_to(photos, height=height, width=width, mode=mode)


def stage_output(stage: dict[str, Any]) -> str:
    return f"stage_{stage['stage']:02d}_{stage['op']}"


def clean_picture(description: dict[str, Any], tensors: Tensors) -> torch.Tensor:
    clean = tensors["image_u8"].permute(2, 0, 1)[None].float() / 255.0
    return clean.flip(-1) if description["hflip"] else clean


@pytest.mark.parametrize("name", golden_data.names("degradation_trace_*"))
def test_every_stage_follows_from_the_one_before(name: str) -> None:
    description, tensors = load(name)
    text = description["recommended_tolerance"]["per stage"]
    tolerance = absolute_tolerance(text)
    photos = clean_picture(description, tensors)
    assert_within(photos, tensors["gt"], tolerance, what=f"{name}: gt")
    for stage in description["stages"]:
        expected = tensors[stage_output(stage)]
        actual, what = replay_stage(stage, photos, tensors), f"{name}: {stage_output(stage)}"
        if stage["op"] == "jpeg":
            assert_mostly_close(actual, expected, tolerance, share=tie_share(text), what=what)
        else:
            assert_within(actual, expected, tolerance, what=what)
        photos = expected
    assert_within(round_to_8_bit(photos), tensors["result"], tolerance, what=f"{name}: result")


def recorded_chain(description: dict[str, Any], tensors: Tensors) -> ChainParameters:
    """The trace's parameters as our chain's: a second blur that is not there is an identity."""
    stages = description["stages"]
    jpegs = [stage for stage in stages if stage["op"] == "jpeg"]
    noises = [stage for stage in stages if stage["op"] in list(NoiseKind)]
    blurs = [stage for stage in stages if stage["op"] == "blur"]
    resizes = [stage for stage in stages if stage["op"] == "resize"]
    identity = torch.zeros(1, 21, 21)
    identity[0, 10, 10] = 1.0
    height, width = tensors["image_u8"].shape[:2]
    scale = round(height / resizes[2]["size"][0])
    # The factor is not recorded, only the size it led to: any factor in the middle of its interval leads there too.
    second_factor = (resizes[1]["size"][0] + 0.5) * scale / height
    assert int(width / scale * second_factor) == resizes[1]["size"][1]

    def stage_parameters(kernel: torch.Tensor, resize: Resize, index: int) -> StageParameters:
        return StageParameters(
            kernels=kernel,
            resize=resize,
            noise=(noise_parameters(noises[index]),),
            jpeg_qualities=torch.tensor([jpegs[index]["quality"]]),
        )

    first_resize = Resize(resizes[0]["scale_factor"], ResizeMode(resizes[0]["mode"]))
    second_kernel = tensors[blurs[1]["kernel"]][None] if len(blurs) == 3 else identity
    return ChainParameters(
        first=stage_parameters(tensors[blurs[0]["kernel"]][None], first_resize, 0),
        second=stage_parameters(second_kernel, Resize(second_factor, ResizeMode(resizes[1]["mode"])), 1),
        final_kernels=tensors[blurs[-1]["kernel"]][None],
        jpeg_first=(jpegs[1]["stage"] < resizes[2]["stage"],),
        shrink_mode=ResizeMode(resizes[2]["mode"]),
        restore_mode=ResizeMode(resizes[3]["mode"]),
        scale=scale,
        resize_back=True,
    )


@pytest.mark.parametrize("name", golden_data.names("degradation_trace_*"))
def test_whole_chain_gives_the_recorded_picture(name: str) -> None:
    """Through all stages at once, rounding errors move some coefficients across a tie: at most 1 % of samples."""
    description, tensors = load(name)
    noises = [stage for stage in description["stages"] if stage["op"] in list(NoiseKind)]
    source = RecordedNoise([used_draw(stage, tensors) for stage in noises])
    clean = clean_picture(description, tensors)
    actual = apply_chain(clean, recorded_chain(description, tensors), source)
    assert_mostly_close(actual, tensors["result"], 1e-5, share=0.01, what=f"{name}: whole chain")
