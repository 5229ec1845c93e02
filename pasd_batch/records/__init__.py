"""Types that a photo passes from manifest row to result row, and the schemas of plan and results."""

from pasd_batch.records.description import DESCRIPTION_TYPE, REGION_TYPE, Description, FoundBox, FoundObject
from pasd_batch.records.photo_facts import (
    PASS_TYPE,
    DegradationEstimate,
    ImageFacts,
    PassResult,
    RestorationReport,
    StoredForm,
)
from pasd_batch.records.photo_measures import AUDIT_TYPE, PhotoMeasures
from pasd_batch.records.plan import (
    PLAN_SCHEMA,
    RENAMED_PREFIX,
    RESERVED_COLUMNS,
    URI_COLUMNS,
    PhotoRecord,
    extra_column_name,
    extra_columns,
    plan_schema,
    records_of,
)
from pasd_batch.records.provenance import Provenance, WorkOrigin
from pasd_batch.records.result_row import PhotoFailure, ResultRow, Stage, Status
from pasd_batch.records.result_schema import (
    RESULT_SCHEMA,
    SCORE_METADATA_KEY,
    Score,
    ScoreColumn,
    lacks_scores,
    result_schema,
)

__all__ = [
    "AUDIT_TYPE",
    "DESCRIPTION_TYPE",
    "PASS_TYPE",
    "PLAN_SCHEMA",
    "REGION_TYPE",
    "RENAMED_PREFIX",
    "RESERVED_COLUMNS",
    "RESULT_SCHEMA",
    "SCORE_METADATA_KEY",
    "URI_COLUMNS",
    "DegradationEstimate",
    "Description",
    "FoundBox",
    "FoundObject",
    "ImageFacts",
    "PassResult",
    "PhotoFailure",
    "PhotoMeasures",
    "PhotoRecord",
    "Provenance",
    "RestorationReport",
    "ResultRow",
    "Score",
    "ScoreColumn",
    "Stage",
    "Status",
    "StoredForm",
    "WorkOrigin",
    "extra_column_name",
    "extra_columns",
    "lacks_scores",
    "plan_schema",
    "records_of",
    "result_schema",
]
