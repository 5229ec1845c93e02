"""The report of a run made by hand: what it counts, and a contact sheet with the right pixels in the right places."""

import base64
import io
import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from report_runs import result_row, run_file, stored_run

from pasd_batch.cli import main
from pasd_batch.config.photos import DecodeLimits
from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import RESULT_SCHEMA, ScoreColumn, result_schema
from pasd_batch.report import run_photos, run_report
from pasd_batch.report.html import pictures, rows_data
from pasd_batch.report.html.digest import DIGEST_COLUMNS
from pasd_batch.report.render import SheetPhoto, contact_sheet, shrunk
from pasd_batch.report.run_report import write_report
from pasd_batch.report.statistics import RunStatistics, to_markdown
from pasd_batch.runs.layout import REPORT_SHEET, shard_file_name
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import Storage

ACCESS = StorageSettings()
SCORES = [
    ScoreColumn("piqe_before", higher_is_better=False),
    ScoreColumn("piqe_after", higher_is_better=False),
    ScoreColumn("fidelity_psnr", higher_is_better=True),
]
COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30), (30, 200, 200), (200, 30, 200)]


def picture(colour: tuple[int, int, int], size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def row(number: int, run: Path, *, failed: bool, in_rows: bool) -> dict:
    values = dict.fromkeys(RESULT_SCHEMA.names) | {
        "photo_id": f"photo{number}",
        "uri": "redacted",
        "status": "failed" if failed else "ok",
        "error_stage": "decode" if failed else None,
        "error_type": "CorruptPhoto" if failed else None,
        "error_message": "the file | is broken;\nfetch it again" if failed else None,
        "config_fingerprint": "c",
        "manifest_fingerprint": "m",
        "software": "s",
        "shard": number // 2,
        "attempt": 0,
        "worker": "w",
        "isolated": False,
        "finished_at": datetime(2026, 1, 2, 3, number, tzinfo=UTC),
        "seconds": {"fetch": 0.5, "restore": float(number)},
        "input_width": 30,
        "input_height": 20,
        "image": None,
    }
    if not failed:
        values |= {"output_path": f"{number}.png", "output_uri": None if in_rows else "x", "tiles": 1}
        values |= {"output_width": 60, "output_height": 40}
        values["scores"] = {"piqe_before": 80.0, "piqe_after": 60.0 + 10 * number, "fidelity_psnr": 30.0}
        if in_rows:
            values["image"] = {"bytes": picture(COLOURS[number], (60, 40)), "path": f"{number}.png"}
    return values


def make_run(folder: Path, *, in_rows: bool = False) -> str:
    """Six photos in three shards, one of them failed; each restored photo has the colour of its source."""
    run = folder / "run"
    storage = Storage.open(str(run))
    for shard in range(3):
        numbers = [2 * shard, 2 * shard + 1]
        for number in numbers:
            (folder / f"{number}.png").write_bytes(picture(COLOURS[number], (30, 20)))
            if not in_rows:
                storage.write(f"images/{number}.png", picture(COLOURS[number], (60, 40)))
        plan = pa.table(
            {
                "photo_id": [f"photo{n}" for n in numbers],
                "uri": [str(folder / f"{n}.png") for n in numbers],
                "output_path": [f"{n}.png" for n in numbers],
            }
        )
        (run / "plan").mkdir(parents=True, exist_ok=True)
        pq.write_table(plan, run / "plan" / shard_file_name(shard))
        rows = [row(number, run, failed=number == 3, in_rows=in_rows) for number in numbers]
        RunFolder(storage, ACCESS).commit(shard, rows, result_schema([], SCORES, with_images=in_rows))
    storage.write("run.json", json.dumps(asdict(run_file(8, shards=4, score_columns=SCORES))).encode())
    return str(run)


def collect(folder: RunFolder) -> RunStatistics:
    statistics = RunStatistics()
    for table in folder.rows(DIGEST_COLUMNS):
        statistics.add(table)
    return statistics


def test_the_summary_counts_failures_scores_and_times(tmp_path):
    statistics = collect(RunFolder.open(make_run(tmp_path), ACCESS))
    assert (statistics.photos, statistics.ok, statistics.failed) == (6, 5, 1)
    pair = statistics.pairs["piqe"]
    assert pair.before.value == 80.0
    assert pair.after.value == pytest.approx(60 + 10 * (0 + 1 + 2 + 4 + 5) / 5)
    assert pair.better == 2
    assert statistics.means["fidelity_psnr"].value == 30.0
    assert [photo.photo_id for photo in sorted(statistics.slowest, reverse=True)][:2] == ["photo5", "photo4"]
    page = to_markdown(statistics, title="Run x", planned=8)
    for part in [
        "6 photos: 5 ok, 1 failed. 2 of 8 planned photos have no row yet.",
        "| 1 | decode | CorruptPhoto | photo3: the file \\| is broken; fetch it again |",
        "| piqe (lower is better) | 80 | 84 | +4 | 2 of 5 photos |",
        "| fidelity_psnr (higher is better) | 30 | 5 |",
        "| photo5 | 30 x 20 | 1 | 5.5 |",
        "from 2026-01-02 03:00 to 2026-01-02 03:05 UTC",
    ]:
        assert part in page, page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("photos/my_rocket (1).jpg", "photos/my_rocket (1).jpg"),
        ("a|b\n\tc", r"a\|b c"),
        ("`rm` **b** _i_ ~~s~~ $x$ #1 @me", r"\`rm\` \*\*b\*\* \_i\_ \~\~s\~\~ \$x\$ \#1 \@me"),
        ("<img src=x onerror=alert(1)> &lt;", "&lt;img src=x onerror=alert(1)&gt; &amp;lt;"),
        ("![x](javascript:y) http://e www.e", r"!\[x\](javascript:y) http\://e www\.e"),
        ("\\| \x1b[2J", r"\\\| \\x1b\[2J"),
    ],
)
def test_names_and_messages_are_text_in_the_summary(tmp_path, text, shown):
    values = row(0, tmp_path, failed=True, in_rows=False) | {"photo_id": text, "error_message": text}
    statistics = RunStatistics()
    statistics.add(pa.Table.from_pylist([values]))
    page = to_markdown(statistics, title=text)
    assert page.startswith(f"# {shown}\n")
    assert f"| 1 | decode | CorruptPhoto | {shown}: {shown} |\n" in page
    assert f"| {shown} | 30 x 20 |  |" in page


