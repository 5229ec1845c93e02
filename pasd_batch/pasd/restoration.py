"""A photo's restoration: what is asked for, and what comes of it."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from pasd_batch.pasd.color_reference import Palette
from pasd_batch.pasd.framing import Image
from pasd_batch.pasd.parts import PhotoParts
from pasd_batch.pasd.soundness import find_problem
from pasd_batch.records import PhotoFailure, RestorationReport, Stage


@dataclass(frozen=True)
class PhotoRequest:
    """A photo to restore."""

    image: Float[Tensor, "1 3 height width"]
    """sRGB in [0, 1], float32, on the CPU."""

    prompt: str
    seed: int
    parts: PhotoParts | None = None
    """Parts that are not restored as the rest is; None: there are none."""

    palette: Palette | None = None
    """That of the photo's colour reference, which the result has in place of the input's."""


@dataclass(frozen=True)
class Restoration:
    """A restored photo."""

    image: Float[Tensor, "3 height width"]
    """sRGB in [0, 1], float32, on the CPU."""

    prompt: str
    """The whole prompt, with the quality suffix."""

    report: RestorationReport

    warnings: tuple[str, ...] = ()
    """Defects of the photo's settings that were put up with, such as words that the text encoder does not read."""

    earlier: tuple[Float[Tensor, "3 _ _"], ...] = ()
    """Results of the passes before the last, in order, where they are asked for; as `image`."""


@dataclass(frozen=True)
class Finished:
    """A photo whose results are on their way to main memory."""

    image: Image
    soundness: Tensor
    prompt: str
    report: RestorationReport
    warnings: tuple[str, ...]

    def outcome(self) -> Restoration | PhotoFailure:
        """The restored photo, or why it is none; once everything has come."""
        problem = find_problem(self.soundness)
        if problem is not None:
            return PhotoFailure(Stage.RESTORE, "UnsoundResult", problem)
        return Restoration(self.image[0], self.prompt, self.report, self.warnings)
