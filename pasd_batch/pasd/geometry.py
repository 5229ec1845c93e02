"""Typed sizes, so that height and width are not confused."""

from dataclasses import dataclass

from torch import Tensor

LATENT_FACTOR = 8
"""Photo pixels per latent pixel along each side, in Stable Diffusion 1.5 and in PASD."""


@dataclass(frozen=True, order=True)
class Size:
    """Height and width in pixels, of a photo or of latents as the context says."""

    height: int
    width: int

    @classmethod
    def of(cls, image: Tensor) -> "Size":
        """Size of a tensor whose last two dimensions are height and width."""
        return cls(int(image.shape[-2]), int(image.shape[-1]))

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    @property
    def short_side(self) -> int:
        """The smaller of height and width."""
        return min(self.height, self.width)

    @property
    def long_side(self) -> int:
        """The larger of height and width."""
        return max(self.height, self.width)

    def scaled(self, factor: float) -> "Size":
        """Both sides times `factor`, rounded, at least 1."""
        return Size(max(1, round(self.height * factor)), max(1, round(self.width * factor)))

    def padded_to(self, multiple: int) -> "Size":
        """Both sides rounded up to a multiple."""
        return Size(-(-self.height // multiple) * multiple, -(-self.width // multiple) * multiple)

    def __str__(self) -> str:
        """Width x height, as people write photo sizes."""
        return f"{self.width}x{self.height}"
