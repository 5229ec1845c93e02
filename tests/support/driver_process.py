"""A driver in a process of its own: `python driver_process.py SETTINGS.json LOADERS [RAY_ADDRESS]`."""

import json
import logging
import sys
from pathlib import Path

import tiny_models

from pasd_batch.batch.driver.run import run_archive
from pasd_batch.config.run import RunSettings


def main():
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    settings = RunSettings.parse(json.loads(Path(sys.argv[1]).read_text()))
    report = run_archive(
        settings,
        ray_address=sys.argv[3] if len(sys.argv) > 3 else None,
        show_progress=False,
        resume_command="python driver_process.py ...",
        loaders=getattr(tiny_models, sys.argv[2]),
    )
    sys.stdout.write(f"{report.message}\n")
    sys.exit(report.exit_code)


if __name__ == "__main__":
    main()
