"""Reading ncnn's weights, from files made here."""

import numpy as np
import pytest
from convert_real_esrgan import named_weights
from evaluation.ncnn_weights import Convolution, read_convolutions

from pasd_batch.training.networks.teacher import RrdbNet

FLAG = np.array([0x01306B47], "<u4").tobytes()
PARAM = """7767517
3 3
Input     data 0 1 data
Convolution first 1 1 data a 0=3 1=1 4=1 5=1 6=3
Convolution second 1 1 a out 0=2 1=1 5=1 6=6 9=2 -23310=1,2.000000e-01
"""


def files():
    weights = [np.arange(3, dtype="<f2"), np.arange(6, dtype="<f2")]
    biases = [np.full(3, 0.5, "<f4"), np.full(2, -1.0, "<f4")]
    # Three numbers of two bytes are filled up to eight bytes.
    content = FLAG + weights[0].tobytes() + b"\0\0" + biases[0].tobytes()
    return content + FLAG + weights[1].tobytes() + biases[1].tobytes()


def test_weights_and_biases_come_in_the_order_of_the_network():
    first, second = read_convolutions(PARAM, files())
    assert first.weight.shape == (3, 1, 1, 1)
    assert second.weight[:, :, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert first.bias.tolist() == [0.5] * 3
    assert second.bias.tolist() == [-1.0] * 2


def test_files_that_are_something_else_are_refused():
    for param, weights, message in (
        ("x\n" + PARAM, files(), "not ncnn's"),
        (PARAM, files() + b"\0", "of which the .param's convolutions take"),
        (PARAM, b"\0" * len(files()), "not in float16"),
        (PARAM.replace("5=1", "5=0"), files(), "has no bias"),
    ):
        with pytest.raises(ValueError, match=message):
            read_convolutions(param, weights)


def test_names_are_those_of_the_teacher():
    with_meta = RrdbNet().state_dict()
    convolutions = [Convolution(np.zeros(1), np.zeros(1)) for _ in range(len(with_meta) // 2)]
    assert list(named_weights(convolutions)) == list(with_meta)
