"""Columns of audit.parquet: documented, and free of names that mean two things."""

from audit_tables import PAGE, with_tables

from pasd_batch.audit.columns import NAMES, extra_name
from pasd_batch.audit.issues import ISSUES


def test_the_page_has_every_column_and_issue():
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), "make docs"


def test_a_name_is_a_column_or_an_issue_and_if_both_they_say_the_same():
    assert len(set(NAMES)) == len(NAMES)
    both = [issue for issue in ISSUES if issue.name in NAMES]
    assert [(issue.name, issue.measure) for issue in both] == [("grayscale", "grayscale")]


def test_columns_of_a_manifest_get_other_names_where_they_would_be_taken_for_measures():
    assert [extra_name(name) for name in ("album", "Blur", "scores", "dark", "year")] == [
        "album",
        "manifest_Blur",
        "manifest_scores",
        "manifest_dark",
        "year",
    ]
