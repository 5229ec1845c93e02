"""CSV whose quotes are closed rows too late, and files that are another format than their names say."""

import csv
import io
import itertools
from pathlib import Path

import pytest
from manifests import rows_of

from pasd_batch.manifests.errors import ManifestError

NAMES = {
    "endings": "/scans/{}.png",
    "capital endings": "/scans/{}.JPG",
    "objects without endings": "s3://scans/{}",
    "numbered names without endings": "/scans/IMG_{:04}",
}
ORDERS = list(itertools.permutations(["uri", "prompt", "note"]))


def refusal(path: Path, data: str) -> str:
    path.write_text(data, newline="")
    with pytest.raises(ManifestError, match=path.name) as error:
        rows_of(path)
    return str(error.value)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("columns", [["uri"], ["uri", "prompt"], ["prompt", "uri"], *map(list, ORDERS)], ids=str)
def test_a_quote_that_is_closed_in_a_later_row_is_refused(tmp_path, columns, names, line_end):
    """In whichever column it is opened, over however many rows, wherever the photos' names stand."""
    values = {"uri": NAMES[names].format, "prompt": "the house".format, "note": "x".format}
    rows = [[values[column](number) for column in columns] for number in range(5)]
    for column, start, stop in itertools.product(range(len(columns)), range(3), range(1, 4)):
        if stop <= start:
            continue
        damaged = [list(row) for row in rows]
        damaged[start][column] = f'"{damaged[start][column]}'
        damaged[stop][column] = f'{damaged[stop][column]}"'
        text = "".join(",".join(row) + line_end for row in [columns, *damaged])
        assert f"lines {start + 2} to {stop + 2}" in refusal(tmp_path / "m.csv", text)


def test_the_same_photo_is_another_row(tmp_path):
    assert "lines 2 to 3" in refusal(tmp_path / "m.csv", 'uri,prompt\na.png,"x\na.png,y"\n')


def test_a_quote_that_is_opened_in_the_column_names_is_refused(tmp_path):
    assert "lines 1 to 2" in refusal(tmp_path / "m.csv", 'uri,"prompt\na.png,x"\nb.png,y\n')


@pytest.mark.parametrize(
    "prompt",
    [
        "two boats,\nred and blue",
        "two boats\nred, blue",
        "1. the house\n2. the garden, with a tree",
        "Roll 1\nRoll 2",
        "a,b,c\nd,e,f\ng,h,i",
        "written by hand:\n\n, and so on",
    ],
)
@pytest.mark.parametrize("columns", ORDERS)
def test_prompts_over_several_lines_are_prompts(tmp_path, columns, prompt):
    row = {"uri": "/scans/1.png", "prompt": prompt, "note": "at home"}
    text = io.StringIO(newline="")
    csv.writer(text).writerows([columns, [row[column] for column in columns]])
    (tmp_path / "m.csv").write_text(text.getvalue(), newline="")
    assert [found["prompt"] for found in rows_of(tmp_path / "m.csv")] == [prompt]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("m.csv", "uri;prompt\na.png;x\n", ["';'", "save it with commas"]),
        ("m.csv", "uri|prompt\na.png|x\n", ["'|'", "save it with commas"]),
        ("m.csv", "sep=;\nuri;prompt\n", ["';'", "save it with commas"]),
        ("m.csv", "uri\tprompt\na.png\tx\n", ["name it .tsv"]),
        ("m.tsv", "uri,prompt\na.png,x\n", ["name it .csv"]),
        ("m.csv", "uri,prompt\na.png,x\nuri,prompt\nb.png,y\n", ["line 3", "the column names again", "two files"]),
        ("m.csv", "uri,prompt\na.png,x\n\ufeffb.png,y\n", ["line 3", "byte order mark"]),
        ("m.csv", "\ufeff\ufeffuri,prompt\na.png,x\n", ["line 1", "byte order mark"]),
        ("m.jsonl", '{"uri": "a.png"}\n\ufeff{"uri": "b.png"}\n', ["line 2", "byte order mark"]),
        ("m.jsonl", '{"uri": "a.png", "x": 1e-400}\n', ["line 1", "1e-400 is too small"]),
    ],
)
def test_text_that_is_written_otherwise_is_refused_by_name(tmp_path, name, text, told):
    message = refusal(tmp_path / name, text)
    assert [part for part in told if part not in message] == []


def test_utf_16_without_its_mark_is_told_with_its_byte_order(tmp_path):
    for encoding in ("utf-16-le", "utf-16-be"):
        (tmp_path / "m.csv").write_bytes("uri\na.png\n".encode(encoding))
        with pytest.raises(ManifestError, match=encoding.upper().replace("-", "").replace("UTF", "UTF-")):
            rows_of(tmp_path / "m.csv")
