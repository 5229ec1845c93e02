"""`pasd-batch demo`: restore and score photos that scikit-image ships, on this machine, in a few minutes.

The photos are degraded by the training chain, so that there is something to restore and an original to compare with.
"""

import argparse
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pasd_batch.cli.driving import supervise
from pasd_batch.cli.errors import UsageError
from pasd_batch.config.base import load_yaml
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings

CONFIG = str(Path(__file__).with_name("demo.yaml"))
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "camera", "coins")
SIDE = 256
"""Longest side of the originals in pixels; the photos to restore have half of it."""

UNTRAINED = """
This version of pasd_batch has no trained embedded model, so the demonstration runs on random weights:
it shows the machinery - restored files, rows, scores, resuming - and the pictures it makes are noise.
"""


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo", help="restore and score a few sample photos", description=__doc__
    )
    parser.add_argument("--config", default=CONFIG, help="settings of the run (default: the package's demo.yaml)")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where everything goes (default demo/)")
    parser.set_defaults(run=run, supervise=supervise)


def run(options: argparse.Namespace) -> int:
    """Make the photos, run the batch job on them, and say where everything is."""
    from pasd_batch.batch.driver.run import run_archive
    from pasd_batch.report.run_report import write_report
    from pasd_batch.runs.layout import IMAGES_FOLDER, RESULTS_FOLDER

    started = time.monotonic()
    folder: Path = Path(os.path.expanduser(options.folder))
    make_photos(folder)
    overrides = [f"manifest.path={folder / 'manifest.parquet'}", f"output.root={folder / 'run'}", *model(folder)]
    overrides += metrics()
    settings = RunSettings.parse(load_yaml(options.config), source=options.config, overrides=overrides)
    report = run_archive(settings, resume_command="pasd-batch demo")
    sys.stdout.write(f"{report.message}\n")
    if report.counts is None:
        return report.exit_code
    written = write_report(str(folder / "run"), StorageSettings())
    root = folder / "run"
    lines = [f"restored photos:  {root / IMAGES_FOLDER}", f"Parquet rows:     {root / RESULTS_FOLDER}"]
    lines += [f"report:           {path}" for path in reversed(written)]  # the page last, which is to be looked at
    lines.append(f"{time.monotonic() - started:.0f} seconds in all; open the last of these in a browser")
    sys.stdout.write("\n".join(lines) + "\n")
    return report.exit_code


def make_photos(folder: Path) -> None:
    """Write originals, degraded photos and their manifest, if they are not there yet.

    Raises:
        UsageError: scikit-image is not installed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if (folder / "manifest.parquet").exists():
        return
    for part in ("photos", "originals"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(PHOTOS):
        _make_photo(name, folder, seed=number)
    rows = [
        {"id": name, "uri": f"photos/{name}.jpg", "reference_uri": f"originals/{name}.png", "source": "scikit-image"}
        for name in PHOTOS
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "manifest.parquet")


def _make_photo(name: str, folder: Path, *, seed: int) -> None:
    from PIL import Image

    try:
        from skimage import data
    except ModuleNotFoundError:
        raise UsageError('the demo takes its photos from scikit-image: pip install "pasd-batch[demo]"') from None
    original = Image.fromarray(getattr(data, name)()).convert("RGB")
    original.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    original = original.crop((0, 0, original.width // 2 * 2, original.height // 2 * 2))
    original.save(folder / "originals" / f"{name}.png")
    _degraded(original, seed=seed).save(folder / "photos" / f"{name}.jpg", quality=90)


def _degraded(original: Any, *, seed: int) -> Any:
    import numpy as np
    import torch
    from PIL import Image

    from pasd_batch.config.degradation import RealEsrganSettings
    from pasd_batch.degradation.chain import degrade_photo

    pixels = torch.from_numpy(np.asarray(original, dtype=np.float32) / 255).permute(2, 0, 1)
    degraded = degrade_photo(pixels, seed=seed, settings=RealEsrganSettings(strength=0.5))
    levels = degraded.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(levels).resize((original.width // 2, original.height // 2), Image.Resampling.BOX)


def metrics() -> list[str]:
    """Overrides for the metrics: none, but where pyiqa is not installed no metrics, and a word about it."""
    if find_spec("pyiqa") is not None:
        return []
    sys.stdout.write('without scores, as pyiqa is not installed: pip install "pasd-batch[metrics]"\n')
    return ["metrics.no_reference=[]", "metrics.full_reference=[]"]


def model(folder: Path) -> list[str]:
    """Overrides for the model: none where it is embedded, else one with random weights, and a word about it."""
    from pasd_batch.config.embedded_model import EMBEDDED_MODEL
    from pasd_batch.pasd.untrained import TINY, save_untrained

    if EMBEDDED_MODEL.is_dir():
        return []
    sys.stdout.write(f"{UNTRAINED}\n")
    untrained = folder / "untrained-model"
    if not untrained.is_dir():
        save_untrained(untrained, TINY, seed=0)
    return [f"restoration.model.base={untrained}", f"restoration.model.control={untrained}"]
