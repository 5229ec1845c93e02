"""Survey of a whole manifest before its first row is planned, gathered piece by piece."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.config.manifest import ManifestColumns
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.allowed_folders import granted_folders
from pasd_batch.manifests.carried import carrying_problems, refuse_unstorable
from pasd_batch.manifests.digest import TableDigest
from pasd_batch.manifests.errors import ManifestError, NoPhotos
from pasd_batch.manifests.output_paths import common_folder
from pasd_batch.manifests.pieces import ManifestPiece
from pasd_batch.manifests.row_problems import RowProblem, row_problems
from pasd_batch.manifests.rows import extra_fields, read_rows
from pasd_batch.manifests.workload import Workload, WorkOf, total, workload
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.sealing import SecretsDigest, plan_key

SOURCE_ROOT_KEY = b"pasd_batch.source_root"
"""Key in a Parquet manifest's metadata under which the folder stands that its photos were found in."""

MOST_PROBLEMS_SHOWN = 10


@dataclass(frozen=True)
class PieceSurvey:
    """Survey of one piece."""

    rows: int
    digest: str
    secrets: str
    """Hash of what the URIs hide; becomes the plan's key."""
    lowest_uri: str | None
    highest_uri: str | None
    schema: pa.Schema
    """The manifest's other columns."""
    source_root: str | None
    folders: frozenset[str]
    """Local folders below which the piece may name photos."""
    problems: tuple[RowProblem, ...]
    """The first few of them."""
    problem_count: int
    work: Workload


@dataclass(frozen=True)
class ManifestSurvey:
    """Survey of all pieces together."""

    rows: int
    fingerprint: str
    """Hash of all rows in order: same files with the same rows, same fingerprint."""
    source_root: str
    """The folder that the output tree mirrors from, ending in a slash; `""`: photos share none."""
    extra: tuple[pa.Field, ...]
    """The manifest's other columns, with types that fit all pieces."""
    starts: tuple[int, ...]
    """Number of each piece's first row in the whole manifest, from 0."""
    work: Workload
    folders: frozenset[str]
    """Local folders below which the manifest may name photos."""
    plan_key: bytes = field(repr=False)
    """Key that seals the URIs of the plan; stored nowhere."""


def survey_piece(
    piece: ManifestPiece,
    columns: ManifestColumns,
    storage_settings: StorageSettings,
    work_of: WorkOf | None = None,
) -> PieceSurvey:
    """Read a piece once, in bounded memory.

    Raises:
        ManifestError: the file or its columns cannot be used.
        StorageError: the file cannot be read.
    """
    digest, schema, metadata = TableDigest(), pa.schema([]), {}
    secrets = SecretsDigest()
    problems: list[RowProblem] = []
    uris: list[str] = []
    rows = problem_count = 0
    work = Workload()
    folders = granted_folders(piece.uri, None)
    for table in read_rows(piece, columns, storage_settings):
        uncarried = list(carrying_problems(table))
        metadata = table.schema.metadata or metadata
        folders = granted_folders(piece.uri, _noted_root(metadata))
        for problem in (*row_problems(table, storage_settings.with_folders(folders)), *uncarried):
            problem_count += 1
            if len(problems) < MOST_PROBLEMS_SHOWN:
                problems.append(RowProblem(rows + problem.row, problem.message))
        if not uncarried:  # else the manifest is refused, and not all values can be read
            digest.update(table)
        secrets.update(table)
        schema = unify([schema, pa.schema(extra_fields(table.schema))], [str(piece)] * 2)
        ends = pc.min_max(table["uri"]).as_py()
        uris.extend(uri for uri in ends.values() if uri is not None)
        work, rows = total((work, workload(table, work_of))), rows + table.num_rows
    return PieceSurvey(
        rows=rows,
        digest=digest.hexdigest(),
        secrets=secrets.hexdigest(),
        lowest_uri=min(uris, default=None),
        highest_uri=max(uris, default=None),
        schema=schema,
        source_root=_noted_root(metadata),
        folders=folders,
        problems=tuple(problems),
        problem_count=problem_count,
        work=work,
    )


