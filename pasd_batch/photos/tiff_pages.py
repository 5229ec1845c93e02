"""Pages of a TIFF file: which of its directories are photos, and which masks, thumbnails or levels of a pyramid."""

from collections.abc import Iterator
from typing import Any

from pasd_batch.photos.errors import CorruptPhoto, NoSuchPage, UnsupportedPhoto

_MOST_BEFORE, _MOST_PAGES = 64, 10_000
_REDUCED, _MASK, _LEAST_SHARE = 1, 4, 0.6
_DNG_VERSION = 50706
_CAMERA_RAW = (32803, 34892)  # a colour filter array, linear raw

Place = int | None
"""Number of a page among the file's directories, from 0; None: in a directory below the first one."""


def photo_pages(file: Any) -> Iterator[tuple[Place, Any]]:
    """tifffile's pages that are photos, with their indices; the first is the default page.

    Others follow if they are neither a mask nor a reduced copy: said to be one (NewSubfileType), or of the first one's
    shape at less than 60 % of its size, as thumbnails and pyramids of programs that do not say it. Directories below a
    page (SubIFDs) are its copies. At most 10,000 directories are looked at; one that cannot be read ends them.
    """
    place, first = main_page(file)
    yield place, first
    for index in range(_MOST_PAGES):
        try:
            page = file.pages[index]
        except Exception:  # noqa: BLE001 (the end, or a directory that cannot be read and costs nothing)
            return
        is_copy = page.subfiletype & (_REDUCED | _MASK) or _looks_reduced(page, first) or _is_camera_raw(page)
        if page.offset != first.offset and not is_copy:
            yield index, page


def find_page(file: Any, number: int) -> tuple[Place, Any]:
    """The page of that number among the photos, from 1, and its place.

    Raises:
        NoSuchPage: there are fewer.
        CorruptPhoto, UnsupportedPhoto: as `main_page`.
    """
    count = 0
    for count, found in enumerate(photo_pages(file), start=1):
        if count == number:
            return found
    raise NoSuchPage.of(number, count)


def main_page(file: Any) -> tuple[Place, Any]:
    """The first page of full resolution, and its place."""
    pages = _some_pages(file.pages)
    if not pages:
        raise CorruptPhoto("the TIFF file has no page that can be read; fetch it again")
    below = _some_pages(pages[0].pages) if pages[0].pages else []
    if not any(_is_camera_raw(page) for page in (pages[0], *below)):
        numbered = [*enumerate(pages), *((None, page) for page in below)]
        for index, page in numbered:
            if not page.subfiletype & _REDUCED and not _is_camera_raw(page):
                return index, page
    raise UnsupportedPhoto("a camera's raw file, which holds only a preview as a photo; develop it first")


def _some_pages(pages: Any) -> list[Any]:
    """The pages up to the first that is one of full resolution, or none."""
    found: list[Any] = []
    for index in range(_MOST_BEFORE):
        try:
            page = pages[index]
        except IndexError:
            break
        found.append(page)
        if not page.subfiletype & _REDUCED:
            break
    return found


def _looks_reduced(page: Any, photo: Any) -> bool:
    """True for a page of the photo's shape, but for rounding, that is much smaller."""
    width, height = int(photo.imagewidth), int(photo.imagelength)
    across, down = int(page.imagewidth), int(page.imagelength)
    same_shape = abs(across * height - down * width) <= max(width, height)
    return across < _LEAST_SHARE * width and same_shape


def _is_camera_raw(page: Any) -> bool:
    return _DNG_VERSION in page.tags or int(page.photometric) in _CAMERA_RAW
