"""Pace of a run, from the times of its committed rows alone: photos an hour of late, time left, last activity."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pasd_batch.runs.summary import ShardCounts

_LOOKED_BACK = timedelta(hours=1)
_HOUR = 3600.0


@dataclass(frozen=True)
class RunPace:
    """Pace of the last hour of a run's work, whenever that was."""

    last_activity: datetime | None
    """Time at which the last committed photo was done; None before the first."""
    photos_per_hour: float | None
    """None where fewer than two photos, or all at one moment, were done in that hour."""
    seconds_left: float | None
    """Seconds that the photos without a row take at this pace; None where it is unknown, 0 where none is left."""

    def lines(self, now: datetime) -> list[str]:
        """The pace for people."""
        if self.last_activity is None:
            return ["last activity: no shard is committed yet"]
        since = max(timedelta(), now - self.last_activity)
        lines = [f"last activity: {self.last_activity.isoformat(timespec='seconds')}, {_rounded(since)} ago"]
        if self.photos_per_hour is None:
            return lines
        left = f"; about {_rounded(timedelta(seconds=self.seconds_left))} left" if self.seconds_left else ""
        return [*lines, f"pace: {self.photos_per_hour:,.0f} photos an hour in the last hour of work{left}"]


def run_pace(shards: Sequence[ShardCounts], *, planned: int) -> RunPace:
    """The pace of a run of so many `planned` photos.

    Photos of shards of which any was done in that hour, but the first, by the time from that one to the last.
    """
    timed = [(each.first_finished, each.last_finished, each.photos) for each in shards]
    known = [(first, last, photos) for first, last, photos in timed if first is not None and last is not None]
    if not known:
        return RunPace(None, None, None)
    end = max(last for _, last, _ in known)
    late = [(first, photos) for first, last, photos in known if last > end - _LOOKED_BACK]
    seconds = (end - min(first for first, _ in late)).total_seconds()
    done, left = sum(photos for _, photos in late), planned - sum(each.photos for each in shards)
    rate = (done - 1) / seconds if done > 1 and seconds > 0 else None
    seconds_left = 0.0 if left <= 0 else left / rate if rate else None
    return RunPace(end.astimezone(UTC), None if rate is None else rate * _HOUR, seconds_left)


def _rounded(time: timedelta) -> str:
    """A time for people, in its two largest units."""
    minutes, seconds = divmod(round(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    first = next((number for number, (value, _) in enumerate(units) if value), len(units) - 1)
    return " ".join(f"{value} {unit}" for value, unit in units[first : first + 2])
