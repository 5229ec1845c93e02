"""The page of an audit in real Chromium, opened as a file."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audit_runs import audited_row, commit_audit
from browser import opened
from PIL import Image
from playwright.sync_api import expect

from pasd_batch.audit import dataset
from pasd_batch.audit.groups import groups_of
from pasd_batch.audit.links import LINK_SCHEMA, links_of
from pasd_batch.audit.writing import write_audit
from pasd_batch.config.audit import AuditSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import PLAN_SCHEMA
from pasd_batch.report.run_report import write_report
from pasd_batch.runs.layout import AUDIT_FILE, plan_path, result_path
from pasd_batch.storage.storage import StorageError

HOSTILE = "</script><img src=x onerror=document.title='taken'> \u202etxt.exe"
PHOTOS = 14


def audited_run(root: Path, photos: Path, monkeypatch) -> list[dict]:
    """An audit of small photos: 1 and 2 are blurred, 3 is dark and has a hostile name, 9 is a copy of 4, 5 failed."""
    rows = [audited_row(number, failed=number == 5, shard=number // 4) for number in range(PHOTOS)]
    rows[1] |= {"blur_sigma": 3.0}
    rows[2] |= {"blur_sigma": 5.0}
    rows[3] |= {"photo_id": HOSTILE}
    rows[3]["audit"] |= {"brightness_01": 0.0, "brightness_99": 0.26}
    rows[9]["audit"] |= {name: rows[4]["audit"][name] for name in ("pixel_hash", "perceptual_hash")}
    for number, row in enumerate(rows):
        row["uri"] = str(photos / f"{number}.png")
        Image.fromarray(np.full((40, 60, 3), 18 * number, np.uint8)).save(row["uri"])
    folder, run = commit_audit(root, rows)
    (root / "plan").mkdir()
    for shard in range(run.shards):
        part = rows[shard * 4 : shard * 4 + 4]
        planned = [{"photo_id": row["photo_id"], "uri": row["uri"], "output_path": "x.png"} for row in part]
        pq.write_table(pa.Table.from_pylist(planned, schema=PLAN_SCHEMA), root / plan_path(shard))
    keys = pa.concat_tables([dataset.photo_keys(folder, shard, 4) for shard in range(run.shards)])
    monkeypatch.setattr(dataset, "find_duplicates", lambda *_: groups_of(links_of(keys, 6)))
    write_audit(folder, run, AuditSettings())
    return rows


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    root, photos = tmp_path_factory.mktemp("audit"), tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        audited_run(root, photos, patch)
    write_report(str(root), StorageSettings())
    return root / "report" / "index.html"


def test_issues_are_counted_with_the_most_frequent_first(browser, page_file):
    with opened(browser, page_file) as page:
        lines = page.locator("#issues tbody tr").all_inner_texts()
        told = [line.split("\t")[:2] for line in lines if "\t0\t" not in line]
        assert told == [["blurry", "2"], ["unreadable", "1"], ["exact_duplicate", "1"], ["dark", "1"]]
        assert "blur above 2" in lines[0]
        figures = " ".join(page.locator(".figures").inner_text().split())
        assert figures == "photos 14 with issues 5 duplicates of others 1 unreadable 1 time 13 s"


def test_the_worst_photos_of_an_issue_come_first_and_say_why(browser, page_file):
    with opened(browser, page_file) as page:
        assert page.locator("#photos h3").all_inner_texts() == ["exact_duplicate", "dark", "blurry"]
        captions = page.locator("#photos figcaption").all_inner_texts()
        assert [caption.split("\n")[:2] for caption in captions] == [
            ["photo9", "like photo4"],
            [HOSTILE, "brightness_99 0.26, severity 0.19"],
            ["photo2", "blur 5, severity 0.75"],
            ["photo1", "blur 3, severity 0.25"],
        ]
        picture = page.locator("#photo-2 img")
        assert str(picture.get_attribute("alt")) == "photo2: blurry"
        assert page.evaluate("document.querySelector('#photo-2 img').naturalWidth") == 60


def test_the_list_of_an_issue_is_the_table_and_becomes_a_manifest(browser, page_file):
    with opened(browser, page_file) as page:
        page.locator("#issues a[data-issue=blurry]").click()
        assert page.locator("#shown").inner_text() == "2 of 14 photos"
        assert page.get_by_label("Issue").input_value() == "blurry"
        with page.expect_download() as download:
            page.get_by_role("button", name="Selection as a manifest").click()
        lines = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
        assert [line["id"] for line in lines] == ["photo1", "photo2"]
        page.get_by_role("button", name="Clear").click()
        expect(page.locator("#shown")).to_have_text("14 of 14 photos")
        page.get_by_label("Measure").select_option("blur")
        page.get_by_label("from").fill("4")
        assert page.locator("#rows tbody td").first.inner_text() == "photo2"


def test_hostile_names_stay_text_and_everything_has_a_name_on_a_phone(browser, page_file):
    with opened(browser, page_file, width=360, height=740) as page:
        assert page.title().startswith("Audit of ")
        assert page.locator("main img[src=x]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        nameless = page.evaluate(
            "[...document.querySelectorAll('img:not([alt]), svg:not([aria-label])')].length"
            " + [...document.querySelectorAll('main input, main select')].filter(each => !each.labels.length).length"
        )
        assert nameless == 0


def test_an_audit_without_duplicates_or_rows_that_can_be_read_has_a_page(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "find_duplicates", lambda *_: groups_of(LINK_SCHEMA.empty_table()))
    folder, run = commit_audit(tmp_path, [audited_row(number, failed=True) for number in range(3)])
    write_audit(folder, run, AuditSettings())
    write_report(str(tmp_path), StorageSettings())
    with opened(browser, tmp_path / "report" / "index.html") as page:
        assert "No photo could be measured" in page.locator("#measures").inner_text()
        assert "No photo is shown" in page.locator("#photos").inner_text()


def test_an_audit_of_other_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "find_duplicates", lambda *_: groups_of(LINK_SCHEMA.empty_table()))
    folder, run = commit_audit(tmp_path, [audited_row(number, failed=True) for number in range(12)])
    write_audit(folder, run, AuditSettings())
    shard = tmp_path / result_path(1)
    shard.rename(tmp_path / "results" / "shard-000001.parquet.away")
    with pytest.raises(StorageError, match=r"audit.parquet is not of the rows in results/, some of which are missing"):
        write_report(str(tmp_path), StorageSettings())


def test_an_audit_that_is_not_complete_has_the_page_of_its_rows(browser, tmp_path, page_file):
    commit_audit(tmp_path, [audited_row(number) for number in range(6)])
    write_report(str(tmp_path), StorageSettings(), photos=0)
    assert not (tmp_path / AUDIT_FILE).exists()
    with opened(browser, tmp_path / "report" / "index.html") as page:
        assert page.locator("#shown").inner_text() == "6 of 6 photos"
    summary = (page_file.parent / "summary.md").read_text()
    assert "## Issues\n\n| issue | photos | share | from |" in summary
    assert "| blurry | 2 | 14.3% | blur above 2 |" in summary
