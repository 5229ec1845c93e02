"""An evaluation's outcome whose scores are made up."""

import numpy as np

from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.evaluation.outcome import Outcome, SetOutcome
from pasd_batch.evaluation.protocols import protocol_of
from pasd_batch.evaluation.scores import MethodScores

HIGHER = {"psnr_ycbcr": True, "niqe": False, "grid_flat": False}


def method(name, psnr, niqe, fid=None, photos=("a", "b")):
    values = {"psnr_ycbcr": list(psnr), "niqe": list(niqe)}
    return MethodScores(name, photos=list(photos), seconds=[2.0] * len(photos), values=values, of_set={"fid": fid})


OURS = method("ours", (22.0, 24.0), (4.0, 5.0), 30.0)
PLAIN = method("plain", (21.0, 23.5), (3.0, np.nan), 40.0)


def made_up_outcome():
    """An evaluation along alpha_a, on a set that others have published rows of."""
    settings = EvaluationSettings.parse(
        {
            "output": "out",
            "sets": [{"name": "DIV2K-val", "pairs": "/data"}],
            "grid": {"sampling.alpha_a": [0.0, 0.25, 1.0]},
        }
    )
    names = [variant.name for variant in settings.all_variants]
    variants = [method(name, (20.0 + number, 22.0), (6.0, 7.0 - number), 30.0) for number, name in enumerate(names)]
    points = {variant.name: variant.point for variant in settings.all_variants}
    return Outcome(settings, protocol_of(settings), [SetOutcome("DIV2K-val", variants, PLAIN)], HIGHER, points)
