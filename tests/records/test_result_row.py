"""Result columns: one definition for schema, values and documentation."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa
from result_table import PAGE, table, with_table

from pasd_batch.records import (
    PLAN_SCHEMA,
    RESULT_SCHEMA,
    ImageFacts,
    PhotoFailure,
    Provenance,
    RestorationReport,
    ResultRow,
    ScoreColumn,
    Stage,
    Status,
    WorkOrigin,
    result_schema,
)
from pasd_batch.records.columns import columns_of, result_column

ALBUM = pa.field("album", pa.string())
PSNR = ScoreColumn("fidelity_psnr", higher_is_better=True, description="against the input", source="torch")
REPORT = RestorationReport(
    steps=20,
    guidance_scale=9.0,
    conditioning_scale=1.0,
    kept_frequencies=0.25,
    severity=0.75,
    alpha_a=0.1,
    negative_prompt="blurry",
    tiles=4,
    tile_size=96,
    tile_batch=2,
    out_of_memory_retries=1,
    float32_retry=False,
)


def begun(kind=ResultRow, **values):
    return kind(
        photo_id="a",
        uri="/a.jpg",
        provenance=Provenance("config", "manifest", None, "pasd_batch 0"),
        origin=WorkOrigin(3, 1, "host/1"),
        finished_at=datetime(2026, 1, 1, tzinfo=UTC),
        **values,
    )


def restored(**values):
    facts = ImageFacts("5a" * 32, 900, "PNG", 20, 10)
    return begun(input=facts, output=facts, output_path="a.png", restoration=REPORT, prompt_used="sharp", **values)


def test_a_row_has_a_value_for_every_column_of_its_type():
    row = restored(seconds={Stage.FETCH: 0.5}, warnings=["no profile"], scores={"fidelity_psnr": 30.0})
    schema = result_schema([], [PSNR], with_images=False)
    (read,) = pa.Table.from_pylist([row.values()], schema=schema).to_pylist()
    assert (read["status"], read["shard"], read["attempt"], read["model_fingerprint"]) == ("ok", 3, 1, None)
    assert (read["input_width"], read["output_bytes"], read["output_format"]) == (20, 900, "PNG")
    assert (read["tiles"], read["float32_retry"], read["scores"]) == (4, False, {"fidelity_psnr": 30.0})
    assert read["seconds"] == dict.fromkeys(read["seconds"]) | {"fetch": 0.5}
    for each in (row, begun()):
        assert list(each.values()) == [column.name for column in columns_of(ResultRow)]


def test_a_failed_photo_has_no_result_however_far_it_came():
    failed = replace(restored(), status=Status.FAILED, failure=PhotoFailure(Stage.ENCODE, "PhotoError", "too large"))
    (read,) = pa.Table.from_pylist([failed.values()], schema=RESULT_SCHEMA).to_pylist()
    assert (read["error_stage"], read["error_type"], read["error_message"]) == ("encode", "PhotoError", "too large")
    assert read["input_bytes"] == 900
    of_result = [column.name for column in columns_of(ResultRow) if column.of_result and not column.optional]
    assert {"output_path", "output_sha256", "prompt_used", "tiles", "score_errors"} <= set(of_result)
    assert {read[name] for name in of_result} == {None}


def test_values_do_not_change_when_the_row_does():
    row = restored()
    values = row.values()
    row.warnings.append("late")
    row.seconds[Stage.STORE] = 9.0
    row.output = None
    assert (values["warnings"], values["seconds"], values["output_bytes"]) == ([], {}, 900)


@dataclass(kw_only=True)
class WithSharpness(ResultRow):
    """A row with one more column."""

    sharpness: float | None = result_column(pa.float64(), "How sharp it is.", of_result=True, default=None)


def test_a_new_column_is_its_definition_and_where_it_is_set():
    row = begun(WithSharpness)
    row.sharpness = 0.5
    assert row.values()["sharpness"] == 0.5
    assert replace(row, status=Status.FAILED).values()["sharpness"] is None
    assert list(columns_of(WithSharpness))[-1].name == "sharpness"
    assert "| `sharpness` | double | How sharp it is. |\n" in table(WithSharpness)


def test_the_documented_columns_are_those_that_are_defined():
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page, "`make docs` writes the table of docs/results.md from the definitions"


def test_the_result_schema_starts_with_the_fixed_columns_and_ends_with_the_manifests():
    schema = result_schema([ALBUM], [PSNR], with_images=True)
    assert schema.names == [*RESULT_SCHEMA.names, "scores", "image", "album"]
    assert set(PLAN_SCHEMA.names) - {"settings"} <= set(schema.names)
    assert json.loads(schema.metadata[b"pasd_batch.scores"])["fidelity_psnr"]["higher_is_better"] is True


def test_a_run_without_metrics_has_no_scores_column():
    assert "scores" not in result_schema([], [], with_images=False).names
