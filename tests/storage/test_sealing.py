"""What URIs hide is sealed in a plan, and opened by whoever has the manifest."""

import pyarrow as pa
import pytest
from manifests import WEB, survey

from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.storage.sealing import WrongPlanKey, has_sealed, plan_key, sealed, unsealed

KEY = plan_key(["one"])
OPEN = ["/a/x sealed:b.jpg", "s3://b/c d (1).jpg", "https://h/a.jpg"]
HIDING = ["https://me:HUSH@h/a.jpg", "https://h/ü.jpg?sig=HUSH", "s3://b/a sealed:b.jpg", "az://c/b?sig=HUSH"]


def plan(uris, references):
    columns = {"photo_id": [str(n) for n in range(len(uris))], "uri": uris, "reference_uri": references}
    columns["color_reference_uri"] = references
    return pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))


def test_what_uris_hide_is_sealed_and_the_rest_stays():
    rows = plan([*OPEN, *HIDING], [None, *HIDING, None, OPEN[1]])
    closed = sealed(rows, KEY)
    assert has_sealed(closed)
    assert "HUSH" not in str(closed.to_pydict())
    assert closed["uri"].to_pylist()[:3] == OPEN
    assert closed["uri"].to_pylist()[3].startswith("https://***@h/a.jpg sealed:")
    assert unsealed(closed, KEY).equals(rows)
    assert sealed(rows, KEY).equals(closed), "planning twice writes the same bytes"


def test_nothing_is_done_where_nothing_is_hidden():
    rows = plan(OPEN, [None, None, OPEN[1]])
    assert sealed(rows, b"") is rows
    assert not has_sealed(rows)


@pytest.mark.parametrize("change", ["key", "photo", "text"])
def test_a_plan_of_another_manifest_is_not_opened(change):
    rows, key = sealed(plan(HIDING, [None] * 4), KEY), KEY
    match change:
        case "key":
            key = plan_key(["another"])
        case "photo":
            rows = rows.set_column(0, "photo_id", pa.array(["3", "2", "1", "0"]))
        case "text":
            rows = rows.set_column(1, "uri", pa.array([f"{uri}AAAA" for uri in rows["uri"].to_pylist()]))
    with pytest.raises(WrongPlanKey, match="belongs to another manifest") as error:
        unsealed(rows, key)
    assert "HUSH" not in str(error.value)


def test_the_key_depends_on_what_is_hidden(tmp_path):
    def key(text: str) -> bytes:
        (tmp_path / "m.csv").write_text(f"uri,prompt\n{text}")
        return survey(ManifestSettings(path=str(tmp_path / "m.csv")), WEB).plan_key

    first = key("https://h/a.jpg?sig=HUSH,x\n")
    assert first == key("https://h/a.jpg?sig=HUSH,y\nb.jpg,\n")
    assert first != key("https://h/a.jpg?sig=HUSS,x\n")
    assert len(first) == 64
