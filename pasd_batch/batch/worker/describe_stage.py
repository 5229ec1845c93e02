"""The describers' turn: what is in photos, before they are enlarged; it costs words at most, never a photo."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pasd_batch.batch.worker.model_stage import raise_if_poisoned
from pasd_batch.batch.worker.overlap import Deadline, DeadlineExceeded
from pasd_batch.batch.worker.photo_loader import LoadedPhoto
from pasd_batch.batch.worker.watchdog import process_ends_after, stuck_after
from pasd_batch.config.regions import RegionSettings
from pasd_batch.config.run import RunSettings
from pasd_batch.photos.compact import to_float
from pasd_batch.records import Description, FoundBox, Stage

if TYPE_CHECKING:
    from pasd_batch.describe.describer import Describer, Finding, Work

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DescribeStage:
    """Runs the describers of a process, one batch of photos at a time."""

    settings: RunSettings
    describers: Sequence[Describer]

    def describe(self, batch: Sequence[LoadedPhoto]) -> None:
        """Set the descriptions of photos; what a describer does not say is a warning in the photo's row.

        Raises:
            ProcessPoisoned: the process can use its GPU no more.
        """
        if not self.describers:
            return
        from pasd_batch.describe.describer import Work

        began = time.monotonic()
        photos = [_as_bytes(loaded.photo.composited()) for loaded in batch]
        seconds = self.settings.deadlines.describe
        deadline = Deadline("describing", "deadlines.describe", seconds, len(batch))
        descriptions = [Description() for _ in batch]
        regions = self.settings.restoration.regions
        for describer in self.describers:
            with process_ends_after(stuck_after(seconds, len(batch))):
                findings = _findings(describer, photos, Work(deadline.check))
            of_regions = bool(regions) and describer.name == "detect"
            for number, (loaded, finding) in enumerate(zip(batch, findings, strict=True)):
                if finding.doubt is not None:
                    loaded.state.warn(f"{describer.name}: {finding.doubt}; {_lost(of_regions)}")
                if of_regions:
                    loaded.state.row.regions = _wanted(finding.boxes, regions)
                descriptions[number] = _joined(descriptions[number], finding.description)
        taken = (time.monotonic() - began) / len(batch)
        for loaded, description in zip(batch, descriptions, strict=True):
            loaded.state.row.description = description
            loaded.state.took(Stage.DESCRIBE, taken)


def _lost(of_regions: bool) -> str:
    lost = "the prompt goes without what it would say"
    return f"{lost}, and no region has a fidelity of its own" if of_regions else lost


def _wanted(boxes: Sequence[FoundBox], regions: Sequence[RegionSettings]) -> list[FoundBox]:
    """Boxes of the classes that have a fidelity of their own."""
    keys = {region.key for region in regions}
    return [box for box in boxes if box.name.strip().casefold() in keys]


def _findings(describer: Describer, photos: Sequence[np.ndarray], work: Work) -> Sequence[Finding]:
    """Findings about photos together; if that fails about each by itself, and what fails then is a doubt."""
    from pasd_batch.describe.describer import Finding
    from pasd_batch.pasd.memory import is_out_of_memory

    try:
        work.check()
        return describer.describe(photos, work)
    except DeadlineExceeded as error:
        return [Finding(doubt=str(error)) for _ in photos]
    except Exception as error:
        raise_if_poisoned(error)
        _logger.warning("%s failed for %d photo(s)", describer.name, len(photos), exc_info=error)
        # Filled up, a photo by itself takes as much memory as several.
        empties = work.filled and is_out_of_memory(error)
        if len(photos) == 1 and not empties:
            return [Finding(doubt=f"{type(error).__name__}: {error}")]
        work = replace(work, filled=work.filled and not empties)
    return [finding for photo in photos for finding in _findings(describer, [photo], work)]


def _joined(one: Description, other: Description) -> Description:
    """Both descriptions in one; each has other fields."""
    said = {name: value for name, value in vars(other).items() if value not in (None, ())}
    return replace(one, **said)


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Pixels of any type with 256 levels, as image processors take them."""
    if pixels.dtype == np.uint8:
        return pixels
    levels = to_float(pixels) * np.float32(255.0)  # the one copy, for photos are large
    np.rint(levels, out=levels)
    return np.clip(levels, 0.0, 255.0, out=levels).astype(np.uint8)
