"""Readers of manifests: every row as it was written, or an error that names file and line; never a traceback."""

import csv
import datetime
import decimal
import gzip
import io
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import rows_of, survey

from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.manifests import csv_rows as manifest_csv
from pasd_batch.manifests import formats as manifest_formats
from pasd_batch.manifests import jsonl_rows as manifest_jsonl
from pasd_batch.manifests import text as manifest_text
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.storage.storage import StorageError

PROMPTS = [
    "plain",
    'say "hi"',
    "two\nlines",
    "two\r\nlines",
    "a, b",
    "caf\u00e9",
    "",
    " blanks ",
    "'",
    '"',
    "00123",
    "\r",
]


def csv_bytes(rows: list[list[str]], line_end: str = "\n") -> bytes:
    text = io.StringIO(newline="")
    # All in quotes: of old, csv.writer leaves a value with a bare CR without.
    csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def read(path: Path, data: bytes) -> list[dict]:
    """The rows as runs get them, surveyed too."""
    path.write_bytes(data)
    counted = survey(ManifestSettings(path=str(path))).rows
    rows = rows_of(path)
    assert counted == len(rows)
    return rows


def refusal(path: Path, data: bytes) -> str:
    with pytest.raises(ManifestError) as error:
        read(path, data)
    assert path.name in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [1, 2, 7, 4096])
def test_csv_is_read_as_python_reads_it_wherever_blocks_end(tmp_path, monkeypatch, line_end, block):
    """Buffers and batches of any size: a CR LF in quotes that a buffer's end cuts in two stays a CR LF."""
    monkeypatch.setattr(manifest_text, "_BUFFER", block)
    monkeypatch.setattr(manifest_csv, "_BATCH_ROWS", min(block, 5))
    draws = random.Random(block)
    rows = [[f"/{n}.png", "".join(draws.choices(PROMPTS, k=3)), draws.choice(PROMPTS)] for n in range(200)]
    found = read(tmp_path / "m.csv", csv_bytes([["uri", "prompt", "note"], *rows], line_end))
    written = csv.reader(io.StringIO((tmp_path / "m.csv").read_bytes().decode(), newline=""))
    assert list(written)[1:] == rows
    assert [[row["uri"], row["note"]] for row in found] == [[uri, note or None] for uri, _, note in rows]
    prompts = [prompt if prompt.strip() else None for _, prompt, _ in rows]
    assert [row["prompt"] for row in found] == prompts


def test_a_csv_value_may_be_long_and_hold_every_character(tmp_path):
    note = "".join(map(chr, range(1, 0x250))) * 400
    (row,) = read(tmp_path / "m.csv", csv_bytes([["uri", "note"], ["/a.png", note]]))
    assert row["note"] == note


