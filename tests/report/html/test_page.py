"""The report page in real Chromium, opened as a file."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from browser import opened
from PIL import Image
from playwright.sync_api import expect
from report_runs import result_row, result_table, run_file

from pasd_batch.report.html.digest import RunDigest
from pasd_batch.report.html.gallery import choose, shown_photo
from pasd_batch.report.html.page import render_page, settings_of
from pasd_batch.report.html.rows_data import RowsData

LINES_OF_PARTS = """(cells) => cells.flatMap((cell) => [...cell.childNodes]).filter((each) => each.data).map((part) => {
  const range = document.createRange();
  range.selectNode(part);
  return range.getClientRects().length;
})"""
HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)> \u202etxt.exe"


def make_page(folder: Path, rows: list[dict], *, photos: int = 8, **about) -> Path:
    digest = RunDigest()
    data = RowsData(lambda number, text: (folder / "data" / f"rows-{number:04d}.js").write_text(text))
    (folder / "data").mkdir(exist_ok=True)
    for start in range(0, len(rows), 1000):
        part = rows[start : start + 1000]
        table = result_table(part)
        own = pa.array([row.get("settings") for row in part], pa.string())
        table = table.append_column("settings", own) if "manifest" in about.get("settings", {}) else table
        digest.add(table)
        data.add(table)
    gallery = [
        (choice, [_shown(row, rows[row]["photo_id"]) for row in choice.rows]) for choice in choose(digest, photos)
    ]
    page = folder / "index.html"
    page.write_text(render_page(run_file(len(rows), **about), "/runs/<b>one</b>", digest, data, gallery))
    return page


def _shown(row: int, name: str):
    before, after = np.zeros((20, 30, 3)), np.zeros((40, 60, 3))
    before[..., 0], after[..., 2] = 1.0, 1.0
    return shown_photo(row, name, before, after, ["30 x 20 to 60 x 40 pixels"], most_bytes=20_000)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    rows = [result_row(number, failed=number % 10 == 9) for number in range(120)]
    rows[3] |= {"photo_id": HOSTILE, "uri": f"/archive/{HOSTILE}.jpg", "warnings": [HOSTILE]}
    rows[9]["error_message"] = HOSTILE
    rows[5]["photo_id"] = '=HYPERLINK("http://evil")'
    return make_page(tmp_path_factory.mktemp("page"), rows)


def test_the_table_sorts_filters_and_pages(browser, page_file):
    with opened(browser, page_file) as page:
        assert page.title() == "Report of /runs/<b>one</b>"
        shown = page.locator("#shown")
        assert shown.inner_text() == "120 of 120 photos"
        first = page.locator("#rows tbody tr").first
        assert first.locator("td").first.inner_text() == "photo0"
        page.get_by_role("button", name="piqe_after").click()
        assert first.locator("td").first.inner_text() == "photo0"
        page.get_by_role("button", name="piqe_after").press("Enter")
        assert first.locator("td").first.inner_text() == "photo58"
        assert page.locator("th[aria-sort=descending]").inner_text().startswith("piqe_after")
        page.get_by_role("button", name="Later").click()
        assert page.locator("#page").inner_text() == "page 2 of 3"
        page.get_by_label("Status").select_option("failed")
        assert shown.inner_text() == "12 of 120 photos"
        page.get_by_role("button", name="Clear").click()
        page.get_by_label("Score").select_option("piqe_after")
        page.get_by_label("from").fill("97")
        assert shown.inner_text() == "4 of 120 photos"
        page.get_by_label("Text").fill("photo118")
        assert shown.inner_text() == "1 of 120 photos"


def test_the_selection_becomes_a_manifest_and_a_table_without_formulas(browser, page_file, tmp_path):
    with opened(browser, page_file) as page:
        page.get_by_label("Status").select_option("failed")
        with page.expect_download() as download:
            page.get_by_role("button", name="Selection as a manifest").click()
        lines = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
        assert lines == [{"id": f"photo{n}", "uri": f"/archive/{n}.jpg"} for n in range(9, 120, 10)]
        page.get_by_label("Status").select_option("")
        with page.expect_download() as download:
            page.get_by_role("button", name="Selection as CSV").click()
        rows = list(csv.DictReader(Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == 120
    assert rows[5]["photo"] == '\'=HYPERLINK("http://evil")'
    assert rows[3]["photo"] == HOSTILE
    assert rows[2]["piqe_after"] == "42"


def test_photos_own_settings_are_columns_of_the_selection(browser, tmp_path):
    rows = [result_row(0, settings='{"steps": 7}'), result_row(1)]
    columns = {"steps": "n", "alpha_a": "a", "scale": None}
    page_file = make_page(tmp_path, rows, settings={"manifest": {"columns": columns}})
    with opened(browser, page_file) as page:
        assert "manifest.columns.steps=steps manifest.columns.alpha_a=alpha_a" in page.locator("#all").inner_text()
        with page.expect_download() as download:
            page.get_by_role("button", name="Selection as a manifest").click()
        lines = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert [(line["steps"], line["alpha_a"]) for line in lines] == [(7, None), (None, None)]


def test_scores_stand_beside_the_photos_and_empty_columns_are_left_out(browser, tmp_path):
    with opened(browser, make_page(tmp_path, [result_row(number) for number in range(3)])) as page:
        headings = [heading.inner_text() for heading in page.locator("#rows th").all()]
    assert headings == [
        *("photo", "status", "piqe_input", "piqe_before", "piqe_after", "fidelity_psnr"),
        *("size", "result size", "tiles", "seconds"),
    ]


def test_scores_that_no_photo_has_are_no_columns(browser, tmp_path):
    scores = {"piqe_input": 50.0, "piqe_before": None, "piqe_after": 41.0, "fidelity_psnr": None}
    with opened(browser, make_page(tmp_path, [result_row(number, scores=scores) for number in range(3)])) as page:
        headings = [heading.inner_text() for heading in page.locator("#rows th").all()]
    assert headings == ["photo", "status", "piqe_input", "piqe_after", "size", "result size", "tiles", "seconds"]


def test_pages_of_files_stay_pages_in_the_manifest_of_a_selection(browser, tmp_path):
    rows = [result_row(number, page=number or None) for number in range(3)]
    with opened(browser, make_page(tmp_path, rows)) as page:
        with page.expect_download() as download:
            page.get_by_role("button", name="Selection as a manifest").click()
        lines = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert [line.get("file_page") for line in lines] == [None, 1, 2]


def test_hostile_names_and_messages_stay_text(browser, page_file):
    with opened(browser, page_file) as page:
        page.get_by_label("Text").fill("onerror")
        assert page.locator("#rows tbody td").first.inner_text() == HOSTILE
        assert page.locator("main img[src=x]").count() == 0
        assert "taken" not in page.title()
        assert HOSTILE in page.locator("#failures").inner_text()


def test_the_slider_shows_the_input_left_and_the_result_right_and_moves_by_keys(browser, page_file):
    with opened(browser, page_file) as page:
        slider = page.locator("img-comparison-slider").first
        left, right = (slider.locator(f"img[slot={slot}]").get_attribute("alt") for slot in ("first", "second"))
        assert str(left).endswith("the input, enlarged")
        assert str(right).endswith("the result")
        slider.scroll_into_view_if_needed()
        assert _colour(page, slider, 0.25) == "red"
        assert _colour(page, slider, 0.75) == "blue"
        slider.focus()
        page.keyboard.down("ArrowRight")
        page.wait_for_timeout(1500)
        page.keyboard.up("ArrowRight")
        assert _colour(page, slider, 0.75) == "red"


def test_a_point_of_the_scatter_leads_to_its_photo(browser, page_file):
    with opened(browser, page_file) as page:
        page.locator("#fidelity circle[data-row='20']").first.dispatch_event("click")
        assert page.locator("tr.chosen td").first.inner_text() == "photo20"


def test_it_fits_a_phone(browser, page_file):
    with opened(browser, page_file, width=360, height=740) as page:
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360


def test_names_break_behind_their_parts_and_ids_not_at_all(browser, tmp_path):
    names = [
        "scans/1911/box-07/IMG_20190304_123456_family_portrait_at_the_lake.jpg",
        "c6a1f0d9e3b24a5f8c7d6e5f4a3b2c1d",
    ]
    page_file = make_page(tmp_path, [result_row(n, photo_id=name, uri=name) for n, name in enumerate(names)])
    for width in (400, 900, 1400):
        with opened(browser, page_file, width=width) as page:
            shown = page.locator("#rows td:first-child bdi")
            assert shown.all_text_contents() == names
            lines = shown.evaluate_all(LINES_OF_PARTS)
            assert set(lines) == {1}, width


def test_every_control_and_picture_has_a_name(browser, page_file):
    with opened(browser, page_file) as page:
        nameless = page.evaluate(
            "[...document.querySelectorAll('img:not([alt]), svg:not([aria-label])')].length"
            " + [...document.querySelectorAll('main button')].filter(each => !each.textContent.trim()).length"
            " + [...document.querySelectorAll('main input, main select')].filter(each => !each.labels.length).length"
        )
        assert nameless == 0


def test_the_rows_of_a_large_run_come_from_files_beside_the_page(browser, tmp_path):
    page_file = make_page(tmp_path, [result_row(number) for number in range(10_050)])
    assert page_file.stat().st_size < 1_000_000
    with opened(browser, page_file) as page:
        expect(page.locator("#shown")).to_have_text("10,000 of 10,000 photos in this part, 10,050 in all")
        page.get_by_label("Rows").select_option("part 2 of 2")
        expect(page.locator("#shown")).to_have_text("50 of 50 photos in this part, 10,050 in all")
        assert page.locator("#rows tbody td").first.inner_text() == "photo10000"


def test_a_run_without_rows_has_a_page(browser, tmp_path):
    with opened(browser, make_page(tmp_path, [])) as page:
        assert "none is restored yet" in page.locator("#photos").inner_text()


def _colour(page, slider, share: float) -> str:
    """Colour at a share of the slider's width, from a screenshot."""
    picture = Image.open(io.BytesIO(slider.screenshot())).convert("RGB")
    red, _, blue = picture.getpixel((int(picture.width * share), picture.height // 4))
    return "red" if red > blue else "blue"


def test_settings_of_passes_have_lines_of_their_own_as_where_runs_are_compared():
    passes = [{"sampling": {"steps": steps}} for steps in (20, 4)]
    config = {"restoration": {"passes": passes}, "output": {"file": {"format": "png"}}}
    assert settings_of(run_file(1, config=config)) == [
        ("output.file.format", "png"),
        ("restoration.passes.0.sampling.steps", "20"),
        ("restoration.passes.1.sampling.steps", "4"),
    ]
