"""Evaluations that are real but for their networks, which are quick: loaders, a scorer, and features.

In a module of its own, because worker processes load them by name. As a program it is an evaluation in a process of its
own: `python tiny_evaluation.py SETTINGS.json LOADERS RAY_ADDRESS`.
"""

import json
import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from PIL import Image

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run import RunReport
from pasd_batch.batch.planning.checked_manifest import PathRules
from pasd_batch.batch.planning.shards import ShardLayout, cut_shards, planned_rows, write_shards
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.batch.worker.shard_worker import ShardWorker
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.cluster.datasets import rows_of_parts
from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.evaluation import evaluate as evaluate_module
from pasd_batch.evaluation import features, sets
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.evaluation.evaluate import evaluate
from pasd_batch.manifests.pieces import find_pieces
from pasd_batch.manifests.rows import read_rows
from pasd_batch.manifests.survey import merge_surveys, survey_piece
from pasd_batch.metrics.fidelity import enlarged_to, psnr
from pasd_batch.records import Score, ScoreColumn
from pasd_batch.runs.run_file import claim_run, describe_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.summary import summarize


class QuickScorer:
    """PSNR against the reference, and contrast in place of PIQE, under the names that the real scorer gives them."""

    columns = (
        ScoreColumn("piqe_before", higher_is_better=False),
        ScoreColumn("piqe_after", higher_is_better=False),
        ScoreColumn("psnr_before", higher_is_better=True),
        ScoreColumn("psnr", higher_is_better=True),
    )

    def score(self, photo, restored, reference):
        before = enlarged_to(photo, restored)
        return [
            Score("piqe_before", float(before.std())),
            Score("piqe_after", float(restored.std())),
            Score("psnr_before", psnr(before, reference)),
            Score("psnr", psnr(restored, reference)),
        ]


def load_scorer(settings):
    return QuickScorer()


def quick_features(picture):
    """Eight numbers of a picture, float32."""
    quarters = [part for half in np.array_split(picture, 2) for part in np.array_split(half, 2, axis=1)]
    return np.array([value for part in quarters for value in (part.mean(), part.std())], np.float32)


def load_features(settings):
    return quick_features


def load_no_features(settings):
    raise EvaluationError("the network is not here")


QUICK = ModelLoaders(tiny_models.load_restorer, load_scorer, tiny_models.fingerprint)
HELD = ModelLoaders(tiny_models.load_held_restorer, load_scorer, tiny_models.fingerprint)


def write_pairs(folder, count, *, side=32):
    """Pairs in the folders that the field uses: smooth noise at twice the size, and shrunk."""
    for name in ("test_LR", "test_HR"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        small = np.random.default_rng(number).integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
        truth = Image.fromarray(small).resize((side * 2, side * 2), Image.Resampling.BICUBIC)
        truth.save(folder / "test_HR" / f"{number:04d}.png")
        truth.resize((side, side), Image.Resampling.BOX).save(folder / "test_LR" / f"{number:04d}.png")
    return folder


def run_here(run_settings, *, loaders, **_):
    """Stands in for `run_archive`: the same run in this process, without Ray."""
    access = run_settings.storage
    (piece,) = find_pieces(run_settings.manifest, access)
    survey = merge_surveys([piece], [survey_piece(piece, run_settings.manifest.columns, access)])
    folder = RunFolder.open(run_settings.output.root, access)
    columns = tuple(loaders.scorer(run_settings).columns)
    described = describe_run(
        run_settings,
        manifest_fingerprint=survey.fingerprint,
        photos=survey.rows,
        model_fingerprint=loaders.fingerprint(run_settings),
        score_columns=columns,
    )
    run = claim_run(folder.storage, described)
    layout = ShardLayout(run_settings.shard_size, survey.extra, PathRules(survey.source_root, ".png"), survey.plan_key)
    tables = read_rows(piece, run_settings.manifest.columns, access)
    planned = (planned_rows(0, table, np.empty(0, np.int64), layout) for table in tables)
    if not folder.planned():
        write_shards(0, cut_shards(planned, run_settings.shard_size), folder.storage, survey.source_root)
    told = run_settings.model_copy(update={"storage": access.with_folders(survey.folders)})
    worker = ShardWorker(WorkerSpec(told, run.provenance, columns, survey.extra, loaders, survey.plan_key))
    for shard in range(run.shards):
        worker.run(shard)
    counts = summarize(folder, run)
    return RunReport(ExitCode.TOO_MANY_FAILURES if counts.failed else ExitCode.DONE, counts, "done")


@contextmanager
def without_ray():
    """Everything that evaluations hand to Ray is done in this process."""

    def pool(actor, arguments, numbers, _):
        worker = actor(*arguments)
        for number in numbers:
            yield {name: value for name, (value,) in worker({"number": np.array([number])}).items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_module, "ray_session", lambda address: nullcontext())
        patch.setattr(evaluate_module, "run_on_worker", lambda work, *given, settings, seconds: work(*given))
        patch.setattr(evaluate_module, "run_archive", run_here)
        patch.setattr(features, "run_in_pool", pool)
        patch.setattr(sets, "rows_of_parts", partial(rows_of_parts, here=True))
        yield


def main():
    settings = EvaluationSettings.parse(json.loads(Path(sys.argv[1]).read_text()))
    loaders = {"QUICK": QUICK, "HELD": HELD}[sys.argv[2]]
    report = evaluate(settings, ray_address=sys.argv[3], show_progress=False, loaders=loaders, network=load_features)
    sys.stdout.write(f"{report.message}\n")
    sys.exit(report.exit_code)


if __name__ == "__main__":
    # Workers import this module by its name, not as a program.
    import tiny_evaluation

    tiny_evaluation.main()
