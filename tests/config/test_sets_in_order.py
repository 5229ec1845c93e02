import json
import os
import subprocess
import sys

WRITE = """
from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.training import TrainingSettings

without = TrainingSettings.model_construct(without=frozenset(["paca", "degradation_removal", "adjustable_noise"]))
print(without.model_dump_json(include={"without"}), StorageSettings().model_dump_json(), sep="\\n")
"""


def test_sets_are_written_alike_by_every_process():
    """Python orders a set by hashes that are others in every process; what is stored is compared later."""
    written = {
        subprocess.run(
            [sys.executable, "-c", WRITE],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    (text,) = written
    without, storage = (json.loads(line) for line in text.splitlines())
    assert without["without"] == ["adjustable_noise", "degradation_removal", "paca"]
    assert storage["allowed_schemes"] == sorted(storage["allowed_schemes"])
