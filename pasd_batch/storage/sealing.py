"""URIs in a run's plan: what they hide is sealed, so that a run folder can be shown to others.

A run folder is copied and published; the manifest, whose URIs may carry signatures and passwords, is not. The plan has
such a URI as people may see it, and behind it the whole one encrypted (AES-SIV). The key is a hash of all the URIs of
the manifest that hide something: whoever has the manifest has the key, and it is stored nowhere.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import base64
import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.records import URI_COLUMNS
from pasd_batch.storage.errors import StorageError
from pasd_batch.storage.redaction import redact_uri

_MARK = " sealed:"
_MAY_HIDE = r"://.*([:?#@;=\s]|%3[abfABF])"


class WrongPlanKey(StorageError):
    """A plan that was made from another manifest."""


class SecretsDigest:
    """Hash of all URIs that hide something, fed table by table, of one part of a manifest."""

    def __init__(self) -> None:
        self._hash = hashlib.sha512()

    def update(self, table: pa.Table) -> None:
        """Add the URIs of rows in the manifest's common form."""
        for name in URI_COLUMNS:
            for row in _hiding(table[name]) if name in table.column_names else ():
                data = table[name][row].as_py().encode("utf-8", "surrogatepass")
                self._hash.update(len(data).to_bytes(8, "big") + data)

    def hexdigest(self) -> str:
        """The hash of everything so far."""
        return self._hash.hexdigest()


def plan_key(digests: list[str]) -> bytes:
    """The key of a plan from the `SecretsDigest`s of the manifest's parts, in order."""
    return hashlib.sha512("\n".join(["pasd_batch plan key", *digests]).encode()).digest()


def sealed(rows: pa.Table, key: bytes) -> pa.Table:
    """Rows of a plan with what their URIs hide sealed; the same for the same rows and key."""
    for name in URI_COLUMNS:
        hiding = _hiding(rows[name]) if name in rows.column_names else []
        if hiding:
            texts, ids = rows[name].to_pylist(), rows["photo_id"]
            for row in hiding:
                secret = _cipher(key).encrypt(texts[row].encode(), [ids[row].as_py().encode()])
                texts[row] = f"{redact_uri(texts[row])}{_MARK}{base64.urlsafe_b64encode(secret).decode()}"
            rows = _with_column(rows, name, texts)
    return rows


def has_sealed(rows: pa.Table) -> bool:
    """True if a key is needed to fetch the photos of some rows of a plan."""
    return any(_sealed_rows(rows[name]) for name in URI_COLUMNS if name in rows.column_names)


def unsealed(rows: pa.Table, key: bytes) -> pa.Table:
    """Rows of a plan with their whole URIs.

    Raises:
        WrongPlanKey: the key is not the one that they were sealed with.
    """
    from cryptography.exceptions import InvalidTag

    for name in URI_COLUMNS:
        closed = _sealed_rows(rows[name]) if name in rows.column_names else []
        if closed:
            texts, ids = rows[name].to_pylist(), rows["photo_id"]
            for row in closed:
                shown, _, secret = texts[row].rpartition(_MARK)
                try:
                    whole = _cipher(key).decrypt(base64.urlsafe_b64decode(secret), [ids[row].as_py().encode()])
                except (InvalidTag, ValueError):
                    raise WrongPlanKey(
                        f"{shown}: what the plan hides of this URI belongs to another manifest; "
                        "give the one that the run began with"
                    ) from None
                texts[row] = whole.decode()
            rows = _with_column(rows, name, texts)
    return rows


def _cipher(key: bytes):  # noqa: ANN202 (imported where it is used: few plans need it)
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(key)


def _hiding(column: pa.ChunkedArray) -> list[int]:
    """Rows whose URI is shown in another form than its own, or looks like a sealed one."""
    candidates = pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(column, _MAY_HIDE), False)).to_pylist()
    texts = ((row, column[row].as_py()) for row in candidates)
    return [row for row, text in texts if _MARK in text or redact_uri(text) != text]


def _sealed_rows(column: pa.ChunkedArray) -> list[int]:
    marked = pc.and_(pc.match_substring(column, _MARK), pc.match_substring(column, "://"))
    return pc.indices_nonzero(pc.fill_null(marked, False)).to_pylist()


def _with_column(rows: pa.Table, name: str, texts: list[str | None]) -> pa.Table:
    index = rows.schema.get_field_index(name)
    return rows.set_column(index, rows.schema.field(index), pa.array(texts, pa.string()))
