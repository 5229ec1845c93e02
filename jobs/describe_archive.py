r"""Write a manifest with prompts from what is in an archive's photos; submitted again, it resumes where it was.

    ray job submit --address http://127.0.0.1:8265 --working-dir . -- \
        python jobs/describe_archive.py configs/describe.yaml [key=value ...]

The job succeeds when every photo has its row and few enough failed; docs/operations.md lists the exit codes.
"""

import argparse
import sys

from pasd_batch.batch.driver.run import run_from_config

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a YAML file, such as those in configs/")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that differ from the file's")
    parser.add_argument("--log-format", choices=("text", "json"), default="text", help="json: an object a line")
    options = parser.parse_args()
    sys.exit(run_from_config(options.config, [*options.overrides, "mode=describe"], log_format=options.log_format))