@pytest.mark.parametrize("quotes", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_quote_too_many_or_too_few_loses_no_row(tmp_path, quotes):
    """Wherever in a file: as many rows as before, or an error."""
    text = io.StringIO(newline="")
    rows = [
        ["/a.png", "the house", "1"],
        ["/b.png", 'a "big", dog', "2"],
        ["/c.png", "two\nlines", ""],
        ["/d.png", "", "4"],
    ]
    csv.writer(text, quoting=quotes, lineterminator="\n").writerows([["uri", "prompt", "note"], *rows])
    data = text.getvalue().encode()
    damaged = [data[:place] + b'"' + data[place:] for place in range(len(data) + 1)]
    damaged += [data[:place] + data[place + 1 :] for place in range(len(data)) if data[place] == ord('"')]
    refused = 0
    for case in damaged:
        try:
            assert len(read(tmp_path / "m.csv", case)) == len(rows), case
        except ManifestError:
            refused += 1
    assert refused > len(damaged) / 2


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'uri,prompt\na.png,"Grandma at the sea\nb.png,the house\n', ["lines 2 to 3", "never closed"]),
        (b'uri,prompt\na.png,"Grandma at the sea\nb.png,"x"\nc.png,y\n', ["lines 2 to 3", "not closed"]),
        (b'uri,prompt\na.png,"Grandma at the sea\nb.png,the house"\nc.png,y\n', ["lines 2 to 3", "closed too late"]),
        (b'uri,prompt\n\na.png,x\nb.png,a 5" nail\nc.png,y\n', ["line 4", "middle of a value"]),
        (b'uri,prompt\na.png,x\nb.png,say "hi" again\n', ["line 3", "middle of a value"]),
        (b'uri,prompt\na.png, "blank in front"\n', ["line 2", "middle of a value"]),
        (b'"uri,prompt\na.png,x\n', ["lines 1 to 2", "never closed"]),
        (b"uri,prompt\na.png\n", ["line 2", "1 value(s)", "has 2"]),
        (b"uri,prompt\na.png,x\nb.png,x,y\n", ["line 3", "3 value(s)", "has 2"]),
        (b"uri,prompt\n   \na.png,x\n", ["line 2", "1 value(s)"]),
        (b"uri,prompt\ra.png,x\rb.png,y\r", ["line 1", "CR", "tr "]),
        (b"uri,prompt\r\na.png,x\rb.png,y\r\n", ["line 2", "CR", "tr "]),
        (b"uri,prompt\na.png,x\0\n", ["line 2", "NUL"]),
        (b"uri,prompt\na.png,x\nb.png,caf\xe9\n", ["line 3", "not UTF-8 (byte 0xe9)", "iconv -f WINDOWS-1252"]),
        ("uri,prompt\na.png,x\n".encode("utf-16"), ["line 1", "UTF-16", "iconv -f UTF-16"]),
        ("uri,prompt\na.png,x\n".encode("utf-16-le"), ["line 1", "NUL", "iconv -f UTF-16LE"]),
        ("\ufeffuri,prompt\n".encode("utf-32-be"), ["line 1", "UTF-32"]),
        (b"uri, prompt\na.png,x\n", ["' prompt'", "blanks", "'prompt'"]),
        (b"uri,Year,year\na.png,1,2\n", ["['Year', 'year']", "rename"]),
        (b"uri,year,year \na.png,1,2\n", ["['year', 'year ']", "rename"]),
        (b"uri,\na.png,1\n", ["no name"]),
        (b"uri,prompt\r\n", ["no rows"]),
        (b"\n\n", ["no column names"]),
    ],
)
def test_a_csv_that_would_lose_or_change_rows_is_refused_by_line(tmp_path, data, told):
    message = refusal(tmp_path / "m.csv", data)
    assert [part for part in told if part not in message] == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"uri": "a", "uri": "b"}', "key 'uri' is there twice"),
        ('{"uri": "a", "x": {"y": 1, "y": 2}}', "key 'y' is there twice"),
        ('{"uri": "a"} and more', "Extra data"),
        ('{"uri": "a"}{"uri": "b"}', "Extra data"),
        ('{"uri": "a"}\r{"uri": "b"}', "Extra data"),
        ('[{"uri": "a"}]', "jq -c"),
        ("[" * 100_000, "nested too deeply"),
        ('"a.png"', "str where a JSON object"),
        ('{"uri": "a", "x": NaN}', "NaN is no JSON number"),
        ('{"uri": "a", "x": -Infinity}', "-Infinity is no JSON number"),
        ('{"uri": "a", "x": 1e999}', "1e999 is too large"),
        ('{"uri": "a", "x": 123456789012345678901}', "'x' holds what Arrow cannot"),
        ('{"uri": "a", "x": ' + "9" * 5000 + "}", "not JSON"),
        ('{"uri": "a", "x": "text"}', "'x' mixes types"),
        ('{"uri": "\\ud800"}', "surrogates not allowed"),
        ('{"uri": "a\0"}', "NUL"),
    ],
)
def test_a_jsonl_that_would_lose_or_change_rows_is_refused_by_line(tmp_path, line, told):
    message = refusal(tmp_path / "m.jsonl", f'{{"uri": "x.png", "x": 9007199254740993}}\n\n{line}\n'.encode())
    assert "m.jsonl, line 3" in message
    assert told in message


def test_whole_numbers_are_never_rounded(tmp_path, monkeypatch):
    rows = read(tmp_path / "m.jsonl", b'{"uri": "a", "x": 9007199254740993}\n{"uri": "b", "x": -1}\n')
    assert [row["x"] for row in rows] == [9007199254740993, -1]
    halves = b'{"uri": "a", "x": 9007199254740993}\n{"uri": "b", "x": 0.5}\n'
    assert "line 2: column 'x' mixes types" in refusal(tmp_path / "m.jsonl", halves)
    rows = read(tmp_path / "m.csv", b"uri,id,x\na.png,00123,9007199254740993.10\n")
    assert (rows[0]["photo_id"], rows[0]["x"]) == ("00123", "9007199254740993.10")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_a_mark_of_utf_8_and_empty_lines_are_no_content(tmp_path, name, encoding):
    text = "\n\r\nuri,prompt\n\n/caf\u00e9.png,x\r\n\r\n"
    if name == "m.jsonl":
        text = '{"uri": "/caf\u00e9.png", "prompt": "x"}\n\n  \n'
    (row,) = read(tmp_path / name, text.encode(encoding))
    assert (row["uri"], row["prompt"]) == ("/caf\u00e9.png", "x")


