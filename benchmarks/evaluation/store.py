"""What was restored and scored already: files that a later measurement takes instead of doing the work again."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evaluation.photo_sets import Sample, SampleKey
from pasd_batch.evaluation.degraded import from_8_bit, to_8_bit

DEGRADED, ORIGINAL = "degraded", "original"
"""Under these names the pictures that every method starts from are kept, beside the methods' own."""


@dataclass(frozen=True)
class Store:
    """Pictures and records in a folder, one folder a sample: `x4-full/kodak_1-<digest>/lanczos.png`, `.json`.

    A sample's folder bears the digest of its pixels, so that nothing of another seed, crop or chain is taken for it.
    """

    root: Path

    def prepare(self, sample: Sample) -> None:
        """Write the two pictures that every method starts from, to be looked at."""
        folder = self._folder(sample.key)
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in ((DEGRADED, sample.degraded), (ORIGINAL, sample.original)):
            if not (folder / f"{name}.png").is_file():
                _write_picture(folder / f"{name}.png", picture)

    def picture(self, sample: SampleKey, method: str) -> np.ndarray | None:
        """A restored picture in [0, 1], if it is there."""
        path = self._folder(sample) / f"{method}.png"
        return from_8_bit(np.asarray(Image.open(path).convert("RGB"))) if path.is_file() else None

    def record(self, sample: SampleKey, method: str) -> dict[str, Any]:
        """What is known about a restored picture; empty if nothing is."""
        path = self._folder(sample) / f"{method}.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def write(self, sample: SampleKey, method: str, picture: np.ndarray, record: dict[str, Any]) -> None:
        """Keep a restored picture and what is known about it."""
        _write_picture(self._folder(sample) / f"{method}.png", picture)
        self.write_record(sample, method, record)

    def write_record(self, sample: SampleKey, method: str, record: dict[str, Any]) -> None:
        """Replace what is known about a restored picture."""
        _write_whole(self._folder(sample) / f"{method}.json", json.dumps(record, indent=1).encode())

    def _folder(self, sample: SampleKey) -> Path:
        return self.root / sample.photo_set.name / f"{sample.photo}-{sample.pixels}"


def _write_picture(path: Path, picture: np.ndarray) -> None:
    partial = path.with_suffix(".partial.png")
    Image.fromarray(to_8_bit(picture)).save(partial)
    os.replace(partial, path)


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    os.replace(partial, path)
