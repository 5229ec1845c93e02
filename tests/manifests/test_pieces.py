"""Manifests of every format and place: found, read in one form, refused with rows and remedy."""

import bz2
import gzip
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import ACCESS, WEB, make_photos, rows_of, survey

from pasd_batch.config.manifest import ManifestColumns, ManifestFormat, ManifestSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests import pieces as manifest_module
from pasd_batch.manifests.digest import TableDigest
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.listing import find_files
from pasd_batch.manifests.making import list_photos, make_manifest
from pasd_batch.manifests.pieces import ManifestPiece, find_pieces, is_image_source
from pasd_batch.manifests.rows import photo_ids, read_rows, resolve_uri
from pasd_batch.manifests.survey import merge_surveys, survey_piece
from pasd_batch.storage.storage import InvalidLocation, NotFound, Storage

ROWS = [
    {"uri": "a.jpg", "id": "first", "prompt": "a cat, sleeping", "year": "1920"},
    {"uri": "sub/b.jpg", "id": "007", "prompt": None, "year": "1921"},
    {"uri": "s3://elsewhere/c.jpg", "id": "third", "prompt": 'said "hello"\nand left', "year": None},
]


def write_csv(path: Path, rows: list[dict], delimiter: str = ",") -> None:
    import csv

    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("name", ["m.parquet", "m.csv", "m.tsv", "m.jsonl", "m.csv.gz", "m.jsonl.bz2"])
def test_every_format_gives_the_same_rows(tmp_path, name):
    path = tmp_path / name
    lines = "".join(json.dumps(row) + "\n\n" for row in ROWS).encode()
    match name.split(".", 1)[1]:
        case "parquet":
            pq.write_table(pa.Table.from_pylist(ROWS), path)
        case "csv":
            write_csv(path, ROWS)
        case "tsv":
            write_csv(path, ROWS, "\t")
        case "jsonl":
            path.write_bytes(lines)
        case "csv.gz":
            write_csv(tmp_path / "plain", ROWS)
            path.write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
        case "jsonl.bz2":
            path.write_bytes(bz2.compress(lines))
    rows = rows_of(path)
    assert [row["uri"] for row in rows] == [f"{tmp_path}/a.jpg", f"{tmp_path}/sub/b.jpg", "s3://elsewhere/c.jpg"]
    assert [row["photo_id"] for row in rows] == ["first", "007", "third"]
    assert [row["prompt"] for row in rows] == [row["prompt"] for row in ROWS]
    assert [row["year"] for row in rows] == ["1920", "1921", None]
    assert survey(ManifestSettings(path=str(path))).rows == 3


def test_columns_can_have_other_names_and_reserved_names_are_carried_under_a_prefix(tmp_path):
    write_csv(tmp_path / "m.csv", [{"photo": "a.jpg", "uri": "x", "text": "hi", "nr": "4", "status": "new"}])
    columns = ManifestColumns(uri="photo", prompt="text", id="nr")
    (row,) = rows_of(tmp_path / "m.csv", columns)
    assert row == {
        "photo_id": "4",
        "uri": f"{tmp_path}/a.jpg",
        "prompt": "hi",
        "reference_uri": None,
        "manifest_uri": "x",
        "manifest_status": "new",
    }


def test_number_ids_become_text_and_ids_that_are_not_given_are_stable(tmp_path):
    pq.write_table(pa.table({"uri": ["/a.jpg", "/b.jpg"], "id": [7, 8]}), tmp_path / "m.parquet")
    assert [row["photo_id"] for row in rows_of(tmp_path / "m.parquet")] == ["7", "8"]
    first = photo_ids(pa.table({"uri": ["s3://b/x.jpg", "s3://b/y.jpg"]}))
    assert first[0] == "74e7467ba94a2e54d516ae77b6be73d4"
    assert photo_ids(pa.table({"uri": ["s3://b/y.jpg"]})) == first[1:]


@pytest.mark.parametrize(
    ("uri", "base", "absolute"),
    [
        ("a.jpg", "/m", "/m/a.jpg"),
        ("../a.jpg", "/m/n", "/m/a.jpg"),
        ("./a.jpg", "s3://b/m", "s3://b/m/a.jpg"),
        ("../../../a.jpg", "s3://b/m", "s3://b/a.jpg"),
        ("x//a.jpg", "s3://b", "s3://b/x//a.jpg"),
        ("/abs/a.jpg", "s3://b/m", "/abs/a.jpg"),
        ("a b%20.jpg", "/m", "/m/a b%20.jpg"),
        ("https://h/a.jpg", "/m", "https://h/a.jpg"),
    ],
)
def test_relative_uris_are_relative_to_the_manifest(uri, base, absolute):
    assert resolve_uri(uri, base) == absolute


