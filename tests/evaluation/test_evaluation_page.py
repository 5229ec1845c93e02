"""The page of an evaluation in a real browser."""

import pytest
from browser import opened
from made_up_outcome import made_up_outcome

from pasd_batch.evaluation.html_page import evaluation_page


@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_from_a_file_and_fits_a_phone(browser, tmp_path, width):
    file = tmp_path / "index.html"
    file.write_text(evaluation_page(made_up_outcome(), str(tmp_path), comparison="comparison.html"))
    with opened(browser, file, width=width) as page:
        assert page.locator("h2").all_inner_texts() == ["DIV2K-val, 2 photos", "Photos"]
        assert page.locator("#set-1 tbody").first.locator("tr").count() == 8  # plain, three variants, four published
        assert page.locator("polyline").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.get_by_role("link", name="The variants side by side").focus()


def test_the_command_of_a_report_can_be_pasted_into_a_shell():
    page = evaluation_page(made_up_outcome(), "/archive/of ours", comparison=None)
    assert "pasd-batch report &#39;/archive/of ours/runs/VARIANT&#39;" in page
