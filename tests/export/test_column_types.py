"""Columns of every type that a manifest may have, as the formats' libraries take them and give them back."""

import decimal
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from export_readers import READERS

from pasd_batch.export.column_types import held
from pasd_batch.export.formats import ExportFailed
from pasd_batch.export.parts import encode_huggingface
from pasd_batch.export.tables import export_delta, export_iceberg, export_lance, told_as_failure
from pasd_batch.records.result_row import IMAGE_TYPE

UTC_2 = datetime(2020, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
MOMENT = datetime(2020, 1, 1, 10)
COLUMNS = {
    "u8": (pa.array([255, None], pa.uint8()), 255),
    "u32": (pa.array([2**32 - 1, None], pa.uint32()), 2**32 - 1),
    "u64": (pa.array([2**64 - 1, None], pa.uint64()), decimal.Decimal(2**64 - 1)),
    "half": (pa.array([1.5, None], pa.float16()), 1.5),
    "pandas": (pa.array([MOMENT, None], pa.timestamp("ns")), MOMENT),
    "zone": (pa.array([UTC_2, None], pa.timestamp("ms", "Europe/Berlin")), UTC_2),
    "day": (pa.array([date(2020, 1, 1), None], pa.date64()), date(2020, 1, 1)),
    "time": (pa.array([3_600_000, None], pa.time32("ms")), "01:00:00"),
    "took": (pa.array([90, None], pa.duration("s")), "0:01:30"),
    "category": (pa.array(["x", None]).dictionary_encode(), "x"),
    "map": (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())), '[["k", 1]]'),
    "deep": (pa.array([[{"n": 7}], None], pa.list_(pa.struct([("n", pa.uint16())]))), [{"n": 7}]),
    "nothing": (pa.nulls(2), None),
    "exif.date (\u00fc)": (pa.array(["a", None]), "a"),
}
TABLE = pa.table({"photo_id": ["0", "1"], **{name: column for name, (column, _) in COLUMNS.items()}})


class Rows:
    """Rows of a run, as exports of tables ask for them."""

    schema, identity = TABLE.schema, "this run"

    def tables(self):
        return iter([TABLE.slice(0, 1), TABLE.slice(1)])


def export_huggingface(_, target):
    folder = Path(target, "data")
    folder.mkdir(parents=True)
    images = TABLE.append_column("image", pa.nulls(2, IMAGE_TYPE))
    (folder / "train-00000-of-00001.parquet").write_bytes(encode_huggingface(images))


EXPORTS = {"huggingface": export_huggingface, "lance": export_lance, "delta": export_delta, "iceberg": export_iceberg}


@pytest.mark.parametrize("to", EXPORTS)
def test_values_of_every_type_are_read_back(tmp_path, to):
    EXPORTS[to](Rows(), str(tmp_path / "out"))
    first, second = sorted(READERS[to](tmp_path / "out"), key=lambda row: row["photo_id"])
    for name, (_, expected) in COLUMNS.items():
        shown = name.replace(".", "_") if to == "lance" else name
        assert first[shown] == expected, name
        # pyiceberg 0.12 writes no list of structures as an empty one.
        assert second[shown] == ([] if (to, name) == ("iceberg", "deep") else None), name


@pytest.mark.parametrize("to", [each for each in EXPORTS if each != "huggingface"])
def test_nanoseconds_are_refused_and_not_cut_off(tmp_path, monkeypatch, to):
    table = pa.table({"photo_id": ["0"], "at": pa.array([1], pa.timestamp("ns"))})
    monkeypatch.setattr(Rows, "schema", table.schema)
    monkeypatch.setattr(Rows, "tables", lambda _: iter([table]))
    with (
        pytest.raises(ExportFailed, match=r"column 'at' \(timestamp\[ns\]\) is no timestamp") as caught,
        told_as_failure("out"),
    ):
        EXPORTS[to](Rows(), str(tmp_path / "out"))
    assert "Traceback" not in str(caught.value)


def test_types_that_every_format_has_stay():
    kinds = [
        pa.int8(),
        pa.int64(),
        pa.float32(),
        pa.bool_(),
        pa.string(),
        pa.binary(4),
        pa.decimal128(9, 2),
        pa.date32(),
    ]
    schema = pa.schema([(str(kind), kind) for kind in kinds])
    assert held(schema.empty_table()).schema == schema
