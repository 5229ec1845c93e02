r"""Restore test sets, score them and compare; submitted again, it goes on where it was.

    ray job submit --address http://127.0.0.1:8265 --working-dir . -- \
        python jobs/evaluate.py configs/evaluate.yaml [key=value ...]

The job succeeds when every set has its scores; docs/evaluation.md says what it leaves, docs/operations.md lists the
exit codes.
"""

import sys

from pasd_batch.cli.job import run_job

if __name__ == "__main__":
    sys.exit(run_job(__doc__, "evaluate"))
