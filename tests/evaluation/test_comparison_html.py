"""The comparison's page in real Chromium, opened as a file."""

import io

import pytest
from browser import opened
from PIL import Image
from report_runs import result_row, stored_run

from pasd_batch.cli import main

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)> \u202etxt.exe"


def rows(gain, **values):
    """Twelve photos whose PIQE after is lower, which is better, by `gain` of their numbers; one has a hostile name."""
    made = [result_row(number) for number in range(12)]
    for number, row in enumerate(made):
        row["scores"]["piqe_after"] -= gain(number)
    made[11] |= {"photo_id": HOSTILE, "warnings": [HOSTILE]}
    return made


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    stored_run(folder / "a", rows(lambda n: 0), colour=(0, 0, 255))
    stored_run(
        folder / "b", rows(lambda n: n - 3.0), colour=(0, 255, 0), manifest=HOSTILE, manifest_fingerprint="n" * 32
    )
    stored_run(folder / "c", rows(lambda n: -n), colour=(255, 0, 255))
    return [str(folder / name) for name in "abc"]


@pytest.fixture(scope="module")
def page_file(runs, tmp_path_factory):
    page = tmp_path_factory.mktemp("page") / "comparison.html"
    assert main(["compare", *runs, "--page", str(page)]) == 0
    return page


def test_the_slider_has_one_result_on_each_side_and_the_input_on_demand(browser, page_file):
    with opened(browser, page_file) as page:
        figure = page.locator("figure", has=page.locator("img-comparison-slider")).first
        assert figure.locator(".reason").inner_text() == "Better in B by piqe"
        assert HOSTILE in figure.locator("figcaption").inner_text()
        slider = figure.locator("img-comparison-slider")
        assert _colours(slider) == ("blue", "green")
        page.get_by_label("Left of the divider").select_option("input")
        assert _colours(slider) == ("red", "green")
        assert figure.locator(".sides").inner_text().split() == ["input", "B"]
        page.get_by_label("Right of the divider").select_option("C")
        assert _colours(slider) == ("red", "magenta")
        page.get_by_label("Right of the divider").select_option("input")
        assert len(set(_colours(slider))) == 2


def test_photos_that_gained_and_lost_most_are_shown_with_their_scores(browser, page_file):
    with opened(browser, page_file) as page:
        reasons = page.locator(".reason").all_inner_texts()
        assert {"Better in B by piqe", "Worse in B by piqe", "Worse in C by piqe"} >= set(reasons)
        lost = page.locator("figure", has_text="worse in B by piqe").first
        assert "photo0" in lost.inner_text()
        assert "piqe_after 40 to 43" in lost.inner_text()


def test_every_run_has_its_scores_and_what_differs(browser, page_file):
    with opened(browser, page_file) as page:
        assert page.locator("#differs tbody tr").count() == 1
        assert HOSTILE in page.locator("#differs").inner_text()
        verdicts = page.locator("#scores tbody tr", has_text="piqe_after")
        assert [row.locator("td").nth(1).inner_text() for row in verdicts.all()] == ["better", "worse"]
        assert page.locator("main img[src=x]").count() == 0
        assert "taken" not in page.title()


def test_it_fits_a_phone_and_everything_has_a_name(browser, page_file):
    with opened(browser, page_file, width=360, height=740) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        nameless = "document.querySelectorAll('img:not([alt]), svg:not([aria-label])').length"
        assert page.evaluate(nameless) == 0


def test_pictures_stand_side_by_side_on_paper(browser, page_file):
    with opened(browser, page_file) as page:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        labels = [place.inner_text() for place in page.locator(".printed").first.locator("div").all()]
        assert labels == ["input", "A", "B", "C"]
        assert not page.locator("img-comparison-slider").first.is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator(".printed").count() == 0


def test_a_run_alone_is_shown_over_its_input(browser, runs, tmp_path):
    page_file = tmp_path / "baseline.html"
    assert main(["compare", runs[0], "-o", str(page_file), "--photos", "2"]) == 0
    with opened(browser, page_file) as page:
        assert page.locator("img-comparison-slider").count() == 2
        assert _colours(page.locator("img-comparison-slider").first) == ("red", "blue")


def test_photos_that_are_gone_are_left_out(runs, tmp_path, caplog):
    gone = stored_run(tmp_path / "d", rows(lambda n: 2.0))
    for picture in (tmp_path / "d" / "images").iterdir():
        picture.unlink()
    assert main(["compare", runs[0], gone.storage.uri(), "-o", str(tmp_path / "page.html")]) == 0
    assert "is not shown in the comparison" in caplog.text
    assert "No photo is shown" in (tmp_path / "page.html").read_text()


def _colours(slider) -> tuple[str, str]:
    """Colours left and right of the divider, from a screenshot."""
    slider.scroll_into_view_if_needed()
    picture = Image.open(io.BytesIO(slider.screenshot())).convert("RGB")
    names = {(True, False, False): "red", (False, True, False): "green", (False, False, True): "blue"}
    pixels = [picture.getpixel((int(picture.width * share), picture.height // 5)) for share in (0.15, 0.85)]
    left, right = (names.get(tuple(level > 127 for level in pixel), "magenta") for pixel in pixels)
    return left, right
