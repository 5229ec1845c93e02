"""What a manifest's rows may not hold, as results show them to everybody, and URIs that have lost a slash."""

import json

import pytest
from manifests import WEB, survey

from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.manifests.errors import ManifestError


def refusal(path, row: dict) -> str:
    path.write_text(f"{json.dumps({'uri': 'a.png'} | row)}\n")
    with pytest.raises(ManifestError) as error:
        survey(ManifestSettings(path=str(path)), WEB)
    return str(error.value)


@pytest.mark.parametrize("column", ["prompt", "thumbnail", "status"])
@pytest.mark.parametrize(
    "text",
    [
        "https://me:HUSH@h/t.png",
        "see https://h/t.png?w=5&sig=HUSH",
        "https://h/t.png?X-Amz-Credential=HUSH",
        "https://h/t.png?x=1&x-goog-signature=HUSH",
        "https://h/t.png?AWSAccessKeyId=HUSH&Expires=1",
        "S3://b/t.png?X-Amz-Security-Token=HUSH",
        "https://h/t.png#access_token=HUSH",
        "https://h/t.png?api_key=HUSH",
        "first https://h/a.png, then https://h/b.png?token=HUSH",
    ],
)
def test_a_column_that_shows_credentials_is_refused_by_row(tmp_path, column, text):
    message = refusal(tmp_path / "m.jsonl", {column: text})
    assert "row 1: its column" in message
    assert "take it out" in message
    assert "HUSH" not in message


@pytest.mark.parametrize(
    "text",
    ["https://h/t.png", "https://h/t.png?w=200&design=1&author=2", "s3://b/t.png", "mail me@h.org: key=1", "a://b c@d"],
)
def test_other_addresses_in_columns_are_carried(tmp_path, text):
    (tmp_path / "m.jsonl").write_text(json.dumps({"uri": "a.png", "page": text}))
    assert survey(ManifestSettings(path=str(tmp_path / "m.jsonl")), WEB).rows == 1


@pytest.mark.parametrize("column", ["uri", "reference_uri", "color_reference_uri"])
@pytest.mark.parametrize("uri", ["https:/me:HUSH@h/a.png", "https:h/a.png?sig=HUSH", "s3:/b/a.png", "file:/a.png"])
def test_a_uri_that_has_lost_a_slash_is_no_local_path(tmp_path, column, uri):
    message = refusal(tmp_path / "m.jsonl", {column: uri})
    assert f"row 1: {column} {uri.partition(':')[0]}:" in message
    assert "write two slashes behind the scheme" in message
    assert "HUSH" not in message


def test_a_file_that_is_called_like_a_scheme_can_be_named(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"uri": "./s3:/b/a.png"}\n{"uri": "s3/a.png"}\n{"uri": "a:b.png"}\n')
    assert survey(ManifestSettings(path=str(tmp_path / "m.jsonl")), WEB).rows == 3


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_list_of_addresses_without_column_names_shows_none_of_them(tmp_path, delimiter):
    (tmp_path / "m.csv").write_text(f"https://me:HUSH@h/a.png?sig=HUSH{delimiter}x\n" * 2)
    with pytest.raises(ManifestError, match=r"m\.csv: an address stands where the column names must be") as error:
        survey(ManifestSettings(path=str(tmp_path / "m.csv")), WEB)
    assert "HUSH" not in str(error.value)
