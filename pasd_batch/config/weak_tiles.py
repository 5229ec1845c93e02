"""Settings of second tries: when a result counts as weak, and is done again from another seed."""

from pydantic import Field

from pasd_batch.config.base import Settings


class RetryWeakSettings(Settings):
    """A second try for photos with weak tiles: the better of both results is kept."""

    enabled: bool = False
    """Measure results tile by tile, and do a photo again, once and from another seed, if one of its tiles is weak."""

    detail: float = Field(default=0.5, ge=0.0, lt=1.0)
    """A tile is weak whose detail, beside that of the input there, is below this share of the median of the photo's
    other tiles; in a photo of one tile, of the input's. 0: detail is not looked at."""

    color: float = Field(default=16.0, gt=0.0)
    """A tile is weak whose mean colour, before `color_fix`, is farther than this from the input's there (CIELAB; about
    2 can just be seen). Not looked at with `colorize`, whose colours are new."""