def test_files_folders_and_globs_are_found_in_order(tmp_path):
    for name in ["b.csv", "a.csv", "deep/c.csv", "deep/d.txt", "_tmp/e.csv", ".f.csv", "_SUCCESS", "odd[1].csv"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_csv(tmp_path / name, [{"uri": name}])

    def found(path: str) -> list[str]:
        pieces = find_pieces(ManifestSettings(path=path), ACCESS)
        return [str(Path(piece.uri).relative_to(tmp_path)) for piece in pieces]

    assert found(f"{tmp_path}") == ["a.csv", "b.csv", "deep/c.csv", "odd[1].csv"]
    assert found(f"{tmp_path}/*.csv") == ["a.csv", "b.csv", "odd[1].csv"]
    assert found(f"{tmp_path}/**/c.csv") == ["deep/c.csv"]
    assert found(f"{tmp_path}/odd[1].csv") == ["odd[1].csv"]
    assert found(f"file://{tmp_path}/a.csv") == ["a.csv"]


def test_photos_are_found_whatever_cameras_and_people_call_them(tmp_path):
    for name in ["_DSC0001.jpg", "_scans/b.png", "[1999] trip/c.jpg", ".hidden.jpg", ".cache/d.jpg", "_notes.csv"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    def found(path: str) -> list[str]:
        return sorted(str(Path(uri).relative_to(tmp_path)) for uri in find_files(path, ACCESS).uris)

    assert found(f"{tmp_path}") == ["[1999] trip/c.jpg", "_DSC0001.jpg", "_scans/b.png"]
    assert found(f"{tmp_path}/_*.jpg") == ["_DSC0001.jpg"]
    assert found(f"{tmp_path}/[1999] trip") == ["[1999] trip/c.jpg"]


def test_parquet_is_cut_at_row_groups_without_changing_rows_or_order(tmp_path, monkeypatch):
    table = pa.table({"uri": [f"{number:04}.jpg" for number in range(1000)]})
    pq.write_table(table, tmp_path / "m.parquet", row_group_size=90)
    settings = ManifestSettings(path=str(tmp_path / "m.parquet"))
    whole = survey(settings)
    monkeypatch.setattr(manifest_module, "ROWS_PER_PIECE", 200)
    pieces = find_pieces(settings, ACCESS)
    assert [piece.row_groups for piece in pieces] == [(0, 3), (3, 6), (6, 9), (9, 12)]
    parts = [survey_piece(piece, settings.columns, ACCESS) for piece in pieces]
    merged = merge_surveys(pieces, parts)
    assert merged.rows == whole.rows == 1000
    assert merged.starts == (0, 270, 540, 810)
    assert [row["uri"] for row in rows_of(tmp_path / "m.parquet")] == [f"{tmp_path}/{n:04}.jpg" for n in range(1000)]


def test_the_fingerprint_is_of_values_and_order(tmp_path):
    def fingerprint(rows: list[dict], name: str = "m.parquet") -> str:
        path = tmp_path / name
        if name.endswith("parquet"):
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return survey(ManifestSettings(path=str(path))).fingerprint

    base = fingerprint(ROWS)
    assert fingerprint(ROWS) == base
    assert fingerprint(ROWS, "m.jsonl") == base
    assert fingerprint(ROWS[::-1]) != base
    assert fingerprint([{**ROWS[0], "year": "1999"}, *ROWS[1:]]) != base
    assert fingerprint([{**row, "note": None} for row in ROWS]) != base


def test_the_digest_does_not_depend_on_batches():
    table = pa.table({"x": ["a", None, "bc", ""], "y": [1, 2, None, 4], "z": [[1], [], None, [2, 3]]})
    whole, parts = TableDigest(), TableDigest()
    whole.update(table)
    for start, length in [(0, 1), (1, 0), (1, 2), (3, 1)]:
        parts.update(table.slice(start, length))
    assert whole.hexdigest() == parts.hexdigest()
    shifted = TableDigest()
    shifted.update(table.set_column(0, "x", pa.array(["ab", None, "c", ""])))
    assert shifted.hexdigest() != whole.hexdigest()


@pytest.mark.parametrize(
    ("name", "content", "columns", "told"),
    [
        ("m.csv", "path,prompt\nx,y\n", {}, ["m.csv", "no column 'uri'", "'path', 'prompt'", "manifest.columns.uri"]),
        ("m.csv", "uri\na.jpg\n", {"prompt": "caption"}, ["no column 'caption'", "manifest.columns.prompt"]),
        ("m.csv", "uri,id\na.jpg,1\n,2\nc.jpg,\n", {}, ["2 problem", "row 2: has no URI", "row 3: has no id"]),
        ("m.csv", "uri\nftp://h/a.jpg\n", {}, ["row 1", "scheme 'ftp'", "storage.allowed_schemes"]),
        ("m.csv", "uri\n https://me:pw@h/a.jpg\n", {}, ["row 1", "' https://***@h/a.jpg'", "before the scheme"]),
        ("m.csv", "id,uri\nhttps://h/a?sig=1,a.jpg\n", {}, ["row 1", "(https://h/a?sig=***)", "its id"]),
        ("m.csv", "uri,reference_uri\na.jpg,ftp://x/b.jpg\n", {}, ["row 1: reference_uri ftp://x/b.jpg"]),
        ("m.csv", "uri\n", {}, ["m.csv", "has no rows"]),
        ("m.csv", "", {}, ["m.csv", "no column names"]),
        ("m.csv", "uri,uri\na,b\n", {}, ["['uri'] are there twice"]),
        ("m.csv", "uri,prompt\na.jpg,x\nb.jpg\n", {}, ["m.csv, line 3", "1 value(s) where the first line has 2"]),
        ("m.jsonl", '{"uri": "a.jpg"}\n{"uri": \n', {}, ["m.jsonl, line 2", "not JSON"]),
        ("m.jsonl", '["a.jpg"]\n', {}, ["line 1", "list where a JSON object"]),
        ("m.jsonl", "\n", {}, ["m.jsonl", "is empty"]),
        ("m.jsonl", '{"uri": "a", "n": 1}\n{"uri": "b", "n": "x"}\n', {}, ["m.jsonl, line 2: column 'n' mixes types"]),
        ("m.jsonl", '{"uri": 1.5}\n', {}, ["column 'uri' holds double, not text"]),
        ("m.parquet", "not parquet", {}, ["m.parquet", "not a Parquet file"]),
        ("m.txt", "uri\n", {}, ["no manifest", "manifest.format"]),
        ("m.csv", "uri,Title,title\na,b,c\n", {}, ["m.csv", "['Title', 'title'] are there twice", "rename"]),
        ("m.jsonl", '{"uri": "a", "meta": {}}\n', {}, ["m.jsonl: column 'meta'", "cannot be stored", "leave it out"]),
    ],
)
def test_what_cannot_be_planned_is_refused_with_a_remedy(tmp_path, name, content, columns, told):
    (tmp_path / name).write_text(content)
    settings = ManifestSettings(path=str(tmp_path / name), columns=ManifestColumns(**columns))
    with pytest.raises(ManifestError) as error:
        survey(settings)
    for part in told:
        assert part in str(error.value)


@pytest.mark.parametrize("name", ["m.csv.gz", "m.jsonl.gz"])
@pytest.mark.parametrize("damage", ["truncated", "garbled"])
def test_a_damaged_compressed_manifest_is_refused_by_name(tmp_path, name, damage):
    rows = [{"uri": f"{number}.jpg", "note": str(number * 7919 % 10007)} for number in range(5000)]
    lines = ["uri,note", *(f"{row['uri']},{row['note']}" for row in rows)] if "csv" in name else map(json.dumps, rows)
    packed = bytearray(gzip.compress("\n".join(lines).encode()))
    if damage == "truncated":
        del packed[len(packed) // 2 :]
    else:
        packed[len(packed) // 2 : len(packed) // 2 + 100] = b"\xff" * 100
    (tmp_path / name).write_bytes(packed)
    with pytest.raises(ManifestError, match=rf"{name}.*repair the file"):
        survey(ManifestSettings(path=str(tmp_path / name)))


def test_files_whose_columns_do_not_agree_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"uri": "a.jpg", "year": 1920, "old": true}\n')
    (tmp_path / "b.jsonl").write_text('{"uri": "b.jpg", "year": 1920.5}\n')
    merged = survey(ManifestSettings(path=str(tmp_path)))
    assert {field.name: field.type for field in merged.extra} == {"year": pa.float64(), "old": pa.bool_()}
    (tmp_path / "c.jsonl").write_text('{"uri": "c.jpg", "year": "about 1920"}\n')
    with pytest.raises(ManifestError, match=r"'year' is double in .*a.jsonl but string in .*c.jsonl"):
        survey(ManifestSettings(path=str(tmp_path)))


def test_many_problems_are_counted_and_the_first_shown(tmp_path):
    write_csv(tmp_path / "m.csv", [{"uri": "ftp://h/a.jpg"}] * 50)
    with pytest.raises(ManifestError) as error:
        survey(ManifestSettings(path=str(tmp_path / "m.csv")))
    assert "50 problem(s)" in str(error.value)
    assert "and 40 more" in str(error.value)


def test_secrets_in_uris_do_not_reach_messages(tmp_path):
    write_csv(tmp_path / "m.csv", [{"uri": "ftp://me:hunter2@h/a.jpg?token=abc"}])
    with pytest.raises(ManifestError) as error:
        survey(ManifestSettings(path=str(tmp_path / "m.csv")))
    assert "hunter2" not in str(error.value)
    assert "abc" not in str(error.value)


def test_secrets_in_the_places_of_manifests_do_not_reach_messages(tmp_path, caplog):
    make_photos(tmp_path / "photos", ["a.jpg"])
    place, photo = "https://h/list?sig=SECRET", "http://127.0.0.1:9/x?sig=SECRET&n=.jpg"
    attempts = [
        lambda: is_image_source(ManifestSettings(path=place), WEB),
        lambda: find_pieces(ManifestSettings(path=place), WEB),
        lambda: list_photos(place, WEB, measure=False),
        lambda: list_photos("https://h/\udcff?sig=SECRET&n=.jpg", WEB, measure=False),
        lambda: make_manifest(str(tmp_path / "photos"), "s3://b/x?sig=SECRET/", ACCESS),
    ]
    for attempt in attempts:
        with pytest.raises(ManifestError) as error:
            attempt()
        assert "SECRET" not in str(error.value)
        assert "sig=***" in str(error.value)
    assert str(ManifestPiece(place, ManifestFormat.CSV)) == "https://h/list?sig=***"
    caplog.set_level("INFO", "pasd_batch")
    list_photos(photo, WEB, measure=True)
    assert "sig=***&n=***: size unknown" in caplog.text
    assert "SECRET" not in caplog.text


def test_schemes_are_checked_for_the_manifest_itself(tmp_path):
    access = StorageSettings(allowed_schemes=frozenset({"s3"}))
    with pytest.raises(InvalidLocation, match="allowed_schemes"):
        find_pieces(ManifestSettings(path=str(tmp_path)), access)


def test_photos_and_manifests_are_told_apart(tmp_path):
    make_photos(tmp_path, ["a.jpg"])
    assert is_image_source(ManifestSettings(path=str(tmp_path)), ACCESS)
    assert is_image_source(ManifestSettings(path=str(tmp_path / "a.jpg")), ACCESS)
    write_csv(tmp_path / "m.csv", [{"uri": "a.jpg"}])
    assert not is_image_source(ManifestSettings(path=str(tmp_path / "m.csv")), ACCESS)
    with pytest.raises(ManifestError, match=r"photos .*a.jpg.* as well as manifests .*m.csv"):
        is_image_source(ManifestSettings(path=str(tmp_path)), ACCESS)
    assert is_image_source(ManifestSettings(path=str(tmp_path), format=ManifestFormat.IMAGES), ACCESS)
    with pytest.raises(ManifestError, match="no manifest"):
        is_image_source(ManifestSettings(path=str(tmp_path / "nothing")), ACCESS)


def test_manifests_on_s3_are_read_through_throttling(s3, tmp_path):
    storage = Storage.open("s3://archive/lists")
    write_csv(tmp_path / "m.csv", ROWS)
    storage.write("day1/m.csv", (tmp_path / "m.csv").read_bytes())
    pq.write_table(pa.table({"uri": ["z.jpg"], "id": ["last"]}), tmp_path / "m.parquet")
    storage.write("day2/m.parquet", (tmp_path / "m.parquet").read_bytes())
    count = iter(range(10**6))
    s3.trouble = lambda environ: "503" if next(count) % 3 == 0 else None
    rows = rows_of("s3://archive/lists")
    assert [row["uri"] for row in rows] == [
        "s3://archive/lists/day1/a.jpg",
        "s3://archive/lists/day1/sub/b.jpg",
        "s3://elsewhere/c.jpg",
        "s3://archive/lists/day2/z.jpg",
    ]
    assert rows_of("s3://archive/lists/*/m.csv") == rows[:3]
    s3.trouble = lambda environ: None
    with pytest.raises(NotFound):
        list(read_rows(ManifestPiece("s3://archive/none.csv", ManifestFormat.CSV), ManifestColumns(), ACCESS))


def test_a_manifest_is_read_over_http(tmp_path):
    write_csv(tmp_path / "m.csv", ROWS)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, format: str, *args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        uris = [row["uri"] for row in rows_of(f"{base}/m.csv", access=WEB)]
        assert uris[:2] == [
            f"{base}/a.jpg",
            f"{base}/sub/b.jpg",
        ]
    finally:
        server.shutdown()


def test_photos_themselves_have_no_columns_to_take_settings_from(tmp_path):
    (tmp_path / "a.jpg").touch()
    columns = ManifestColumns(scale="factor")
    with pytest.raises(ManifestError, match=r"which have no columns, and manifest\.columns\.scale names some"):
        is_image_source(ManifestSettings(path=str(tmp_path), columns=columns), ACCESS)