def test_text_without_line_ends_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest_text, "LONGEST_LINE", 1000)
    monkeypatch.setattr(manifest_csv, "LONGEST_LINE", 1000)
    lines = "uri,prompt\r" + "a.png,x\r" * 1000
    assert "line 1: longer than" in refusal(tmp_path / "m.csv", lines.encode())
    assert "tr '\\r' '\\n'" in refusal(tmp_path / "m.csv", lines.encode())
    swallowed = 'uri,prompt\na.png,"x\n' + "b.png,y\n" * 1000
    assert "never closed" in refusal(tmp_path / "m.csv", swallowed.encode())
    assert "line 2" in refusal(tmp_path / "m.jsonl", b'{"uri": "a"}\n' + b" " * 2000)


def test_parts_of_a_compressed_file_are_all_read(tmp_path):
    parts = [gzip.compress(b"uri\n/0.png\n"), *(gzip.compress(f"/{n}.png\n".encode()) for n in range(1, 50))]
    assert len(read(tmp_path / "m.csv.gz", b"".join(parts))) == 50
    assert "repair the file" in refusal(tmp_path / "m.csv.gz", b"".join(parts) + b"rest")


PARQUET_VALUES = {
    "text": pa.array(["x", None]),
    "large text": pa.array(["x", "y"], pa.large_string()),
    "text view": pa.array(["x", "y"], pa.string_view()),
    "dictionary": pa.array(["x", "y"]).dictionary_encode(),
    "date": pa.array([datetime.date(1920, 1, 1), None]),
    "time zone": pa.array([1, 2], pa.timestamp("us", "Europe/Berlin")),
    "decimal": pa.array([decimal.Decimal("1.10"), None]),
    "huge": pa.array([2**64 - 1, 0], pa.uint64()),
    "not a number": pa.array([float("nan"), 1.0]),
    "list": pa.array([[1], [2, 3]]),
    "struct": pa.array([{"a": 1.5}, None]),
    "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    "bytes": pa.array([b"\xff", b"x"]),
    "nulls": pa.nulls(2),
}
PARQUET_STRANGERS = {
    "unknown time zone": pa.array([1, 2], pa.timestamp("us", "Nowhere/Town")),
    "after the year 9999": pa.array([2**62, 1], pa.timestamp("us")),
    "nanoseconds": pa.array([1, 1], pa.time64("ns")),
    "late within a list": pa.array([[2**62], [1]], pa.list_(pa.timestamp("us"))),
    "names twice": pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"]),
}


@pytest.mark.parametrize("kind", PARQUET_VALUES)
def test_parquet_columns_of_every_type_are_carried(tmp_path, kind):
    values = PARQUET_VALUES[kind]
    pq.write_table(pa.table({"uri": ["/a.png", "/b.png"], "x": values}), tmp_path / "m.parquet")
    rows = read(tmp_path / "m.parquet", (tmp_path / "m.parquet").read_bytes())
    assert str([row["x"] for row in rows]) == str(values.to_pylist())


@pytest.mark.parametrize("kind", PARQUET_STRANGERS)
def test_parquet_values_that_cannot_be_carried_are_named_by_row(tmp_path, kind):
    pq.write_table(pa.table({"uri": ["/a.png", "/b.png"], "x": PARQUET_STRANGERS[kind]}), tmp_path / "m.parquet")
    message = refusal(tmp_path / "m.parquet", (tmp_path / "m.parquet").read_bytes())
    assert "row 1: column 'x'" in message
    assert "write it as text" in message


@pytest.mark.parametrize("column", ["uri", "id", "prompt"])
@pytest.mark.parametrize(
    "kind", PARQUET_VALUES.keys() - {"text", "large text", "text view", "dictionary", "huge", "nulls"}
)
def test_parquet_columns_that_must_be_text_are_refused_by_type(tmp_path, column, kind):
    table = pa.table({"uri": ["/a.png", "/b.png"]}).drop_columns(["uri"] if column == "uri" else [])
    pq.write_table(table.append_column(column, PARQUET_VALUES[kind]), tmp_path / "m.parquet")
    assert f"column '{column}' holds" in refusal(tmp_path / "m.parquet", (tmp_path / "m.parquet").read_bytes())


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"uri": [None, "a"]}, "row 1: has no URI"),
        ({"uri": pa.nulls(2)}, "row 2: has no URI"),
        ({"uri": pa.array([], pa.string())}, "no rows"),
        ({"link": ["a"]}, "no column 'uri'"),
        ({}, "no column names"),
        ({"uri": ["a"], "Year": [1], "year ": [2]}, "['Year', 'year '] are there twice"),
    ],
)
def test_parquet_without_what_is_needed_is_refused(tmp_path, columns, told):
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    assert told in refusal(tmp_path / "m.parquet", (tmp_path / "m.parquet").read_bytes())


