import io

import pyarrow as pa
import pyarrow.parquet as pq
from result_rows import row

from pasd_batch.records import RESULT_SCHEMA, result_schema
from pasd_batch.runs.row_file import ROW_GROUP_BYTES, encode_rows

IMAGE_SCHEMA = result_schema([pa.field("album", pa.string())], [], with_images=True)


def test_row_groups_are_cut_by_the_bytes_of_their_images():
    half = b"\0" * (ROW_GROUP_BYTES // 2)
    rows = [row(number, image={"bytes": half, "path": f"{number}.png"}) for number in range(5)]
    metadata = pq.read_metadata(io.BytesIO(encode_rows(rows, IMAGE_SCHEMA)))
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [2, 2, 1]


def test_a_shard_of_no_rows_is_a_readable_file():
    assert pq.read_table(io.BytesIO(encode_rows([], RESULT_SCHEMA))).num_rows == 0
