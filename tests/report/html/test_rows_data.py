import json

from report_runs import result_row, result_table

from pasd_batch.report.html.rows_data import COLUMNS, ROWS_A_FILE, RowsData, script_json


def rows_of(numbers) -> RowsData:
    files: dict[int, str] = {}
    rows = RowsData(files.__setitem__)
    for start in range(0, len(numbers), 1000):
        rows.add(result_table([result_row(number) for number in numbers[start : start + 1000]]))
    rows.stored = files  # type: ignore[attr-defined]
    return rows


def test_the_rows_of_a_small_run_are_within_the_page():
    rows = rows_of(range(3))
    assert [row[0] for row in rows.within_page()] == ["photo0", "photo1", "photo2"]
    assert rows.within_page()[1][len(COLUMNS)] == [50.0, 80.0, 41.0, 31.0]
    assert rows.files == 0


def test_the_rows_of_a_large_run_are_all_in_files_each_once():
    count = ROWS_A_FILE + 5
    rows = rows_of(range(count))
    assert rows.within_page() == []
    found = []
    for number, text in sorted(rows.stored.items()):
        place, first, values = json.loads("[" + text.removeprefix("pasdRows(").removesuffix(");\n") + "]")
        assert (place, first) == (number, len(found))
        found += [row[0] for row in values]
    assert found == [f"photo{number}" for number in range(count)]


def test_columns_without_content_are_known():
    rows = rows_of(range(3))
    assert rows.filled - {*rows.score_names} == {"photo", "status", "size", "result size", "tiles", "seconds"}


def test_scores_that_no_photo_has_are_known():
    names = rows_of(range(1)).score_names
    rows = RowsData(lambda number, text: None)
    rows.add(result_table([result_row(0) | {"scores": dict.fromkeys(names) | {names[0]: 1.0}}]))
    assert rows.filled & {*names} == {names[0]}


def test_no_text_ends_a_script_element():
    hostile = "</script><!-- &amp; \u2028 \ud800"
    text = script_json([hostile])
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == [hostile]
    text.encode()
