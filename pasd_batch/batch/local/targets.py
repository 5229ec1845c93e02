"""Files that local photos become: named as a run names them, and refused where something would be lost."""

import mmap
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pasd_batch.batch.local.errors import CannotRestore
from pasd_batch.batch.local.finding import LocalPhoto
from pasd_batch.manifests.output_paths import plain_path
from pasd_batch.photos.xmp import RESTORATION
from pasd_batch.storage.local_files import LONGEST_PATH
from pasd_batch.storage.redaction import lacks_slashes, redact_uri


def output_paths(photos: Sequence[LocalPhoto], suffix: str) -> list[str]:
    """The path of each photo's result below the output folder, as a run over these photos has it.

    The tree of what was given is mirrored, and names that differ in their endings alone are told apart by the id.
    """
    plain = [plain_path(photo.path, source_root=photo.folder, suffix=suffix, page=photo.page) for photo in photos]
    keys = Counter(path.key(suffix) for path in plain if not path.marked)
    return [
        path.output_path(photo.photo_id, suffix, collides=keys[path.key(suffix)] > 1)
        for photo, path in zip(photos, plain, strict=True)
    ]


def refuse_losses(photos: Sequence[LocalPhoto], paths: Sequence[str], output: str) -> None:
    """Find before the model runs what would go wrong when its work is written.

    Raises:
        CannotRestore: a photo is given twice, two have one result, a name is too long, or a file would be lost that
            is not a restored photo itself.
    """
    sources = {os.path.realpath(photo.path) for photo in photos}
    longest = _longest_name(output)
    planned: set[str] = set()
    given: set[tuple[str, int | None]] = set()
    for photo, path in zip(photos, paths, strict=True):
        target = os.path.join(output, path)
        if os.path.realpath(target) in sources:
            raise CannotRestore(f"{photo.path}: its result would replace the photo {target}; choose another --output")
        real = os.path.realpath(photo.path), photo.page
        if real in given:
            raise CannotRestore(f"{photo.path}: named more than once, perhaps by a folder or glob, too; name it once")
        if target in planned:
            raise CannotRestore(
                f"{photo.path}: another photo of the same name is restored into {target}; give each its --output"
            )
        _refuse_long_name(photo.path, target, longest)
        if os.path.lexists(target) and not _is_restored(target):
            raise CannotRestore(
                f"{photo.path}: its result would replace {target}, which is no restored photo; move that one, "
                "or choose another --output"
            )
        planned.add(target)
        given.add(real)


def output_root(output: str | Path) -> str:
    """Absolute path of the folder for results; `~` is the home folder, which a shell does not expand in `--output=~/x`.

    Raises:
        CannotRestore: it is a URI, or has no name.
    """
    name = os.fspath(output)
    if not name:
        raise CannotRestore("the output folder has an empty name, perhaps of a variable that is not set; name a folder")
    if "://" in name or lacks_slashes(name):
        raise CannotRestore(
            f"output folder {redact_uri(name)}: results go to a folder of this machine; for other places restore with "
            "pasd-batch run"
        )
    return os.path.abspath(os.path.expanduser(name))


def refuse_no_folder(output: str) -> None:
    """Make sure that `output` is a folder or can become one, before a model is loaded for it.

    Raises:
        CannotRestore: a file is in its place or on the way to it.
    """
    existing = _existing(output)
    if not os.path.isdir(existing):
        raise CannotRestore(f"output folder {output}: {existing} is a file; name a folder")


def _longest_name(output: str) -> int:
    """Most bytes of a file's name where `output` lies or will lie."""
    return os.pathconf(_existing(output), "PC_NAME_MAX") if hasattr(os, "pathconf") else 255


def _existing(output: str) -> str:
    return next(str(path) for path in (Path(output), *Path(output).parents) if os.path.exists(path))


def _refuse_long_name(photo: str, target: str, longest: int) -> None:
    name, path = os.fsencode(os.path.basename(target)), os.fsencode(target)
    if len(name) > longest or len(path) > LONGEST_PATH:
        raise CannotRestore(
            f"{photo}: its result {target} would have a name of {len(name):,} bytes (at most {longest}) in a path of "
            f"{len(path):,} (at most {LONGEST_PATH:,}); rename the photo, or choose another --output"
        )


def is_done(photo: LocalPhoto, target: str, marks: Sequence[str]) -> bool:
    """True if a photo's result is there, later than the photo, and says that it was made with all of the `marks`."""
    try:
        later = os.stat(target).st_mtime_ns >= os.stat(photo.path).st_mtime_ns
    except OSError:
        return False
    return later and _says(target, [RESTORATION, *marks])


def _is_restored(target: str) -> bool:
    """True if a file says of itself that it is a restored photo, which another restoration may replace."""
    return _says(target, [RESTORATION])


def _says(target: str, texts: Sequence[str]) -> bool:
    try:
        with open(target, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return all(data.find(text.encode()) >= 0 for text in texts)
    except (OSError, ValueError):  # a folder, not to be read, or empty
        return False
