"""`pasd-batch manifest SOURCE -o FILE`: list the photos of a folder, or those that failed in a run."""

import argparse
import sys
from typing import Any

from pasd_batch.cli.archive_options import add_storage_options, storage_settings_from
from pasd_batch.cli.errors import UsageError
from pasd_batch.config.manifest import Pages
from pasd_batch.config.storage import StorageSettings
from pasd_batch.storage.printable import printable, printable_line


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "manifest",
        help="list photos in a manifest",
        description="Write a manifest of a folder, prefix or glob of photos, or of the photos a run failed on, as "
        "Parquet or CSV.",
    )
    parser.add_argument("source", nargs="?", help="folder, prefix or glob of photos, local or s3://...")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="manifest to write (.parquet, .csv), local or s3://..."
    )
    parser.add_argument("--failures-of", metavar="RUN", help="instead: the photos that failed in this run")
    parser.add_argument("--sizes", action="store_true", help="read every photo's header, so that plan can count tiles")
    parser.add_argument(
        "--pages",
        choices=[each.value for each in Pages],
        default=Pages.FIRST.value,
        help="every: each page of a TIFF file, picture of an animation or of a burst is a photo of its own; files are "
        "opened to count them (default: first)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the manifest and say how many photos it has, and what was left out."""
    from pasd_batch.manifests.writing import refuse_folder, refuse_overwriting
    from pasd_batch.runs.failures import failures_of
    from pasd_batch.storage.storage import redact_uri

    if (options.source is None) == (options.failures_of is None):
        raise UsageError("name either a SOURCE of photos or --failures-of RUN")
    storage_settings = storage_settings_from(options)
    refuse_folder(options.output, storage_settings)
    if not options.overwrite:
        refuse_overwriting(options.output, storage_settings, remedy="--overwrite to replace it")
    if options.failures_of is None:
        photos, lines = _list_photos(options, storage_settings)
    else:
        failed = failures_of(options.failures_of, options.output, storage_settings)
        photos, lines = failed.photos, failed.notes
        if photos == 0:
            sys.stdout.write(printable(f"no photo has failed in {redact_uri(options.failures_of)}; nothing written\n"))
            return 0
    told = [f"{photos:,} photos listed in {redact_uri(options.output)}", *lines]
    sys.stdout.writelines(f"{printable_line(line)}\n" for line in told)
    return 0


def _list_photos(options: argparse.Namespace, storage_settings: StorageSettings) -> tuple[int, list[str]]:
    """Write the manifest of a SOURCE, with a bar on terminals while files are opened; photos, and lines for people."""
    from tqdm import tqdm

    from pasd_batch.manifests.allowed_folders import note_of_csv
    from pasd_batch.manifests.making import make_manifest
    from pasd_batch.manifests.writing import is_csv

    access, pages = storage_settings, Pages(options.pages)
    opens = options.sizes or pages is Pages.EVERY
    with tqdm(desc="opened", unit=" files", disable=None if opens else True, leave=False) as bar:

        def on_file(opened: int, found: int) -> None:
            bar.total = found
            bar.update(opened - bar.n)

        listed = make_manifest(
            options.source, options.output, access, measure=options.sizes, pages=pages, on_file=on_file
        )
    return listed.photos, [
        *listed.left_out.lines(),
        *(note_of_csv(options.output, listed.folder) if is_csv(options.output) else []),
    ]
