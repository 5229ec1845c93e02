"""Cost of a run by the time of its workers: so far, to the end, a photo and a megapixel."""

from collections.abc import Mapping
from dataclasses import dataclass

from pasd_batch.runs.summary import RunCounts

Prices = float | Mapping[str, float] | None
"""`workers.price_per_hour`."""

OTHER_TYPES = "default"
"""Name in prices by type of node that stands for all types which are not named."""

_HOUR = 3600.0


def price_of(prices: Prices, node_type: str | None) -> float | None:
    """Price of a worker's hour on a node of this type; None if none is set for it."""
    if prices is None or isinstance(prices, int | float):
        return prices
    return prices.get(node_type or OTHER_TYPES, prices.get(OTHER_TYPES))


def cost_of_seconds(prices: Prices, seconds: float, node_type: str | None) -> float | None:
    """Cost of a worker's time; None if no price is set for it."""
    price = price_of(prices, node_type)
    return None if price is None else price * seconds / _HOUR


@dataclass(frozen=True)
class RunCost:
    """Cost of the rows that are committed, in the currency of the prices.

    It is the time that workers spent on shards which they committed, loading of models included. Time that was lost
    with a worker, idle machines, the head and storage are not in it.
    """

    so_far: float
    worker_hours: float
    photos: int
    planned: int
    megapixels: float
    """Of the photos as fetched."""
    unpriced: tuple[str, ...] = ()
    """Types of nodes that no price is set for; their time is not in the cost."""

    @property
    def per_photo(self) -> float | None:
        """Mean cost of a photo, failed ones among them."""
        return self.so_far / self.photos if self.photos else None

    @property
    def per_megapixel(self) -> float | None:
        """Mean cost of a million pixels."""
        return self.so_far / self.megapixels if self.megapixels else None

    @property
    def in_all(self) -> float | None:
        """About what the whole run costs, if photos go on as they did."""
        return None if self.per_photo is None else self.per_photo * self.planned

    def line(self) -> str:
        """The cost for people."""
        if self.per_photo is None or self.in_all is None:
            return "cost: nothing yet"
        parts = [f"cost: {self.so_far:,.2f}"]
        if self.photos < self.planned:
            parts[0] += f" so far, about {self.in_all:,.2f} in all ({self.in_all - self.so_far:,.2f} to go)"
        parts.append(f"{self.per_photo:.2g} a photo")
        if self.per_megapixel is not None:
            parts.append(f"{self.per_megapixel:.2g} a megapixel")
        parts.append(f"{self.worker_hours:,.2f} worker hours")
        if self.unpriced:
            parts.append(f"without price, and not in it: nodes of type {', '.join(self.unpriced)}")
        return "; ".join(parts)


def run_cost(counts: RunCounts, prices: Prices, *, planned: int) -> RunCost | None:
    """The cost of what is committed of `planned` photos; None without prices."""
    if prices is None:
        return None
    costs = {kind: cost_of_seconds(prices, spent, kind) for kind, spent in counts.worker_seconds.items()}
    return RunCost(
        so_far=sum(cost for cost in costs.values() if cost is not None),
        worker_hours=sum(counts.worker_seconds.values()) / _HOUR,
        photos=counts.photos,
        planned=planned,
        megapixels=counts.megapixels,
        unpriced=tuple(kind or "unknown" for kind, cost in costs.items() if cost is None),
    )


@dataclass
class RunningCost:
    """The cost of a run that goes on, shard by shard."""

    prices: Prices
    so_far: float = 0.0
    photos: int = 0
    """Photos whose cost is known."""

    @classmethod
    def after(cls, counts: RunCounts, prices: Prices) -> "RunningCost | None":
        """The cost of what was committed before; None without prices."""
        before = run_cost(counts, prices, planned=counts.photos)
        return None if before is None else cls(prices, before.so_far, before.photos)

    def add(self, photos: int, seconds: float, node_type: str | None) -> None:
        """Count a committed shard."""
        self.photos += photos
        self.so_far += cost_of_seconds(self.prices, seconds, node_type) or 0.0

    def in_all(self, planned: int) -> float | None:
        """About what all planned photos cost; None before the first shard."""
        return self.so_far / self.photos * planned if self.photos else None
