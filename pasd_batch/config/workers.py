"""Settings of workers: how many, with what, and at what price."""

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Settings


class WorkerSettings(Settings):
    """Workers: their number, and the resources of each."""

    min: int = Field(default=1, ge=1)
    """Workers kept even when there is no work for all of them."""

    max: int | None = Field(default=None, ge=1)
    """Most workers; none: as many as the cluster has room for, growing with it."""

    gpus: float | None = Field(default=None, ge=0.0)
    """GPUs a worker (fractions share one); none: 1 where the cluster has GPUs, else 0."""

    cpus: float = Field(default=1.0, gt=0.0)
    """CPU cores a worker reserves."""

    prefetch: int | None = Field(default=None, ge=1)
    """Photos fetched and decoded ahead of the model, and as many encoded and stored behind it; none: as many as
    `photo_batch`, at least 4."""

    prefetch_mib: int = Field(default=1024, ge=1)
    """MiB of decoded photos that may wait ahead of the model, and again behind it, and of memory that photos take
    while they are decoded at once; one photo always may, if it is within `limits.max_decoded_mib`."""

    photo_batch: int | None = Field(default=None, ge=1)
    """Most photos with tiles of like size that are restored together; none: 8 on a GPU, which fills calls of the
    networks (`tiling.tile_batch`), 4 on the CPU."""

    price_per_hour: Annotated[float, Field(ge=0.0)] | dict[str, Annotated[float, Field(ge=0.0)]] | None = None
    """Price of a worker for an hour, in any currency: one for all, or by the type of its node (column `node_type`),
    with `default` for all others. Where it is set, plan, progress, status and report tell the cost."""

    @model_validator(mode="after")
    def _valid_counts(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max {self.max} is below min {self.min}; raise max, or lower min")
        if self.gpus is not None and self.gpus > 1 and not math.isclose(self.gpus, round(self.gpus)):
            raise ValueError(f"gpus {self.gpus}: Ray gives fractions below 1, or whole GPUs")
        return self
