"""Targets of `pasd-batch restore`: the photos, and the file that each one becomes."""

import mmap
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pasd_batch.cli.errors import UsageError
from pasd_batch.storage.local_files import LONGEST_PATH
from pasd_batch.storage.redaction import lacks_slashes, redact_uri

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
        if not name:
            raise UsageError("a PHOTO has an empty name, perhaps of a variable that is not set; name a file or folder")
        if "://" in name or lacks_slashes(name):
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
    """The output file of each photo: `photo.png`, or `photo.jpg.png` where two would have the same.

    Raises:
        UsageError: one is given twice, two share their whole name, a name is too long, or what is there would be lost.
    """
    sources = {os.path.realpath(photo) for photo, _ in photos}  # resolve() raises where links lead in a circle
    longest = _longest_name(output)
    targets: dict[Path, Path] = {}
    planned: set[Path] = set()
    for (photo, _), place in zip(photos, _result_places([place for _, place in photos]), strict=True):
        target = output / place
        if os.path.realpath(target) in sources:
            raise UsageError(f"{photo}: its result would replace the photo {target}; choose another --output")
        if target in planned or photo in targets:
            raise UsageError(
                f"{photo}: another photo of the same name is restored into {target}; give each its --output"
            )
        _refuse_long_name(photo, target, longest)
        if os.path.lexists(target) and not _is_restored(target):
            raise UsageError(
                f"{photo}: its result would replace {target}, which is no restored photo; move that one, "
                "or choose another --output"
            )
        targets[photo] = target
        planned.add(target)
    return targets


def _result_places(places: Sequence[Path]) -> list[Path]:
    """`a.png` for `a.jpg`, but `a.jpg.png` where another result would be called like it; same places stay the same."""
    whole: set[int] = set()
    while True:
        results = [
            place.with_name(f"{place.name}.png") if index in whole else place.with_suffix(".png")
            for index, place in enumerate(places)
        ]
        counts = Counter(str(result).casefold() for result in results)
        clashing = {index for index, result in enumerate(results) if counts[str(result).casefold()] > 1}
        if clashing <= whole:
            return results
        whole |= clashing


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


def _is_restored(target: Path) -> bool:
    """True if a file says of itself that it is a restored photo, which another restoration may replace."""
    from pasd_batch.photos.xmp import RESTORATION

    try:
        with open(target, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(RESTORATION.encode()) >= 0
    except (OSError, ValueError):  # a folder, not to be read, or empty
        return False


def refuse_no_folder(output: Path) -> None:
    """Make sure that `output` is a folder or can become one, before a model is loaded for it.

    Raises:
        UsageError: a file is in its place or on the way to it.
    """
    if str(output) == "-":
        raise UsageError("--output -: photos do not go to standard output; name a folder (./- if it is called so)")
    existing = _existing(output)
    if not existing.is_dir():
        raise UsageError(f"--output {output}: {existing} is a file; name a folder")


def _photos_below(folder: Path, output: Path) -> tuple[list[Path], list[str]]:
    """The photos in order, and what was left out, a line each."""
    from pasd_batch.config.storage import StorageSettings
    from pasd_batch.manifests.listing import ending_of, find_files, is_image
    from pasd_batch.storage.errors import StorageError

    top, results = Path(os.path.realpath(folder)), Path(os.path.realpath(output))
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