def test_the_summary_counts_warnings_and_photos_without_scores(tmp_path):
    folder = RunFolder.open(make_run(tmp_path), ACCESS)
    values = [row(number, tmp_path, failed=number == 11, in_rows=False) for number in range(10, 14)]
    values[0]["warnings"], values[1]["warnings"] = ["its profile is damaged"], ["no end mark"]
    values[2]["scores"] = dict.fromkeys(values[2]["scores"])
    folder.commit(3, values, result_schema([], SCORES, with_images=False))
    statistics = collect(folder)
    assert (statistics.with_warnings, statistics.without_scores) == (2, 1)
    page = to_markdown(statistics, title="Run x")
    assert "2 have warnings (column `warnings`). 1 have no score at all (column `score_errors` says why)." in page


def test_a_run_without_rows_has_a_summary(tmp_path):
    statistics = collect(RunFolder.open(str(tmp_path / "run"), ACCESS))
    assert to_markdown(statistics, title="Run", planned=3) == (
        "# Run\n\n0 photos: 0 ok, 0 failed. 3 of 3 planned photos have no row yet.\n"
    )


@pytest.mark.parametrize("in_rows", [False, True])
def test_the_contact_sheet_shows_each_photo_before_and_after(tmp_path, in_rows):
    run = make_run(tmp_path, in_rows=in_rows)
    written = write_report(run, ACCESS)
    assert written == [f"{run}/report/{name}" for name in ("index.html", "summary.md", "contact_sheet.png")]
    sheet = np.asarray(Image.open(f"{run}/{REPORT_SHEET}").convert("RGB"))
    left, right = sheet[:, : sheet.shape[1] // 2], sheet[:, sheet.shape[1] // 2 :]
    for number, colour in enumerate(COLOURS):
        for side in (left, right):
            count = (np.abs(side.astype(int) - colour).max(axis=-1) <= 1).sum()
            assert count == (0 if number == 3 else 60 * 40)


def test_restored_photos_are_shown_that_are_larger_than_sources_may_be(tmp_path, monkeypatch):
    run = make_run(tmp_path)
    monkeypatch.setattr(run_report, "DecodeLimits", lambda: DecodeLimits(max_pixels=30 * 20))
    write_report(run, ACCESS)
    sheet = np.asarray(Image.open(f"{run}/{REPORT_SHEET}").convert("RGB"))
    assert (np.abs(sheet.astype(int) - COLOURS[0]).max(axis=-1) <= 1).sum() == 2 * 60 * 40


def test_few_photos_are_chosen_from_all_over_the_run(tmp_path):
    run = make_run(tmp_path)
    write_report(run, ACCESS, photos=2)
    sheet = np.asarray(Image.open(f"{run}/{REPORT_SHEET}").convert("RGB"))
    shown = [n for n, colour in enumerate(COLOURS) if (np.abs(sheet.astype(int) - colour).max(axis=-1) <= 1).any()]
    assert shown == [0, 4]


@pytest.mark.parametrize("background", [None, (10, 200, 30)])
def test_transparent_photos_lie_on_one_ground_before_and_after(tmp_path, background):
    """Also where the result has none, as in JPEG, whose ground is the same setting."""
    config = {"output": {"file": {"background": background}}} if background else {}
    run = stored_run(
        tmp_path / "run", [result_row(number) for number in range(2)], config={"mode": "restore", **config}
    )
    ground = background or (255, 255, 255)
    for path, size in ((tmp_path / "0.png", (30, 20)), (tmp_path / "run/images/0.png", (60, 40))):
        Image.new("RGBA", size, (200, 0, 90, 0)).save(path)
    Image.new("RGBA", (30, 20), (200, 0, 90, 0)).save(tmp_path / "1.png")
    Image.new("RGB", (60, 40), ground).save(tmp_path / "run/images/1.png")
    write_report(run.storage.uri(), ACCESS, photos=2)
    sheet = np.asarray(Image.open(tmp_path / "run" / REPORT_SHEET).convert("RGB"))
    assert (sheet == ground).all(axis=-1).sum() == 2 * 2 * 60 * 40
    shown = re.findall(r"data:image/webp;base64,([^\"]*)", (tmp_path / "run/report/index.html").read_text())
    assert len(shown) == 4
    for picture in shown:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")).astype(int)
        assert np.abs(pixels - ground).max() <= 4


def test_a_page_has_at_most_8_megabytes_whatever_its_photos_are(tmp_path, monkeypatch):
    """Noise is what compresses worst; a tenth of the photos in a tenth of the bytes, which takes less time."""
    noise = np.random.default_rng(0).random((360, 480, 3), np.float32)
    monkeypatch.setattr(run_photos, "input_picture", lambda *_: noise)
    monkeypatch.setattr(run_photos, "result_picture", lambda *_: noise)
    monkeypatch.setattr(run_report, "MOST_BYTES", pictures.MOST_BYTES // 10)
    run = stored_run(tmp_path / "run", [result_row(number) for number in range(8)])
    write_report(run.storage.uri(), ACCESS, photos=6)
    page = (tmp_path / "run/report/index.html").read_text()
    shown = re.findall(r"data:image/webp[^\"]*", page)
    assert len(shown) == 12
    assert 200_000 < sum(map(len, shown)) <= pictures.MOST_BYTES // 10
    rest = len(page) - sum(map(len, shown))
    assert pictures.MOST_BYTES + rows_data.MOST_BYTES + 2 * rest < 8_000_000


def test_own_settings_of_photos_come_from_the_plan(tmp_path):
    rows = [result_row(number, settings=f'{{"steps": {number}}}' if number else None) for number in range(4)]
    about = {"settings": {"manifest": {"columns": {"steps": "s"}}}}
    run = stored_run(tmp_path / "run", rows, **about)
    write_report(run.storage.uri(), ACCESS, photos=0)
    page = (tmp_path / "run/report/index.html").read_text()
    assert '"3.png","{\\"steps\\": 3}"]' in page
    assert '"0.png",null]' in page


def test_no_sheet_is_made_where_none_is_wanted(tmp_path, capsys):
    run = make_run(tmp_path)
    assert write_report(run, ACCESS, photos=0) == [f"{run}/report/index.html", f"{run}/report/summary.md"]
    with pytest.raises(ValueError, match="-1 photos"):
        write_report(run, ACCESS, photos=-1)
    assert main(["report", run, "--photos", "-1"]) == 2
    assert "--photos -1 is below 0" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["report"], ["manifest", "-o", "failures.parquet", "--failures-of"], ["status"]])