def merge_surveys(pieces: Sequence[ManifestPiece], surveys: Sequence[PieceSurvey]) -> ManifestSurvey:
    """Put the pieces' surveys together, in order.

    Raises:
        ManifestError: rows with problems, no rows at all, or columns that do not agree or that a run cannot store.
    """
    starts = (0, *accumulate(survey.rows for survey in surveys))
    _refuse_problems(pieces, surveys, starts)
    if starts[-1] == 0:
        raise NoPhotos(f"{pieces[0]}: the manifest has no rows; add a row for each photo")
    names = [str(piece) for piece in pieces]
    extra = tuple(unify([survey.schema for survey in surveys], names))
    refuse_unstorable(extra, names, [survey.schema for survey in surveys])
    digests = "\n".join(survey.digest for survey in surveys)
    return ManifestSurvey(
        rows=starts[-1],
        fingerprint=hashlib.sha256(digests.encode()).hexdigest(),
        source_root=_source_root(surveys),
        extra=extra,
        starts=starts[:-1],
        work=total(survey.work for survey in surveys),
        folders=frozenset().union(*(survey.folders for survey in surveys)),
        plan_key=plan_key([survey.secrets for survey in surveys]),
    )


def row_name(pieces: Sequence[ManifestPiece], starts: Sequence[int], piece: int, row: int) -> str:
    """Name of a row of a piece in messages: its file and its number there, from 1 and without a header line."""
    first = next(index for index, other in enumerate(pieces) if other.uri == pieces[piece].uri)
    return f"{pieces[piece]}, row {starts[piece] - starts[first] + row + 1}"


def unify(schemas: Sequence[pa.Schema], names: Sequence[str]) -> pa.Schema:
    """One schema that fits all: numbers widened, columns that some lack nullable.

    Raises:
        ManifestError: a column's types do not go together; names the two files.
    """
    result, origin = pa.schema([]), dict[str, str]()
    for schema, name in zip(schemas, names, strict=True):
        if schema.equals(result):
            continue
        for column in schema:
            try:
                both = [pa.schema([column]), pa.schema([result.field(column.name)])]
                pa.unify_schemas(both, promote_options="permissive")
            except KeyError:
                origin[column.name] = name
            except pa.ArrowException:
                other = result.field(column.name).type
                raise ManifestError(
                    f"column {column.name!r} is {other} in {origin[column.name]} but {column.type} in {name}; "
                    "give it one type in all files, or leave it out"
                ) from None
        result = pa.unify_schemas([result, schema], promote_options="permissive")
    return result


def _refuse_problems(pieces: Sequence[ManifestPiece], surveys: Sequence[PieceSurvey], starts: Sequence[int]) -> None:
    total = sum(survey.problem_count for survey in surveys)
    if total == 0:
        return
    lines = [
        f"  {row_name(pieces, starts, index, problem.row)}: {problem.message}"
        for index, survey in enumerate(surveys)
        for problem in survey.problems
    ]
    more = [f"  and {total - MOST_PROBLEMS_SHOWN:,} more"] if total > MOST_PROBLEMS_SHOWN else []
    raise ManifestError("\n".join([f"{total:,} problem(s) in the manifest:", *lines[:MOST_PROBLEMS_SHOWN], *more]))


def _source_root(surveys: Sequence[PieceSurvey]) -> str:
    lowest = min(survey.lowest_uri for survey in surveys if survey.lowest_uri is not None)
    highest = max(survey.highest_uri for survey in surveys if survey.highest_uri is not None)
    shared = redact_uri(common_folder(lowest, highest))  # it is stored in the plan
    told = {survey.source_root for survey in surveys}
    root = told.pop() if len(told) == 1 else None
    return root if root and shared.startswith(root) else shared


def _noted_root(metadata: Mapping[bytes, bytes]) -> str | None:
    root = metadata.get(SOURCE_ROOT_KEY)
    return None if root is None else root.decode(errors="replace")