def test_a_parquet_column_that_is_there_twice_is_refused(tmp_path):
    arrays = [pa.array(["a.png"]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(arrays, names=["uri", "year", "year"]), tmp_path / "m.parquet")
    assert "['year'] are there twice" in refusal(tmp_path / "m.parquet", (tmp_path / "m.parquet").read_bytes())


def test_text_that_is_not_utf_8_is_found_in_parquet(tmp_path):
    garbled = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    pq.write_table(pa.table({"uri": ["a.png"], "prompt": garbled}), tmp_path / "m.parquet")
    assert "UTF8" in refusal(tmp_path / "m.parquet", (tmp_path / "m.parquet").read_bytes())


def test_a_bit_that_flipped_within_parquet_is_noticed_where_the_file_has_checksums(tmp_path):
    table, path = pa.table({"uri": ["/one.png", "/two.png"]}), tmp_path / "m.parquet"
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
    damaged = path.read_bytes().replace(b"/two.png", b"/tvo.png")
    assert "CRC" in refusal(path, damaged)


def test_a_name_that_no_file_can_have_is_refused_by_row(tmp_path):
    assert "row 1: uri '/a\\x00.png' holds a NUL" in refusal(tmp_path / "m.jsonl", b'{"uri": "/a\\u0000.png"}\n')


def test_a_parquet_reader_that_loses_rows_is_noticed(tmp_path, monkeypatch):
    pq.write_table(pa.table({"uri": [f"{n}.png" for n in range(10)]}), tmp_path / "m.parquet")
    whole = pq.ParquetFile.iter_batches
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *args, **kwargs: list(whole(*args, **kwargs))[1:])
    monkeypatch.setattr(manifest_formats, "_BATCH_ROWS", 4)
    assert "6 rows where the file's footer says 10" in refusal(
        tmp_path / "m.parquet", (tmp_path / "m.parquet").read_bytes()
    )


def whole_manifest(name: str) -> bytes:
    rows = [
        {"uri": f"/{n}.png", "id": f"0{n}", "prompt": PROMPTS[n], "n": n, "list": [n], "day": f"19{n:02}-01-01"}
        for n in range(10)
    ]
    match name:
        case "m.csv":
            return csv_bytes([list(rows[0]), *([str(value) for value in row.values()] for row in rows)])
        case "m.jsonl":
            return "".join(json.dumps(row) + "\n" for row in rows).encode()
    buffer = io.BytesIO()
    table = pa.Table.from_pylist(rows)
    when = pa.array([n * 10**15 for n in range(10)], pa.timestamp("us", "UTC"))
    pq.write_table(table.append_column("when", when), buffer, compression="snappy")
    return buffer.getvalue()


def mutated(data: bytes, draws: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draws.randint(1, 3)):
        place = draws.randrange(len(changed))
        match draws.randrange(4):
            case 0:
                changed[place] = draws.randrange(256)
            case 1:
                changed[place:place] = bytes([draws.choice(b'",\n\r\0\xff{}[]:0e')])
            case 2:
                del changed[place : place + draws.randint(1, 9)]
            case 3:
                start = draws.randrange(len(changed))
                changed[place:place] = changed[start : start + draws.randint(1, 30)]
    return bytes(changed)


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.parquet"])
def test_damaged_manifests_are_read_or_refused_but_raise_nothing_else(tmp_path, name):
    whole = whole_manifest(name)
    assert len(read(tmp_path / name, whole)) == 10
    refused = 0
    for seed in range(200):
        try:
            read(tmp_path / name, mutated(whole, random.Random(seed)))
        except (ManifestError, StorageError):
            refused += 1
    assert refused > 100


def test_batches_of_jsonl_are_read_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest_jsonl, "_BATCH_ROWS", 3)
    lines = "".join(f'{{"uri": "/{n}.png", "n{n % 2}": {n}}}\n' for n in range(10))
    rows = read(tmp_path / "m.jsonl", lines.encode())
    assert [row["uri"] for row in rows] == [f"/{n}.png" for n in range(10)]
    with pytest.raises(ManifestError, match="line 8: column 'n0' mixes types"):
        read(tmp_path / "m.jsonl", lines.replace('"n1": 7', '"n0": "7"').encode())
