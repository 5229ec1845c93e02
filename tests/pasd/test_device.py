"""Device and precision that networks run in."""

import pytest
import torch

from pasd_batch.config.model import Precision
from pasd_batch.pasd.device import (
    choose_device,
    choose_dtype,
    float32_matmul_precision,
    start_copy_to_host,
    synchronize,
)


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match=r"device 'toaster': .*; use cpu or auto"):
        choose_device("toaster")


@pytest.mark.parametrize("name", ["meta", "hpu", "vulkan"])
def test_a_kind_of_device_that_is_not_here_is_told(name):
    with pytest.raises(ValueError, match=f"device '{name}': torch .* has no such device here; use cpu or auto"):
        choose_device(name)


def test_a_number_of_a_gpu_that_is_not_here_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="device 'cuda:2': there are 2 CUDA devices here, counted from 0; use cpu"):
        choose_device("cuda:2")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none():
    with pytest.raises(ValueError, match="sees no CUDA device here; use cpu or auto"):
        choose_device("cuda")


def test_default_precision_depends_on_the_device():
    assert choose_dtype(None, torch.device("cpu")) == torch.float32
    assert choose_dtype(None, torch.device("cuda")) == torch.bfloat16
    assert choose_dtype(Precision.FLOAT16, torch.device("cpu")) == torch.float16


@pytest.mark.parametrize("tf32", [True, False])
def test_the_way_float32_is_multiplied_holds_within_the_context_alone(tf32):
    def allowed():
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = allowed()
    seen = []

    def fails():
        with float32_matmul_precision(tf32=tf32):
            seen.append(allowed())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert seen == [(tf32, tf32)]
    assert allowed() == before


def test_copies_to_main_memory_are_there_once_waited_for():
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        numbers = torch.arange(1_000_000, device=device)
        copies = [start_copy_to_host(numbers * factor) for factor in range(5)]
        synchronize(numbers.device)
        for factor, copied in enumerate(copies):
            assert copied.device.type == "cpu"
            assert torch.equal(copied, torch.arange(1_000_000) * factor)
