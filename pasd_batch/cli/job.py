"""Commands as scripts of their own, which `ray job submit` runs: see `jobs/`."""

import argparse
import sys

from pasd_batch.batch.worker.log_lines import LogFormat, log_as
from pasd_batch.cli.archive_options import add_log_format
from pasd_batch.cli.command_line import main


def run_job(description: str | None, command: str, *settings: str) -> int:
    """Run a command as `python SCRIPT CONFIG [key=value ...]`, as the command line would; its exit code.

    `settings` stand behind those that are given. What is done goes to the log, each line with its time.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a YAML file, such as those in configs/")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="settings that differ from the file's"
    )
    add_log_format(parser, default=LogFormat.TEXT.value)
    options = parser.parse_args()
    log_as(LogFormat(options.log_format), of_job=True)
    log_format = ["--log-format", options.log_format]
    return main([command, options.config, *options.overrides, *settings, *log_format], script=sys.argv[0])
