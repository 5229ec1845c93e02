"""Which photos `pasd-batch restore` works on, and which file each one becomes."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pasd_batch.cli.errors import UsageError
from pasd_batch.data.local_files import LONGEST_PATH
from pasd_batch.data.redaction import redact_uri

PhotoFile = tuple[Path, Path]
"""A photo, and its path below the output folder; that of a photo in a given folder is its path below that one."""


def find_photos(given: Sequence[str], output: Path) -> tuple[list[PhotoFile], list[str]]:
    """The files given, and all photos below the folders given, in order; and what was left out of those, a line each.

    Hidden files and folders, links to folders, what cannot be read, and `output` are no part of a folder.

    Raises:
        UsageError: a URI is given, a folder has no photos or itself cannot be read, or there is no photo at all.
    """
    photos: list[PhotoFile] = []
    notes: list[str] = []
    for name in given:
        if "://" in name:
            raise UsageError(
                f"{redact_uri(name)}: restore takes files and folders of this machine; for other places list them with "
                "pasd-batch manifest, and restore them with pasd-batch run"
            )
        path = Path(name)
        if not os.path.isdir(path):
            photos.append((path, Path(path.name)))
            continue
        found, left_out = _photos_below(path, output)
        photos.extend((file, file.relative_to(path)) for file in found)
        notes.extend(f"{path}: {line}" for line in left_out)
    if not any(os.path.isfile(photo) for photo, _ in photos):
        raise UsageError(f"{', '.join(given)}: no such file; check the path")
    return photos, notes


def plan_targets(photos: Sequence[PhotoFile], output: Path) -> dict[Path, Path]:
    """The output file of each photo: `photo.png`, or `photo.jpg.png` where two photos differ in their suffix only.

    Raises:
        UsageError: one is given twice, two share their whole name, one would be overwritten, or a name is too long.
    """
    sources = {photo.resolve() for photo, _ in photos}
    stems = Counter(str(place.with_suffix("")).casefold() for _, place in photos)
    longest = _longest_name(output)
    targets: dict[Path, Path] = {}
    planned: set[Path] = set()
    for photo, place in photos:
        shared = stems[str(place.with_suffix("")).casefold()] > 1
        target = output / (place.with_name(f"{place.name}.png") if shared else place.with_suffix(".png"))
        if target.resolve() in sources:
            raise UsageError(f"{photo}: its result would replace the photo {target}; choose another --output")
        if target in planned or photo in targets:
            raise UsageError(f"{photo}: another photo of the same name is restored into {target}; call them separately")
        _refuse_long_name(photo, target, longest)
        targets[photo] = target
        planned.add(target)
    return targets


def _longest_name(output: Path) -> int:
    """Most bytes of a file's name where `output` lies or will lie."""
    if not hasattr(os, "pathconf"):
        return 255
    return os.pathconf(_existing(output), "PC_NAME_MAX")


def _existing(output: Path) -> Path:
    return next(path for path in (output, *output.absolute().parents) if os.path.exists(path))


def _refuse_long_name(photo: Path, target: Path, longest: int) -> None:
    """Find before the model runs what would otherwise fail when its work is written."""
    name, path = os.fsencode(target.name), os.fsencode(target.absolute())
    if len(name) > longest or len(path) > LONGEST_PATH:
        raise UsageError(
            f"{photo}: its result {target} would have a name of {len(name):,} bytes (at most {longest}) in a path of "
            f"{len(path):,} (at most {LONGEST_PATH:,}); rename the photo, or choose another --output"
        )


def refuse_no_folder(output: Path) -> None:
    """Make sure that `output` is a folder or can become one, before a model is loaded for it.

    Raises:
        UsageError: a file is in its place or on the way to it.
    """
    existing = _existing(output)
    if not existing.is_dir():
        raise UsageError(f"--output {output}: {existing} is a file; name a folder")


def _photos_below(folder: Path, output: Path) -> tuple[list[Path], list[str]]:
    """The photos in order, and what was left out, a line each."""
    from pasd_batch.config.storage import StorageSettings
    from pasd_batch.data.listing import ending_of, find_files, is_image
    from pasd_batch.data.storage_errors import StorageError

    top, results = folder.resolve(), output.resolve()
    try:
        listed = find_files(str(folder), StorageSettings())
        names = sorted(map(listed.name, listed.uris))
    except StorageError as error:
        raise UsageError(f"{folder}: cannot be read: {error}") from error
    found: list[Path] = []
    for name in names:
        if top in results.parents and results in (top / name).parents:
            continue
        if is_image(name):
            found.append(folder / name)
        else:
            listed.left_out.endings[ending_of(name)] += 1
    left_out = listed.left_out.lines()
    if not found:
        why = "".join(f"; {line}" for line in left_out)
        raise UsageError(f"{folder}: no photos in this folder; check the path{why}")
    return found, left_out
