"""Cost of a run by the time of its workers: so far, to the end, a photo and a megapixel."""

from collections.abc import Mapping
from dataclasses import dataclass

from pasd_batch.runs.summary import RunCounts

Prices = float | Mapping[str, float] | None
"""`workers.price_per_hour`."""

OTHER_TYPES = "default"
"""Name in prices by type of node that stands for all types which are not named."""

_HOUR = 3600.0
_UNKNOWN = "unknown"


def price_of(prices: Prices, node_type: str | None) -> float | None:
    """Price of a worker's hour on a node of this type; None if none is set for it."""
    if prices is None or isinstance(prices, int | float):
        return prices
    return prices.get(node_type or OTHER_TYPES, prices.get(OTHER_TYPES))


def cost_of_seconds(prices: Prices, seconds: float, node_type: str | None) -> float | None:
    """Cost of a worker's time; None if no price is set for it."""
    price = price_of(prices, node_type)
    return None if price is None else price * seconds / _HOUR


def unpriced_lines(prices: Prices, node_type: str | None) -> list[str]:
    """A line for people where prices are set and none is that of nodes of this type; else none."""
    if prices is None or price_of(prices, node_type) is not None:
        return []
    return [
        f"cost: not known, as workers.price_per_hour has no price for nodes of type {node_type or _UNKNOWN}; "
        f"add it, or `{OTHER_TYPES}` for all others"
    ]


@dataclass(frozen=True)
class RunCost:
    """Cost of the rows that are committed, in the currency of the prices.

    It is the time that workers spent on shards which they committed, loading of models included. Time that was lost
    with a worker, idle machines, the head and storage are not in it.
    """

    so_far: float | None
    """None if no node that worked has a price."""
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
        return None if self.so_far is None or not self.photos else self.so_far / self.photos

    @property
    def per_megapixel(self) -> float | None:
        """Mean cost of a million pixels."""
        return None if self.so_far is None or not self.megapixels else self.so_far / self.megapixels

    @property
    def in_all(self) -> float | None:
        """About what the whole run costs, if photos go on as they did."""
        return None if self.per_photo is None else self.per_photo * self.planned

    def line(self) -> str:
        """The cost for people."""
        if not self.photos:
            return "cost: nothing yet"
        parts = ["cost: not known"]
        if self.so_far is not None and self.per_photo is not None and self.in_all is not None:
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
    known = [cost for cost in costs.values() if cost is not None]
    return RunCost(
        so_far=sum(known) if known or not costs else None,
        worker_hours=sum(counts.worker_seconds.values()) / _HOUR,
        photos=counts.photos,
        planned=planned,
        megapixels=counts.megapixels,
        unpriced=tuple(kind or _UNKNOWN for kind, cost in costs.items() if cost is None),
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
        return None if before is None else cls(prices, before.so_far or 0.0, before.photos)

    def add(self, photos: int, seconds: float, node_type: str | None) -> None:
        """Count a committed shard, unless its worker's node has no price."""
        cost = cost_of_seconds(self.prices, seconds, node_type)
        if cost is not None:
            self.photos += photos
            self.so_far += cost

    def in_all(self, planned: int) -> float | None:
        """About what all planned photos cost; None before the first shard."""
        return self.so_far / self.photos * planned if self.photos else None