def test_a_mistyped_run_is_no_run_without_photos(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, str(tmp_path / "typo")]) == 2
    assert "typo/run.json: there is no run; check the path" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_photo_that_is_gone_is_left_out_and_the_others_shown(tmp_path):
    run = make_run(tmp_path)
    (tmp_path / "0.png").unlink()
    (tmp_path / "run/images/1.png").write_bytes(b"broken")
    write_report(run, ACCESS)
    sheet = np.asarray(Image.open(f"{run}/{REPORT_SHEET}").convert("RGB"))
    shown = [n for n, colour in enumerate(COLOURS) if (np.abs(sheet.astype(int) - colour).max(axis=-1) <= 1).any()]
    assert shown == [2, 4, 5]


def test_shrunk_photos_give_the_same_sheet():
    rng = np.random.default_rng(1)
    shapes = [((300, 200), (600, 400)), ((40, 30), (400, 300)), ((90, 900), (180, 1800)), ((30, 20), (60, 40))]
    photos = [SheetPhoto("photo", (rng.random((*before, 3)), rng.random((*after, 3)))) for before, after in shapes]
    small = [shrunk(photo, 256) for photo in photos]
    assert max(side for each in small for image in each.images for side in image.shape[:2]) == 256
    sheets = [np.asarray(contact_sheet(each, title="t", cell=256)) for each in (photos, small)]
    assert np.array_equal(*sheets)


