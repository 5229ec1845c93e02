"""`pasd-batch restore PHOTO... --output DIR`: a few local photos, without a manifest and without Ray."""

import argparse
import hashlib
import logging
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from pasd_batch import __version__
from pasd_batch.cli.errors import EXIT_FAILED_PHOTOS, UsageError
from pasd_batch.cli.restore_targets import find_photos, plan_targets, refuse_no_folder
from pasd_batch.config.base import ConfigError, with_overrides
from pasd_batch.config.photos import DecodeLimits, OutputSettings
from pasd_batch.config.restoration import RestorationSettings, RestoreSettings
from pasd_batch.photos.limits import check_file_size
from pasd_batch.storage.errors import StorageError, StorageFull, TransientStorageError, classify
from pasd_batch.storage.printable import printable_line

if TYPE_CHECKING:
    from pasd_batch.pasd.restorer import Restorer
    from pasd_batch.photos.photo_io import Photo, PhotoDecoder, RestorationMarker

logger = logging.getLogger(__name__)


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "restore",
        help="restore photos of this machine",
        description="Restore photos to PNG files, those of folders into a tree like theirs. Without --base and "
        "--control the embedded model is used.",
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="image files, or folders of them")
    parser.add_argument("--output", required=True, type=_folder, metavar="DIR", help="folder for the restored photos")
    parser.add_argument("--base", metavar="DIR", help="Stable Diffusion 1.5 folder")
    parser.add_argument("--control", metavar="DIR", help="PASD folder with unet/ and controlnet/")
    parser.add_argument("--allow-pickle", action="store_true", help="also read .bin weights")
    parser.add_argument("--scale", type=float, help="output size = input size x SCALE (default 2)")
    parser.add_argument("--steps", type=int, help="denoising steps (default 20, embedded model: its own)")
    parser.add_argument(
        "--guidance", type=float, help="classifier-free guidance (default 9, embedded model: its own; 1 or below: off)"
    )
    parser.add_argument("--seed", type=int, help="the same seed gives the same photo (default 0)")
    parser.add_argument("--prompt", help="what is to be seen on the photos")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: CUDA where there is one)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], help="precision of the networks")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="any other setting, such as sampling.color_fix=adain; may be repeated",
    )
    parser.set_defaults(run=run)


def _folder(name: str) -> Path:
    if not name or "://" in name:
        raise argparse.ArgumentTypeError("a folder of this machine is needed, not a URI" if name else "an empty name")
    return Path(name)


def run(options: argparse.Namespace) -> int:
    """Restore every photo; one that fails is named and does not stop the others."""
    from pasd_batch.photos.photo_io import PhotoDecoder

    settings = settings_from(options)
    photos, notes = find_photos(options.photos, options.output)
    targets = plan_targets(photos, options.output)
    refuse_no_folder(options.output)
    sys.stderr.writelines(f"{printable_line(note)}\n" for note in notes)
    restorer = _load(RestorationSettings(model=settings.model, sampling=settings.sampling))
    read = partial(read_photo, PhotoDecoder(), settings.limits)
    make_folder(options.output)
    failed = _restore_all(restorer, read, targets)
    done = f"restored {len(targets) - failed} of {len(targets)} photos into {options.output}"
    sys.stdout.write(printable_line(done) + "\n")
    return EXIT_FAILED_PHOTOS if failed else 0


def _restore_all(restorer: "Restorer", read: "Callable[[Path], Photo]", targets: Mapping[Path, Path]) -> int:
    """The number of photos without a result. A disk that is full or in trouble ends it: it is so for all others."""
    failed = 0
    for number, (source, target) in enumerate(targets.items()):
        try:
            problem = _why_not(restorer, read, source, target)
        except (StorageFull, TransientStorageError) as error:
            left = len(targets) - number
            told = f"{error}; photos that are not restored for this: {left}, beginning with {source}"
            sys.stderr.write(printable_line(told) + "\n")
            return failed + left
        if problem is not None:
            failed += 1
            sys.stderr.write(printable_line(f"{source}: {problem}") + "\n")
    return failed


