"""Masks of local photos: a file for one photo, or a folder that mirrors the photos' own."""

import os
from collections.abc import Sequence
from pathlib import Path

from pasd_batch.batch.local.errors import CannotRestore
from pasd_batch.batch.local.finding import LocalPhoto
from pasd_batch.manifests.output_paths import page_stem
from pasd_batch.storage.printable import some_of

_SHOWN = 3


def masks_of(given: str | Path | None, photos: Sequence[LocalPhoto]) -> list[str | None]:
    """Absolute path of each photo's mask; None where no masks are given.

    In a folder, the mask of `sub/photo.jpg` (below the folder or glob that the photo was found by) is
    `sub/photo.png`, or `sub/photo.jpg` if there is no such file. A page of a file has `sub/scan-p0002.png`, as its
    result is called, or else that of all pages, `sub/scan.png`.

    Raises:
        CannotRestore: the masks are not there, one is given for several photos, or a folder lacks that of a photo.
    """
    if given is None:
        return [None for _ in photos]
    if not os.fspath(given):
        raise CannotRestore(
            "the masks have an empty name, perhaps of a variable that is not set; name a file or folder"
        )
    path = os.path.abspath(os.path.expanduser(given))
    if os.path.isfile(path):
        if len(photos) > 1:
            raise CannotRestore(
                f"{os.fspath(given)}: one mask, but {len(photos):,} photos; restore one, or name a folder of masks "
                "that are called as the photos are"
            )
        return [path for _ in photos]
    if not os.path.isdir(path):
        raise CannotRestore(f"{os.fspath(given)}: no such file or folder; name the photo's mask, or a folder of masks")
    masks = [_mask_in(path, photo) for photo in photos]
    if without := [photo.path for photo, mask in zip(photos, masks, strict=True) if mask is None]:
        raise CannotRestore(
            f"{os.fspath(given)}: no mask of {some_of(without, _SHOWN)}; a mask has its photo's name, ending "
            "in .png: add one, white for a photo that is restored everywhere, or leave the photo out"
        )
    return list(masks)


def _mask_in(folder: str, photo: LocalPhoto) -> str | None:
    name = os.path.join(folder, os.path.relpath(photo.path, photo.folder))
    stem = os.path.splitext(name)[0]
    of_page = [] if photo.page is None else [page_stem(stem, photo.page) + ".png"]
    return next((each for each in (*of_page, f"{stem}.png", name) if os.path.isfile(each)), None)
