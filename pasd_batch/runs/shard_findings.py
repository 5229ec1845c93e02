"""Findings in one shard of a run: what is wrong with its plan, its rows and the photos that they describe."""

from dataclasses import dataclass, field
from enum import StrEnum


class ProblemKind(StrEnum):
    """Kinds of problem of a run's folder."""

    PHOTO_LIST = "list of photos missing or damaged"
    PLAN_MISSING = "plan file missing"
    PLAN_DAMAGED = "plan file damaged"
    RESULTS_MISSING = "result file missing"
    RESULTS_DAMAGED = "result file damaged"
    PHOTO_MISSING = "restored photo missing"
    PHOTO_DAMAGED = "restored photo damaged"
    SUMMARY = "summary missing or wrong"
    EXTRA = "file that belongs to nothing"


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file of a run; `path` is relative to the run's root."""

    kind: ProblemKind
    path: str
    detail: str = ""
    shard: int | None = None
    photo_id: str | None = None


@dataclass
class ShardFindings:
    """Findings in one shard."""

    shard: int
    photos: int
    """Photos that it should have."""
    problems: list[Problem] = field(default_factory=list)
    bad_rows: list[int] = field(default_factory=list)
    """Places of rows whose photos are missing or damaged."""
    planned_ids: list[str] = field(default_factory=list)
    planned_paths: list[str] = field(default_factory=list)
    """Output paths of the plan; none where it cannot be read."""
    stored_paths: list[str] = field(default_factory=list)
    """Photos' files that may be in the run: those of rows, or all of planned photos where there are no rows yet."""
    failed: int = 0
    bytes_read: int = 0

    @property
    def stored_paths_known(self) -> bool:
        """True if `stored_paths` are all that there may be, as either the rows or the plan could be read."""
        rows_read = not self.has(ProblemKind.RESULTS_MISSING) and not self.has(ProblemKind.RESULTS_DAMAGED)
        return rows_read or bool(self.planned_paths)

    def add(self, kind: ProblemKind, path: str, detail: str = "", photo_id: str | None = None) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, path, detail, self.shard, photo_id))

    def has(self, kind: ProblemKind) -> bool:
        """True if there is a problem of that kind."""
        return any(problem.kind is kind for problem in self.problems)
