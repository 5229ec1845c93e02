"""The tables of docs/audit.md, made from the definitions of issues and columns: `make docs` writes them."""

import re
from pathlib import Path

from result_table import type_text

from pasd_batch.audit.columns import COLUMNS
from pasd_batch.audit.issues import ISSUES, Issue
from pasd_batch.config.audit import AuditSettings

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


def with_tables(page: str) -> str:
    """A page with its tables as they should be, each between two comments."""
    for name, lines in (("issues", _issues()), ("columns", _columns())):
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        assert len(between.findall(page)) == 1, name
        page = between.sub(lambda found, lines=lines: found[1] + "\n".join(lines) + "\n" + found[2], page)
    return page


def _issues() -> list[str]:
    head = ["| issue | a photo that | told from | severity 1 from |", "|---|---|---|---|"]
    return head + [f"| `{issue.name}` | {issue.meaning} | {_from(issue)} | {_worst(issue)} |" for issue in ISSUES]


def _from(issue: Issue) -> str:
    setting = getattr(AuditSettings(), issue.name, None)
    if issue.name == "near_duplicate":
        return f"up to {setting} of 64 bits differ"
    if issue.severity_of_all is not None:
        return ""
    return f"`{issue.measure}` {'below' if issue.below else 'above'} {setting:g}"


def _worst(issue: Issue) -> str:
    if issue.severity_of_all is not None:
        return f"always {issue.severity_of_all:g}"
    return "0 bits" if issue.name == "near_duplicate" else f"{issue.worst:g}"


def _columns() -> list[str]:
    head = ["| column | type | what it is |", "|---|---|---|"]
    return head + [f"| `{column.name}` | {_type(column.type)} | {column.description} |" for column in COLUMNS]


def _type(kind) -> str:
    return "struct of float" if str(kind).startswith("struct") else type_text(kind).replace(" (None)", "")


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
