"""`pasd-batch restore PHOTO... --output DIR`: a few local photos, without a manifest and without Ray."""

import argparse
import sys
from pathlib import Path
from typing import Any

from pasd_batch.batch.driver.interrupts import Interrupted, signals_as_interrupts
from pasd_batch.cli.errors import EXIT_FAILED_PHOTOS
from pasd_batch.config.manifest import Pages
from pasd_batch.config.photos import ImageFormat
from pasd_batch.config.restore import RestoreSettings
from pasd_batch.config.sampling import ColorFix
from pasd_batch.storage.printable import printable_line


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "restore",
        help="restore photos of this machine",
        description="Restore photos, those of folders into a tree like theirs. Without --base and --control the "
        "embedded model is used.",
    )
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="image files, folders of them, or globs such as 'scans/**/*.jpg'"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=_folder, metavar="DIR", help="folder for the restored photos"
    )
    parser.add_argument(
        "--format", choices=[each.value for each in ImageFormat], help="file format of restored photos (default png)"
    )
    parser.add_argument("--quality", type=int, help="of JPEG and WebP, 1 to 100 (default 95)")
    parser.add_argument(
        "--base", metavar="WEIGHTS", help="Stable Diffusion 1.5: a folder, hf://OWNER/NAME, s3://BUCKET/FOLDER ..."
    )
    parser.add_argument("--control", metavar="WEIGHTS", help="PASD with unet/ and controlnet/, named in the same ways")
    parser.add_argument("--allow-pickle", action="store_true", help="also read .bin weights")
    parser.add_argument("--scale", type=float, help="output size = input size x SCALE (default 2)")
    parser.add_argument("--steps", type=int, help="denoising steps (default 20, embedded model: its own)")
    parser.add_argument(
        "--guidance", type=float, help="classifier-free guidance (default 9, embedded model: its own; 1 or below: off)"
    )
    parser.add_argument("--seed", type=int, help="the same seed gives the same photo (default 0)")
    parser.add_argument("--prompt", help="what is to be seen on the photos")
    parser.add_argument(
        "--mask",
        metavar="PATH",
        help="the photo's mask: white is restored, black left as it is; or a folder of masks called as the photos are",
    )
    parser.add_argument(
        "--color-reference", metavar="FILE", help="a photo whose palette the results get, such as for faded prints"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: CUDA where there is one)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], help="precision of the networks")
    parser.add_argument(
        "--pages",
        choices=[each.value for each in Pages],
        default=Pages.FIRST.value,
        help="every: each page of a TIFF file, picture of an animation or of a burst by itself, as NAME-p0002 "
        "(default: first)",
    )
    parser.add_argument(
        "--skip-done",
        action="store_true",
        help="leave out photos whose results are there, later than they and made with the same settings and model",
    )
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
    if name == "-":
        raise argparse.ArgumentTypeError("photos do not go to standard output; name a folder (./- if it is called so)")
    return Path(name)


def run(options: argparse.Namespace) -> int:
    """Restore every photo; one that fails is named and does not stop the others."""
    from pasd_batch.batch.local.errors import RestorationStopped
    from pasd_batch.batch.local.restoring import restore_photos
    from pasd_batch.cli.restore_progress import ProgressBars

    settings = settings_from(options)
    sys.stderr.writelines(f"{printable_line(f'warning: {line}')}\n" for line in settings.cautions)
    code, bars, ended = 0, ProgressBars(), ""
    try:
        with signals_as_interrupts(), bars:
            restore_photos(
                options.photos,
                options.output,
                settings,
                on_progress=bars.show,
                skip_done=options.skip_done,
                color_reference=options.color_reference,
                masks=options.mask,
                pages=options.pages,
            )
    except RestorationStopped as stopped:
        ended = str(stopped)
    except Interrupted as interrupt:
        code, ended = 128 + interrupt.number, f"ended by {interrupt}; the photos that were restored are whole"
    if ended:
        sys.stderr.write(printable_line(ended) + "\n")
    if bars.photos or bars.skipped:  # else it was ended before it knew its photos
        skipped = f"; {bars.skipped} were done before" if bars.skipped else ""
        done = f"restored {bars.restored} of {bars.photos} photos into {options.output}{skipped}"
        sys.stdout.write(printable_line(done) + "\n")
    return code or (EXIT_FAILED_PHOTOS if bars.restored < bars.photos else 0)


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
            "color_fix": None if options.color_reference is None else ColorFix.REFERENCE.value,
        },
    }
    values: dict[str, Any] = {
        group: {name: value for name, value in members.items() if value is not None} for group, members in given.items()
    }
    file = {name: value for name in ("format", "quality") if (value := getattr(options, name)) is not None}
    values["output"] = {"file": file}
    return RestoreSettings.parse(values, source="command line", overrides=options.overrides)
