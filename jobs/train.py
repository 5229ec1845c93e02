r"""Train a model on the workers of a cluster; submitted again, it resumes where it was.

    ray job submit --address http://127.0.0.1:8265 --working-dir . -- \
        python jobs/train.py configs/train_realisr.yaml [key=value ...]

The job succeeds when the last step is done; docs/training.md says what it leaves and lists the exit codes.
"""

import argparse
import sys

from pasd_batch.cli import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a YAML file, such as those in configs/")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that differ from the file's")
    options = parser.parse_args()
    sys.exit(main(["--verbose", "train", options.config, *options.overrides]))
