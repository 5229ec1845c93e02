"""Photos through a worker: loaded ahead of the model, stored behind it, one row out for every photo in."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from pasd_batch.batch.worker.batching import (
    LEAST_AHEAD,
    PATIENCE_SECONDS,
    holds_full_batch,
    photo_batch,
    take_batch,
)
from pasd_batch.batch.worker.describe_stage import DescribeStage
from pasd_batch.batch.worker.log_lines import log_context
from pasd_batch.batch.worker.model_stage import ModelStage
from pasd_batch.batch.worker.overlap import BoundedThreads, DeadlineExceeded, Failed, ReadAhead
from pasd_batch.batch.worker.photo_loader import FETCHING, MIB, LoadedPhoto, PhotoLoader
from pasd_batch.batch.worker.photo_state import PhotoState, StageFailed, failure_of
from pasd_batch.batch.worker.photo_store import PhotoStore
from pasd_batch.batch.worker.process_name import process_name
from pasd_batch.batch.worker.rows import Row, RowWriter
from pasd_batch.batch.worker.run_images import ImageFiles, RunImages
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.batch.worker.watchdog import process_ends_after
from pasd_batch.config.run import RunMode
from pasd_batch.errors import TroubleAroundPhotos
from pasd_batch.records import PhotoFailure, PhotoRecord, Stage, WorkOrigin
from pasd_batch.storage.errors import TransientStorageError
from pasd_batch.weights_by_name import on_this_machine

if TYPE_CHECKING:
    from pasd_batch.pasd.restorer import Restoration

_logger = logging.getLogger(__name__)

RowListener = Callable[[Row], None]
"""Told of every row as it is made."""


class QueueListener(Protocol):
    """Told how many photos are where."""

    def __call__(self, *, loading: int, ready: int, storing: int) -> None:
        """Photos that are being fetched and decoded, wait for the model, and are being encoded and stored."""
        ...


class ModelsUnavailable(TroubleAroundPhotos):
    """This process cannot load the models; the photos are not to blame."""


class PhotoPipeline:
    """The way of photos through one process, with the models that it holds.

    Restored photos become files in `files`, results of the passes before the last in `earlier`.
    """

    def __init__(
        self, spec: WorkerSpec, model: ModelStage, files: ImageFiles, earlier: Sequence[ImageFiles] = ()
    ) -> None:
        self._spec = spec
        self._model = model
        self._describer = DescribeStage(spec.settings, model.models.describers)
        self._loader = PhotoLoader(spec.settings)
        self._store = PhotoStore(spec, files, earlier)
        self._photo_batch = photo_batch(spec.settings)
        self.prefetch = spec.settings.workers.prefetch or max(LEAST_AHEAD, self._photo_batch)
        """Photos that are fetched and decoded ahead of the model, and as many encoded and stored behind it."""

    def run(
        self,
        records: Sequence[PhotoRecord],
        origin: WorkOrigin,
        listener: RowListener,
        on_queues: QueueListener = lambda **_: None,
    ) -> list[Row]:
        """The rows of all `records`, in their order.

        Raises:
            StorageError: the run's own storage is in trouble, which says nothing about the photos.
            ProcessPoisoned: this process can restore nothing any more.
        """
        writer = RowWriter(self._spec, origin)
        behind = self._behind()
        passage = _Passage(writer, self._describer, self._model, behind, listener)
        ahead = self._ahead([writer.begin(record) for record in records])
        while self._fill(ahead, self._photo_batch):
            on_queues(loading=len(ahead.threads), ready=len(ahead.ready), storing=len(behind))
            while ahead.failed:
                passage.fail_load(ahead.failed.popleft())
            if ahead.ready:
                batch = take_batch(ahead.ready, self._photo_batch)
                ahead.start_loads()
                passage.work_on(batch)
                del batch  # while the results of the last ones are stored, their photos need no memory
        passage.finish()
        on_queues(loading=0, ready=0, storing=0)
        return [passage.rows[record.row] for record in records]

    def _ahead(self, states: Sequence[PhotoState]) -> ReadAhead[PhotoState, LoadedPhoto]:
        settings = self._spec.settings
        loads = BoundedThreads(
            self._loader.load,
            limit=self.prefetch,
            seconds=settings.deadlines.fetch,
            what=FETCHING,
            setting="deadlines.fetch",
            waited=lambda state: state.waited,
        )
        max_weight = settings.workers.prefetch_mib * MIB
        return ReadAhead(loads, states, weight=lambda loaded: loaded.nbytes, max_weight=max_weight)

    def _fill(self, ahead: ReadAhead[PhotoState, LoadedPhoto], most: int) -> bool:
        with process_ends_after(self._spec.settings.deadlines.fetch):
            return ahead.fill(enough=lambda ready: holds_full_batch(ready, most), patience=PATIENCE_SECONDS)

    def _behind(self) -> BoundedThreads[LoadedPhoto, None]:
        settings = self._spec.settings
        return BoundedThreads(
            self._store.store,
            limit=self.prefetch,
            seconds=settings.deadlines.store,
            what="encoding and storing the photo",
            setting="deadlines.store",
            weight=lambda restored: restored.nbytes,
            max_weight=settings.workers.prefetch_mib * MIB,
        )


def load_pipeline(spec: WorkerSpec) -> PhotoPipeline:
    """A pipeline with models loaded from the run's settings.

    Raises:
        ModelsUnavailable: they cannot be loaded here, or are not those that the run began with.
    """
    begun_with = spec.provenance.model_fingerprint
    try:
        here = on_this_machine(spec.settings)
        models = spec.loaders.load(here)
        found = spec.loaders.fingerprint(here)
    except Exception as error:
        _logger.exception("the models cannot be loaded")
        raise ModelsUnavailable(f"{process_name()} cannot load the models: {error}") from error
    if found != begun_with:
        raise ModelsUnavailable(
            f"{process_name()} has other weights ({found}) than the run began with ({begun_with}); "
            "give all machines the same model folders"
        )
    images = RunImages(spec.folder().storage)
    earlier = [images.of_pass(number + 1) for number in range(spec.settings.stored_passes)]
    return PhotoPipeline(spec, ModelStage(spec.settings, models), images, earlier)


class _Passage:
    """One run of photos through a pipeline, and the rows it has made so far."""

    def __init__(
        self,
        writer: RowWriter,
        describer: DescribeStage,
        model: ModelStage,
        behind: BoundedThreads[LoadedPhoto, None],
        listener: RowListener,
    ) -> None:
        self.rows: dict[int, Row] = {}
        self._writer = writer
        self._describer = describer
        self._model = model
        self._behind = behind
        self._listener = listener

    def fail_load(self, failed: Failed[PhotoState]) -> None:
        """Make the row of a photo that could not be loaded."""
        self._end(failed.item, _failure(failed, failed.item))

    def work_on(self, batch: Sequence[LoadedPhoto]) -> None:
        """Describe, restore and score loaded photos, as the run does, and let threads store them."""
        with log_context(photo=_names_of(batch)):
            self._describer.describe(batch)
        if not self._writer.spec.restores:
            for loaded in batch:
                with log_context(photo=loaded.state.record.photo_id):
                    self._end_as_it_is(loaded)
            return
        with log_context(photo=_names_of(batch), stage=Stage.RESTORE.value):
            outcomes = self._model.restore(batch)
        for loaded, outcome in zip(batch, outcomes, strict=True):
            with log_context(photo=loaded.state.record.photo_id):
                if isinstance(outcome, PhotoFailure):
                    self._end(loaded.state, outcome)
                else:
                    self._store_and_score(loaded, outcome)
        self._collect(within=0.0)

    def finish(self) -> None:
        """Wait until everything is stored."""
        while len(self._behind):
            self._collect(within=math.inf)

    def _end_as_it_is(self, loaded: LoadedPhoto) -> None:
        if self._writer.spec.settings.mode is RunMode.DESCRIBE:
            loaded.state.row.prompt_used = self._model.prompt(loaded)
        self._model.score(loaded, None)
        self._end(loaded.state)

    def _store_and_score(self, loaded: LoadedPhoto, restoration: Restoration) -> None:
        try:
            with loaded.state.through(Stage.ENCODE):
                *earlier, photo = self._model.photos_of(loaded, restoration)
        except StageFailed as failed:
            self._end(loaded.state, failed.failure)
            return
        while self._behind.full:
            self._collect(within=math.inf)
        self._behind.start(LoadedPhoto(loaded.state, photo, earlier=tuple(earlier)))
        self._model.score(loaded, photo)

    def _collect(self, *, within: float) -> None:
        with process_ends_after(self._behind.seconds):
            outcomes = self._behind.finished(within=within)
        for outcome in outcomes:
            state = outcome.item.state
            self._end(state, _failure(outcome, state) if isinstance(outcome, Failed) else None)

    def _end(self, state: PhotoState, failure: PhotoFailure | None = None) -> None:
        row = self.rows[state.record.row] = self._writer.end(state, failure)
        self._listener(row)


def _failure(failed: Failed, state: PhotoState) -> PhotoFailure:
    """The photo's own failure; raises what is none, among it the run's storage being slow beyond all patience."""
    match failed.error:
        case StageFailed() as error:
            return error.failure
        case DeadlineExceeded() as error if state.stage is Stage.STORE:
            raise TransientStorageError(str(error)) from error
        case DeadlineExceeded() as error:
            return failure_of(state.stage, error)
        case error:
            raise error


def _names_of(batch: Sequence[LoadedPhoto]) -> str | list[str]:
    """The photo's id, or those of several, as log lines name what they are about."""
    names = [loaded.state.record.photo_id for loaded in batch]
    return names[0] if len(names) == 1 else names
