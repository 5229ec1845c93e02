"""Settings of regions: things in a photo that are restored with a fidelity of their own."""

from collections.abc import Sequence

from pydantic import ConfigDict, Field

from pasd_batch.config.base import Settings


class RegionSettings(Settings):
    """A class of things that a detector finds, and how much may be invented of them."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    class_name: str = Field(alias="class", min_length=1)
    """Name of the class, as the detector has it; case does not matter."""

    fidelity: float = Field(ge=0.0, le=1.0)
    """Fidelity of these parts, from inventing what is plausible (0) to only what is there (1)."""

    @property
    def key(self) -> str:
        """The class's name as names are compared."""
        return self.class_name.strip().casefold()


def refuse_twice(regions: Sequence[RegionSettings]) -> None:
    """Refuse a class that is there twice.

    Raises:
        ValueError: naming the class.
    """
    keys = [region.key for region in regions]
    if twice := sorted({region.class_name for region in regions if keys.count(region.key) > 1}):
        raise ValueError(f"regions have the class {', '.join(twice)} more than once; give it one fidelity")
