"""Request and result of a photo's restoration."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxtyping import Shaped
from torch import Tensor

from pasd_batch.config.sampling import SamplingSettings
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
    sampling: SamplingSettings
    """The photo's own settings, at its fidelity (`SamplingSettings.at_fidelity`): those of its batch, but for its noise
    level and kept frequencies (`SamplingSettings.of_batch`)."""

    regions: PhotoRegions | None = None
    """Mask and regions; None: none."""

    palette: Palette | None = None
    """Palette of the photo's colour reference, to transfer to the result; None: none."""

    def with_second_seed(self) -> "PhotoRequest":
        """The same request with a second seed, derived from its own."""
        return replace(self, seed=derived_seed(self.seed, "second try"))


@dataclass(frozen=True)
class Restoration:
    """A restored photo."""

    image: Shaped[Tensor, "3 height width"]
    """sRGB on the CPU, in the input's data type: float32 in [0, 1], uint8 or uint16."""

    prompt: str
    """The whole prompt, with the quality suffix."""

    report: RestorationReport

    warnings: tuple[str, ...] = ()
    """Warnings about the photo's settings, such as a truncated prompt."""

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
    """A result that is being copied to main memory."""

    image: Shaped[Tensor, "1 3 height width"]
    soundness: Tensor
    prompt: str
    report: RestorationReport
    warnings: tuple[str, ...]
    weakness: Callable[[], Weakness] | None = None
    """Finds the weak tiles; None if not enabled."""

    def outcome(self) -> Restoration | PhotoFailure:
        """The restored photo, or a failure if it is unsound; call it after the device is synchronised."""
        problem = find_problem(self.soundness)
        if problem is not None:
            return PhotoFailure(Stage.RESTORE, "UnsoundResult", problem)
        found = None if self.weakness is None else self.weakness()
        report = (
            self.report if found is None else replace(self.report, weak_tiles=found.tiles, weak_checks=found.checks)
        )
        return Restoration(self.image[0], self.prompt, report, self.warnings, weakness=found)


def less_weak(first: Restoration, second: Restoration | PhotoFailure) -> Restoration:
    """The result with the lesser weakness; its report has the weak tiles of the first one."""
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
