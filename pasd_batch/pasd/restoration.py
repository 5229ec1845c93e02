"""A photo's restoration: what is asked for, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxtyping import Shaped
from torch import Tensor

from pasd_batch.pasd.color_reference import Palette
from pasd_batch.pasd.regions import PhotoRegions
from pasd_batch.pasd.seeds import derived_seed
from pasd_batch.pasd.soundness import find_problem
from pasd_batch.pasd.weak_tiles import Weakness
from pasd_batch.records import PhotoFailure, RestorationReport, Stage


@dataclass(frozen=True)
class PhotoRequest:
    """A photo to restore."""

    image: Shaped[Tensor, "1 3 height width"]
    """sRGB on the CPU: float32 in [0, 1], uint8 or uint16."""

    prompt: str
    seed: int
    regions: PhotoRegions | None = None
    """Parts that are not restored as the rest is; None: there are none."""

    palette: Palette | None = None
    """That of the photo's colour reference, which the result has in place of the input's."""

    def with_second_seed(self) -> "PhotoRequest":
        """The same photo from another seed, which follows from its own."""
        return replace(self, seed=derived_seed(self.seed, "second try"))


@dataclass(frozen=True)
class Restoration:
    """A restored photo."""

    image: Shaped[Tensor, "3 height width"]
    """sRGB on the CPU, in the type that the photo came in: float32 in [0, 1], uint8 or uint16."""

    prompt: str
    """The whole prompt, with the quality suffix."""

    report: RestorationReport

    warnings: tuple[str, ...] = ()
    """Defects of the photo's settings that were put up with, such as words that the text encoder does not read."""

    earlier: tuple[Shaped[Tensor, "3 _ _"], ...] = ()
    """Results of the passes before the last, in order, where they are asked for; as `image`."""

    weakness: Weakness | None = None
    """Weak tiles, where `sampling.retry_weak` asks for them."""

    @property
    def is_weak(self) -> bool:
        """True if it has weak tiles."""
        return self.weakness is not None and self.weakness.tiles > 0


@dataclass(frozen=True)
class PendingRestoration:
    """A photo whose results are on their way to main memory."""

    image: Shaped[Tensor, "1 3 height width"]
    soundness: Tensor
    prompt: str
    report: RestorationReport
    warnings: tuple[str, ...]
    weakness: Callable[[], Weakness] | None = None
    """Finds the weak tiles, where that is asked for."""

    def outcome(self) -> Restoration | PhotoFailure:
        """The restored photo, or why it is none; once everything has come."""
        problem = find_problem(self.soundness)
        if problem is not None:
            return PhotoFailure(Stage.RESTORE, "UnsoundResult", problem)
        found = None if self.weakness is None else self.weakness()
        report = (
            self.report if found is None else replace(self.report, weak_tiles=found.tiles, weak_checks=found.checks)
        )
        return Restoration(self.image[0], self.prompt, report, self.warnings, weakness=found)


def less_weak(first: Restoration, second: Restoration | PhotoFailure) -> Restoration:
    """The better of two results by their weak tiles; its report tells of the first one's."""
    kept = first
    if isinstance(second, Restoration) and second.weakness is not None and first.weakness is not None:
        kept = second if second.weakness < first.weakness else first
    report = replace(
        kept.report,
        weak_tiles=first.report.weak_tiles,
        weak_checks=first.report.weak_checks,
        second_try_kept=kept is second,
    )
    return replace(kept, report=report)
