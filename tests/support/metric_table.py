"""The table of metrics in docs/metrics.md, made from what is known of them: `make docs` writes it."""

from pathlib import Path

from pyiqa.default_model_configs import DEFAULT_CONFIGS

from pasd_batch.metrics.iqa import METRIC_VARIANTS
from pasd_batch.metrics.meanings import METRIC_MEANINGS
from pasd_batch.metrics.weights import METRIC_NEEDS, NOT_FOR_PHOTOS

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

HEAD = "| metric | meaning and range | better | least side | sees | needs |\n|---|---|---|---:|---|---|\n"


def page() -> str:
    """The whole page."""
    text = PAGE.read_text(encoding="utf-8")
    beginning = text[: text.index("\n## ") + 1]
    sections = [
        ("Against the true photo", [name for name, needs in METRIC_NEEDS.items() if needs.reference]),
        ("Of one photo", [name for name, needs in METRIC_NEEDS.items() if not needs.reference]),
    ]
    parts = [f"## {title}\n\n{HEAD}{''.join(map(_line, names))}" for title, names in sections]
    reasons = "".join(f"| `{name}` | {reason} |\n" for name, reason in NOT_FOR_PHOTOS.items())
    return "\n".join([beginning + parts[0], parts[1], f"## Not among them\n\n| metric | why |\n|---|---|\n{reasons}"])


def _line(name: str) -> str:
    needs = METRIC_NEEDS[name]
    wanted = [*(f"`{file.name}`" for file in needs.files), *needs.repositories, *needs.packages]
    wanted += ["CUDA"] if needs.cuda else []
    sees = "colour" if needs.sees_color else "brightness"
    better = "lower" if _is_lower_better(name) else "higher"
    meaning = METRIC_MEANINGS[name].replace("|", "\\|")
    return f"| `{name}` | {meaning} | {better} | {needs.min_side} | {sees} | {', '.join(wanted) or 'nothing'} |\n"


def _is_lower_better(name: str) -> bool:
    theirs = METRIC_VARIANTS.get(name, (name, {}))[0]
    return theirs not in DEFAULT_CONFIGS or bool(DEFAULT_CONFIGS[theirs].get("lower_better"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
