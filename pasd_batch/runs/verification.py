"""`verify RUN`: everything in a run's folder looked at, and all that is wrong counted; reads only.

Shards are read a few at a time. Of the whole run 16 bytes a photo are held, and twice that while they are sorted:
hashes of its id and of its file's path, which tell photos that are planned twice and files that belong to nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from pasd_batch.runs.damage import RunDamaged, read_json
from pasd_batch.runs.layout import (
    IMAGES_FOLDER,
    PASSES_FOLDER,
    PLAN_FOLDER,
    RESULTS_FOLDER,
    SUMMARY_FILE,
    photo_list_path,
    plan_path,
    result_path,
)
from pasd_batch.runs.path_set import PathSet
from pasd_batch.runs.plan_key import problem_of_kept_list
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.shard_check import ShardCheck
from pasd_batch.runs.shard_findings import Problem, ProblemKind, ShardFindings
from pasd_batch.storage.storage import NotFound
from pasd_batch.storage.threads import in_threads

EXAMPLES = 20
"""Problems of each kind that are named."""

_SHARDS_AT_ONCE = 16
_SHARDS_WITH_IMAGES_AT_ONCE = 4  # each holds a row group, which may be 64 MiB of images
_PATHS_AT_ONCE = 10_000


@dataclass
class Verification:
    """Result of checking a run."""

    shards: int = 0
    photos: int = 0
    failed: int = 0
    files: int = 0
    """Files of restored photos, of all passes that are stored, that are there or should be."""
    bytes_read: int = 0
    """Bytes of restored photos that were hashed."""
    plan_is_wrong: bool = False
    """Photos are planned twice, and which of the plan's files is wrong cannot be told."""
    counts: Counter[ProblemKind] = field(default_factory=Counter)
    examples: dict[ProblemKind, list[Problem]] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """True if nothing is wrong."""
        return not self.counts

    @property
    def mendable(self) -> bool:
        """True if anything is wrong that doing work again mends."""
        return any(kind is not ProblemKind.EXTRA for kind in self.counts)

    def add(self, problem: Problem) -> None:
        """Count a problem."""
        self.counts[problem.kind] += 1
        examples = self.examples.setdefault(problem.kind, [])
        if len(examples) < EXAMPLES:
            examples.append(problem)

    def lines(self) -> Iterator[str]:
        """All of it for people."""
        yield (
            f"{self.photos:,} photos in {self.shards:,} shards, {self.failed:,} of them failed; "
            f"{self.files:,} restored photos should be there as files, {self.bytes_read / 1e6:,.1f} MB of photos hashed"
        )
        if self.whole:
            yield "whole: everything is there and as it was stored"
        for kind, count in self.counts.most_common():
            yield f"{count:,} x {kind}"
            for problem in self.examples[kind]:
                named = f" (photo {problem.photo_id})" if problem.photo_id else ""
                detail = f": {problem.detail}" if problem.detail else ""
                yield f"  {problem.path}{named}{detail}"
            more = count - len(self.examples[kind])
            if more:
                yield f"  and {more:,} more; --output FILE writes all of them down"


@dataclass(frozen=True)
class Verifier:
    """Looks at the run at `folder`.

    `on_problem` hears of every problem, `on_shard` of every shard: what is wrong in it, and how many photos it has.
    """

    folder: RunFolder
    run: RunFile
    hashes: bool = True
    on_problem: Callable[[Problem], None] = lambda _: None
    on_shard: Callable[[ShardFindings], None] = lambda _: None

    def verify(self) -> Verification:
        """Look at everything.

        Raises:
            StorageError: the storage is in trouble, so that nothing can be told.
        """
        result = Verification()
        stored, ids = PathSet(), PathSet()
        all_known = True
        for found in self._shards():
            self._add_shard(found, result)
            ids.add(found.planned_ids)
            stored.add(found.stored_paths)
            all_known = all_known and found.stored_paths_known
            self.on_shard(found)
        repeated = ids.repeated()
        if repeated:
            result.plan_is_wrong = True
            self._add(result, Problem(ProblemKind.PLAN_DAMAGED, PLAN_FOLDER, f"{repeated:,} photos are there twice"))
        self._check_list(result)
        self._check_summary(result)
        # While it is not known what all shards may have stored, no photo is said to belong to nothing.
        for path in self._extra_files(stored if all_known and not repeated else None):
            self._add(result, Problem(ProblemKind.EXTRA, path))
        return result

    def _extra_files(self, stored: PathSet | None) -> Iterator[str]:
        """Files in the run's folders that belong to no shard; `stored` are the photos' files that may be there."""
        storage = self.folder.storage
        for name, path_of in ((PLAN_FOLDER, plan_path), (RESULTS_FOLDER, result_path)):
            own = PathSet(path_of(shard) for shard in range(self.run.shards))
            yield from own.missing(list(storage.list(name)))
        if stored is None:
            return
        paths = chain(storage.list(IMAGES_FOLDER), storage.list(PASSES_FOLDER))
        while batch := list(islice(paths, _PATHS_AT_ONCE)):
            yield from stored.missing(batch)

    def _shards(self) -> Iterator[ShardFindings]:
        with_images = self.run.config.get("output", {}).get("images") in ("parquet", "both")
        check = ShardCheck(self.folder, self.run, frozenset(self.folder.committed()), self.hashes)
        threads = _SHARDS_WITH_IMAGES_AT_ONCE if with_images else _SHARDS_AT_ONCE
        return in_threads(check.check, range(self.run.shards), threads=threads)

    def _add(self, result: Verification, problem: Problem) -> None:
        result.add(problem)
        self.on_problem(problem)

    def _add_shard(self, found: ShardFindings, result: Verification) -> None:
        result.shards += 1
        result.photos += found.photos
        result.failed += found.failed
        result.files += len(found.stored_paths) if not found.has(ProblemKind.RESULTS_MISSING) else 0
        result.bytes_read += found.bytes_read
        for problem in found.problems:
            self._add(result, problem)

    def _check_list(self, result: Verification) -> None:
        """The list of photos that a run over a folder keeps: its plan can be made again from nothing else."""
        if not self.run.lists_photos:
            return
        fingerprint = self.run.manifest_fingerprint
        problem = problem_of_kept_list(self.folder, fingerprint)
        if problem is not None:
            self._add(result, Problem(ProblemKind.PHOTO_LIST, photo_list_path(fingerprint), problem))

    def _check_summary(self, result: Verification) -> None:
        if result.counts[ProblemKind.RESULTS_MISSING] or result.counts[ProblemKind.RESULTS_DAMAGED]:
            return  # a run that is not complete has none, or one that says what was
        try:
            summary = read_json(self.folder.storage, SUMMARY_FILE)
        except NotFound:
            self._add(result, Problem(ProblemKind.SUMMARY, SUMMARY_FILE, "missing"))
            return
        except RunDamaged as error:
            self._add(result, Problem(ProblemKind.SUMMARY, SUMMARY_FILE, error.problem))
            return
        told, counted = (summary.get("photos"), summary.get("failed")), (result.photos, result.failed)
        if told != counted:
            detail = f"says {told[0]} photos, {told[1]} failed; the rows are {counted[0]:,} and {counted[1]:,}"
            self._add(result, Problem(ProblemKind.SUMMARY, SUMMARY_FILE, detail))
