r"""Train a model on the workers of a cluster; submitted again, it resumes where it was.

    ray job submit --address http://127.0.0.1:8265 --working-dir . -- \
        python jobs/train.py configs/train_realisr.yaml [key=value ...]

The job succeeds when the last step is done; docs/training.md says what it leaves and lists the exit codes.
"""

import sys

from pasd_batch.cli.job import run_job

if __name__ == "__main__":
    sys.exit(run_job(__doc__, "train"))
