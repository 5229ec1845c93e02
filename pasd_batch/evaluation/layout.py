"""Layout of an evaluation's folder: the path of everything in it, relative to its root.

sets/NAME/test_LR, test_HR     photos that were degraded here, and set.json, which says how
manifest.parquet               all pairs
runs/VARIANT/                  a run, like any other
features/                      features of pictures, in parts
report/                        the tables: index.html, evaluation.md, .csv, .json, and comparison.html
"""

INPUTS, TRUTHS = "test_LR", "test_HR"
MANIFEST = "manifest.parquet"
MANIFEST_WITHOUT_CAPTIONS = "manifest-without-captions.parquet"
REPORT = "report"
PAGE = f"{REPORT}/index.html"
COMPARISON_NAME = "comparison.html"
COMPARISON = f"{REPORT}/{COMPARISON_NAME}"
MARKDOWN = f"{REPORT}/evaluation.md"
CSV = f"{REPORT}/evaluation.csv"
JSON = f"{REPORT}/evaluation.json"


def set_folder(name: str) -> str:
    """Folder of a set that was degraded here."""
    return f"sets/{name}"


def run_folder(variant: str) -> str:
    """Folder of a variant's run."""
    return f"runs/{variant}"


def feature_path(source: str, test_set: str, part: int) -> str:
    """Path of a part's features; `source` says what the pictures are."""
    return f"features/inception/{source}/{test_set}/part-{part:05d}.npz"