def settings_from(options: argparse.Namespace) -> RestoreSettings:
    """The options that were given, over the defaults.

    Raises:
        ConfigError: an option's value is out of range, or an override names no setting.
    """
    given = {
        "model": {
            "base": options.base,
            "control": options.control,
            "device": options.device,
            "dtype": options.dtype,
            "allow_pickle": options.allow_pickle or None,
        },
        "sampling": {
            "scale": options.scale,
            "steps": options.steps,
            "guidance_scale": options.guidance,
            "seed": options.seed,
            "prompt": options.prompt,
            "tiling": {"fill_batches": False},
        },
    }
    values = {group: {k: v for k, v in members.items() if v is not None} for group, members in given.items()}
    return RestoreSettings.parse(with_overrides(values, options.overrides, RestoreSettings), source="command line")


def read_photo(decoder: "PhotoDecoder", limits: DecodeLimits, source: Path) -> "Photo":
    """Read and decode a file that is within the limits."""
    check_file_size(source.stat().st_size, limits)
    return decoder.decode(source.read_bytes(), limits=limits)


def restore_file(restorer: "Restorer", read: "Callable[[Path], Photo]", source: Path, target: Path) -> str | None:
    """Restore one photo, which `read` decodes, from file to file; returns why that was not possible, or None.

    Raises:
        StorageFull, TransientStorageError: no result can be stored for now, which says nothing about this photo.
    """
    from pasd_batch.photos.photo_io import PhotoError, encode_photo, to_tensor, with_restored_image
    from pasd_batch.records import PhotoFailure

    if not os.path.isfile(source):
        return "no such file; check the path"
    try:
        photo = read(source)
    except (PhotoError, OSError) as error:
        return str(error)
    warnings = list(photo.warnings)
    sampling = restorer.settings.sampling
    with tqdm(desc=printable_line(source.name), unit="step", leave=False, disable=None) as bar:

        def show(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        (outcome,) = restorer.restore(
            [to_tensor(photo)], prompts=[sampling.prompt], seeds=[sampling.seed], on_step=show
        )
    if isinstance(outcome, PhotoFailure):
        return outcome.message
    logger.info("%s: %s", source, outcome.report)
    restored = with_restored_image(photo, outcome.image, colorized=sampling.colorize)
    try:
        marker = _marker(restorer.settings)
        write_whole(target, encode_photo(restored, settings=OutputSettings(), marker=marker, warn=warnings.append))
    except (StorageFull, TransientStorageError):
        raise
    except (PhotoError, StorageError) as error:
        return str(error)
    finally:
        for message in warnings:
            sys.stderr.write(printable_line(f"{source}: warning: {message}") + "\n")
    return None


def write_whole(target: Path, data: bytes) -> None:
    """Write a file so that it is never seen half written.

    Raises:
        StorageError: it cannot be written.
    """
    # Short, because the target's own name may be as long as the file system allows.
    unfinished = target.with_name(f".{uuid.uuid4().hex}.pasd-partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(data)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise classify(error, str(target)) from None


def _why_not(restorer: "Restorer", read: "Callable[[Path], Photo]", source: Path, target: Path) -> str | None:
    """`restore_file`, where what nobody expected, such as too little memory, is a problem of this photo alone."""
    try:
        return restore_file(restorer, read, source, target)
    except (StorageFull, TransientStorageError):
        raise
    except Exception as error:
        logger.exception("%s: failed unexpectedly", source)
        return f"{type(error).__name__}: {error}; the log has the traceback"


def make_folder(output: Path) -> None:
    """Make a folder for results.

    Raises:
        UsageError: that is not possible.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {output}: {error}; name a folder that can be written") from error


def _load(settings: RestorationSettings) -> "Restorer":
    from pasd_batch.pasd.restorer import Restorer
    from pasd_batch.pasd.state_dict import CheckpointError

    try:
        return Restorer.from_settings(settings)
    except (CheckpointError, ValueError) as error:
        raise ConfigError(str(error)) from error


def _marker(settings: RestorationSettings) -> "RestorationMarker":
    from pasd_batch.photos.photo_io import RestorationMarker

    control = settings.model.control
    return RestorationMarker(
        software=f"pasd_batch {__version__}",
        model="pasd-tiny" if control is None else f"PASD {Path(control).name}",
        config_fingerprint=hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16],
    )
