"""Device and precision that networks run in."""

import pytest
import torch

from pasd_batch.config.model import Precision
from pasd_batch.pasd.device import choose_device, choose_dtype


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="device 'toaster'"):
        choose_device("toaster")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none():
    with pytest.raises(ValueError, match="sees no CUDA device here; use cpu or auto"):
        choose_device("cuda")


def test_default_precision_depends_on_the_device():
    assert choose_dtype(None, torch.device("cpu")) == torch.float32
    assert choose_dtype(None, torch.device("cuda")) == torch.bfloat16
    assert choose_dtype(Precision.FLOAT16, torch.device("cpu")) == torch.float16
