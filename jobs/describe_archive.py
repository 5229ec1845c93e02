r"""Write a manifest with prompts from what is in an archive's photos; submitted again, it resumes where it was.

    ray job submit --address http://127.0.0.1:8265 --working-dir . -- \
        python jobs/describe_archive.py configs/describe.yaml [key=value ...]

The job succeeds when every photo has its row and few enough failed; docs/operations.md lists the exit codes.
"""

import sys

from pasd_batch.cli.job import run_job

if __name__ == "__main__":
    sys.exit(run_job(__doc__, "run", "mode=describe"))
