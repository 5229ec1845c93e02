"""The GPU's benchmark on a CPU: that it runs through, keeps to its budget, and judges pictures and kernels rightly."""

import json
from collections.abc import Iterator
from pathlib import Path

import gpu
import pytest
import torch
from speed.kernels import kind_of
from speed.pictures import band_levels, error_levels, photograph, sky, values_16_bit
from speed.rows import Clock, Results, Row, Task
from speed.timing import watched


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the parts that have tests of their own, or take as long as all others."""
    monkeypatch.setattr(gpu, "embedded_rows", lambda *_: [])


@pytest.mark.usefixtures("quick")
def test_it_measures_everything_with_tiny_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = tmp_path / "gpu.json"
    small = ["--tiny", "--device", "cpu", "--sides", "64", "--photos", "1", "--steps", "1", "--repeats", "1"]
    gpu.main([*small, "--tiles", "1", "--json", str(numbers)])
    result = json.loads(numbers.read_text())
    assert result["left_out"] == []
    settings = {(row["case"], row["setting"]) for row in result["rows"]}
    assert {("64x64, 1 guided steps", "whole restorer"), ("64x64, 4 unguided steps", "denoiser alone")} <= settings
    assert ("64x64, 1 guided steps, step_cache 2", "whole restorer") in settings
    assert ("a call, 8x8 latents", "eager, diffusers' layers") in settings
    assert ("attention, 64 tokens, 4 heads of 8", "torch's choice") in settings
    assert ("VAE decode, random weights 64x64", "bfloat16, last layer float32") in settings
    assert ("64x64, 1 guided steps", "plain loop, denoiser alone") in settings
    assert all(row["seconds"] > 0 for row in result["rows"])
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == len(result["rows"]) + 2
    assert len({line.count("|") for line in table}) == 1


def test_what_does_not_fit_the_budget_or_fails_is_named_and_the_rest_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> Iterator[Row]:
        yield Row("half", "a", 1, 0.5)
        raise RuntimeError("out of memory\nat length")

    tasks = [
        Task("long", 1000.0, lambda: [Row("long", "a", 1, 1.0)]),
        Task("failing", 1.0, fails),
        Task("short", 1.0, lambda: [Row("short", "a", 4, 0.25, teraflops=247.25, gib=1.5)]),
    ]
    results = Results({}, 989.0, tmp_path / "numbers.json")
    results.measure(tasks, Clock(100.0))
    assert [row.case for row in results.rows] == ["half", "short"]
    assert results.left_out == ["long (takes some 1000 s)", "failing (failed: out of memory)"]
    printed = capsys.readouterr().out
    assert "| short | a | 4 | 0.2500 | 247 | 25% | 1.5 |  |" in printed
    assert "left out: long (takes some 1000 s); failing (failed: out of memory)" in printed


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("void at::native::elementwise_kernel<128, 4, at::native::direct_copy_kernel_cuda(at::TensorIte...", "copies"),
        ("Memcpy HtoD (Pageable -> Device)", "copies"),
        ("void cudnn::ops::nchwToNhwcKernel<__nv_bfloat16, ...>", "copies"),
        ("void at::native::(anonymous namespace)::CatArrayBatchedCopy<...>", "copies"),
        ("void pytorch_flash::flash_fwd_kernel<...>", "attention"),
        ("cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_3i_64x64x64", "attention"),
        ("sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x256x64", "convolutions"),
        ("nvjet_tst_192x192_64x4_2x1_v_bz_coopB_TNT", "linear"),
        ("void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_bf16_128x64_64x4_nn_align8>", "linear"),
        ("void at::native::(anonymous namespace)::RowwiseMomentsCUDAKernel<c10::BFloat16>", "norms"),
        ("_normalise_kernel", "norms"),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::GeluCUDAKernelImpl>", "elementwise"),
        ("void at::native::reduce_kernel<512, 1>", "other"),
    ],
)
def test_kernels_are_told_apart_by_their_names(kernel: str, kind: str) -> None:
    assert kind_of(kernel) == kind


def test_bands_are_what_a_neighbourhood_shares_and_values_are_counted_at_16_bits() -> None:
    exact = sky(64)[None]
    noisy = exact + 0.01 * torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))
    rounded = exact.to(torch.bfloat16).float()
    assert error_levels(noisy, exact) > 5 * band_levels(noisy, exact)
    assert band_levels(exact + 1 / 255, exact) == pytest.approx(1.0, rel=1e-3)
    assert values_16_bit(rounded) < 200 < values_16_bit(exact)
    assert photograph(32).shape == (3, 32, 32)


def test_functions_are_watched_only_while_the_context_lasts() -> None:
    class Owner:
        work = staticmethod(lambda number: number + 1)

    with watched(torch.device("cpu"), {"working": (Owner, "work")}) as spent:
        assert Owner.work(1) == 2
    assert spent["working"] > 0
    seen = dict(spent)
    Owner.work(1)
    assert dict(spent) == seen