def test_captions_show_control_characters():
    image = np.zeros((20, 300, 3), np.float32)
    plain, hostile = (contact_sheet([SheetPhoto(name, (image, image))], title="t") for name in (r"a\x1b", "a\x1b"))
    np.testing.assert_array_equal(np.asarray(plain), np.asarray(hostile))


def test_sheets_hold_any_shape_and_any_name():
    rng = np.random.default_rng(0)
    shapes = [((1, 1), (2, 2)), ((10, 900), (20, 1800)), ((900, 10), (1800, 20)), ((300, 200), (600, 400))]
    photos = [
        SheetPhoto("n" * 500, (rng.random((*before, 3)), rng.random((*after, 3))), ("x" * 300,))
        for before, after in shapes
    ]
    sheet = contact_sheet(photos, title="t" * 400, cell=256)
    assert 2 * 256 < sheet.width < 2 * 256 + 100
    assert sheet.height > 4 * 40
    with pytest.raises(ValueError, match="needs photos of 2 images, one for each of before, after"):
        contact_sheet([], title="")
    with pytest.raises(ValueError, match="needs photos of 3 images, one for each of input, a, b"):
        contact_sheet(photos, ["input", "a", "b"], title="")


def test_the_report_of_a_run_elsewhere_opens_local_photos_only_where_it_may(tmp_path):
    local = Path(make_run(tmp_path))
    access = StorageSettings(allowed_schemes=frozenset({"memory", "file"}))
    run = f"memory://{tmp_path.name}/run"
    storage = Storage.open(run, access)
    for path in local.rglob("*.*"):
        storage.write(path.relative_to(local).as_posix(), path.read_bytes())
    assert [uri.rpartition("/")[2] for uri in write_report(run, access)] == ["index.html", "summary.md"]
    allowed = access.with_folders({str(tmp_path)})
    assert [uri.rpartition("/")[2] for uri in write_report(run, allowed)] == [
        "index.html",
        "summary.md",
        "contact_sheet.png",
    ]
