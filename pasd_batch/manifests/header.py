"""The column names of a manifest: all there, and each once."""

from collections import defaultdict
from collections.abc import Sequence

from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.pieces import ManifestPiece


def check_names(names: Sequence[str], piece: ManifestPiece) -> None:
    """Refuse names that are missing, there twice (case and blanks do not tell them apart), or have blanks around them.

    A blank in front of a name hides the column from everything that looks for it.

    Raises:
        ManifestError: naming the columns.
    """
    if any("://" in name for name in names):  # which is not shown: there may be credentials in it
        raise ManifestError(
            f"{piece}: an address stands where the column names must be; write them into a line of their own above, "
            "such as uri,prompt"
        )
    if not names or list(names) == [""]:
        raise ManifestError(f"{piece}: no column names; a CSV begins with a line such as uri,prompt")
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[name.strip().casefold()].append(name)
    if "" in alike:
        raise ManifestError(f"{piece}: a column has no name; give every column a name of its own")
    twice = sorted({name for same in alike.values() if len(same) > 1 for name in same})
    if twice:
        raise ManifestError(
            f"{piece}: columns {twice} are there twice, or differ in case and blanks alone; rename or remove one"
        )
    for name in names:
        if name != name.strip():
            raise ManifestError(f"{piece}: column {name!r} has blanks around its name; write {name.strip()!r}")
