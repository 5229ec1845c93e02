"""An evaluation from its settings to its pages; killed anywhere, the same call goes on.

Pairs, then a run for each variant, then features for metrics of sets, then the tables. Each leaves what it has made in
the evaluation's folder (`layout.py`), whole or not at all, and takes what is there.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.interrupts import Interrupted, signals_as_interrupts
from pasd_batch.batch.driver.preflight import WORKER_SECONDS
from pasd_batch.batch.driver.run import run_archive
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.cluster.session import no_place, ray_session, run_on_worker
from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.errors import PasdBatchError, TroubleAroundPhotos
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.evaluation.features import (
    ENLARGED,
    TRUTHS,
    FeaturePart,
    NetworkLoader,
    Picture,
    load_network,
    make_features,
    parts_of,
)
from pasd_batch.evaluation.layout import feature_path
from pasd_batch.evaluation.outcome import Outcome, SetOutcome
from pasd_batch.evaluation.pages import write_pages
from pasd_batch.evaluation.protocols import Protocol, protocol_of
from pasd_batch.evaluation.scores import MethodScores, add_set_metrics, scores_of_run, source_of
from pasd_batch.evaluation.sets import PhotoPair, photo_pairs
from pasd_batch.evaluation.variant_runs import run_root, run_settings
from pasd_batch.runs.run_folder import open_run
from pasd_batch.storage.storage import Storage

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationReport:
    """End of an evaluation."""

    exit_code: ExitCode
    message: str
    outcome: Outcome | None = None


def evaluate(
    settings: EvaluationSettings,
    *,
    ray_address: str | None = None,
    show_progress: bool = True,
    resume_command: str = "the same command",
    loaders: ModelLoaders | None = None,
    network: NetworkLoader = load_network,
) -> EvaluationReport:
    """Begin an evaluation, or go on with it; the exit codes are those of a run."""
    try:
        protocol_of(settings)  # a mistake in it is told before Ray starts
        with signals_as_interrupts(), ray_session(ray_address), signals_as_interrupts():
            evaluation = _Evaluation(_with_absolute_weights(settings), loaders, network)
            return evaluation.run(show_progress=show_progress, resume=resume_command)
    except Interrupted as interrupt:
        message = f"ended by {interrupt}; everything done is kept, {resume_command} goes on"
        return EvaluationReport(ExitCode(128 + interrupt.number), message)
    except TroubleAroundPhotos as error:
        return EvaluationReport(ExitCode.INCOMPLETE, f"{error}\n{resume_command} goes on")
    except PasdBatchError as error:
        return EvaluationReport(ExitCode.CANNOT_START, str(error))
    except Exception as error:
        _logger.exception("the evaluation ended unexpectedly")
        return EvaluationReport(ExitCode.INCOMPLETE, f"{type(error).__name__}: {error}\n{resume_command} goes on")


@dataclass(frozen=True)
class _Evaluation:
    """An evaluation with what loads its networks in workers. Ray must be running."""

    settings: EvaluationSettings
    loaders: ModelLoaders | None
    network: NetworkLoader

    def run(self, *, show_progress: bool, resume: str) -> EvaluationReport:
        """Do all that is not done yet, and write the pages."""
        settings = self.settings
        protocol = protocol_of(settings)
        storage = Storage.open(settings.output, settings.storage)
        if protocol.of_sets:
            self._try_network()
        pairs = photo_pairs(settings, storage)
        for number, variant in enumerate(settings.all_variants):
            _logger.info("variant %d of %d: %s", number + 1, len(settings.all_variants), variant.name)
            report = run_archive(
                run_settings(variant, settings, protocol, storage, pairs),
                show_progress=show_progress,
                resume_command=resume,
                loaders=self.loaders,
            )
            if report.exit_code is not ExitCode.DONE:
                return EvaluationReport(report.exit_code, f"{variant.name}: {report.message}")
        outcome = self._outcome(protocol, storage, pairs)
        return EvaluationReport(ExitCode.DONE, "\n".join(write_pages(outcome, storage)), outcome)

    def _try_network(self) -> None:
        """Make sure that workers can load the network for metrics of sets, before hours are spent on restoring."""
        workers = self.settings.workers
        try:
            problem = run_on_worker(_problem_of, self.network, self.settings, settings=workers, seconds=WORKER_SECONDS)
        except TimeoutError:
            raise EvaluationError(no_place(workers)) from None
        if problem:
            raise EvaluationError(f"{problem}; or leave such metrics out: without: [fid]")

    def _outcome(self, protocol: Protocol, storage: Storage, pairs: Sequence[PhotoPair]) -> Outcome:
        """The scores of the runs, which are complete; features for metrics of sets are made where they are missing."""
        settings = self.settings
        methods: list[dict[str, MethodScores]] = []
        enlarged: dict[str, MethodScores] = {}
        higher: dict[str, bool] = {}
        for variant in settings.all_variants:
            run = open_run(run_root(storage, variant.name), settings.storage)
            ours, plain, directions = scores_of_run(run, variant.name, protocol)
            methods.append(ours)
            enlarged, higher = enlarged or plain, higher | directions
        if protocol.of_sets:
            make_features(_feature_parts(pairs, methods), settings, storage, self.network)
            for scores in (*methods, enlarged):
                source = source_of(next(iter(scores.values())).method)
                add_set_metrics(scores, source, pairs, storage, protocol.of_sets)
        sets = [
            SetOutcome(each.name, [scores[each.name] for scores in methods], enlarged[each.name])
            for each in settings.sets
        ]
        points = {variant.name: variant.point for variant in settings.all_variants}
        return Outcome(settings, protocol, sets, higher, points)


def _with_absolute_weights(settings: EvaluationSettings) -> EvaluationSettings:
    """The settings with a local folder of weights resolved here, because workers may run in another folder."""
    folder = settings.metrics.weights_dir
    if not isinstance(folder, Path):
        return settings
    metrics = settings.metrics.model_copy(update={"weights_dir": folder.expanduser().absolute()})
    return settings.model_copy(update={"metrics": metrics})


def _feature_parts(pairs: Sequence[PhotoPair], methods: Sequence[Mapping[str, MethodScores]]) -> list[FeaturePart]:
    """Parts of the true photos, of plainly enlarged inputs, and of every variant's results."""
    parts = []
    for test_set, groups in parts_of(pairs).items():
        for number, group in enumerate(groups):
            truths = tuple(Picture(pair.name, pair.truth) for pair in group)
            enlarged = tuple(Picture(pair.name, pair.uri, pair.truth) for pair in group)
            parts.append(FeaturePart(feature_path(TRUTHS, test_set, number), truths))
            parts.append(FeaturePart(feature_path(ENLARGED, test_set, number), enlarged))
            for scores in methods:
                ours = scores[test_set]
                done = [pair.name for pair in group if pair.name in ours.results]
                results = tuple(Picture(name, ours.results[name]) for name in done)
                if results:
                    parts.append(FeaturePart(feature_path(source_of(ours.method), test_set, number), results))
    return parts


def _problem_of(load: NetworkLoader, settings: EvaluationSettings) -> str:
    try:
        load(settings)
    except PasdBatchError as error:
        return str(error)
    return ""
