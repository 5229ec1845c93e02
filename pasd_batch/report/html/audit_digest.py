"""Issues of an audit as its page shows them, gathered in one pass over the rows."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.audit.issues import ISSUES
from pasd_batch.report.html.gallery import Choice

WORST = 24
"""Photos of each issue that are kept to be shown."""


@dataclass(frozen=True)
class Example:
    """A photo with an issue; `duplicate_of` is the photo that it is like."""

    row: int
    severity: float
    value: float | None
    duplicate_of: str | None


@dataclass
class AuditDigest:
    """Number of photos with each issue, and the worst of them."""

    photos: int = 0
    with_issues: int = 0
    duplicates: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    worst: dict[str, list[Example]] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        """Take in rows as `audit_tables.with_audit` gives them, in the plan's order."""
        severities = table["severities"].combine_chunks()
        for issue in ISSUES:
            values = pc.struct_field(severities, issue.name).to_numpy(zero_copy_only=False)
            rows = np.flatnonzero(np.isfinite(values))
            if len(rows):
                self.counts[issue.name] += len(rows)
                self._keep(issue.name, issue.measure, table, rows[np.argsort(-values[rows], kind="stable")][:WORST])
        self.with_issues += int(np.count_nonzero(pc.list_value_length(table["issues"]).to_numpy()))
        self.duplicates += table.num_rows - table["duplicate_of"].null_count
        self.photos += table.num_rows

    def choices(self, photos: int) -> list[Choice]:
        """Up to `photos` of the worst photos in all, no photo for two issues; what cannot be read is not to be seen."""
        shown = [issue.name for issue in ISSUES if issue.name in self.worst and issue.name != "unreadable"]
        choices, taken = [], set[int]()
        for place, name in enumerate(shown):
            share = (photos - len(taken)) // (len(shown) - place)
            rows = [example.row for example in self.worst[name] if example.row not in taken][:share]
            taken.update(rows)
            choices.append(Choice(name, tuple(rows)))
        return [choice for choice in choices if choice.rows]

    def note(self, issue: str, row: int) -> str:
        """Line about a photo that is shown for an issue."""
        example = next(each for each in self.worst[issue] if each.row == row)
        if example.duplicate_of is not None and issue.endswith("_duplicate"):
            return f"like {example.duplicate_of}"
        measure = next(each.measure for each in ISSUES if each.name == issue)
        value = "" if example.value is None else f"{measure} {example.value:.3g}, "
        return f"{value}severity {example.severity:.2f}"

    def _keep(self, issue: str, measure: str, table: pa.Table, rows: np.ndarray) -> None:
        own = table.take(pa.array(rows))
        severities = pc.struct_field(own["severities"].combine_chunks(), issue).to_pylist()
        names = [each.name for each in own.schema.field("scores").type]
        scores = own["scores"].combine_chunks()
        values = pc.struct_field(scores, measure).to_pylist() if measure in names else [None] * len(rows)
        others = own["duplicate_of"].to_pylist()
        examples = map(Example, (self.photos + rows).tolist(), severities, values, others)
        ranked = sorted([*self.worst.get(issue, []), *examples], key=lambda each: (-each.severity, each.row))
        self.worst[issue] = ranked[:WORST]
