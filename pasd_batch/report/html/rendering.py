"""Templates and assets of the pages; whatever values hold stays text."""

import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: Any) -> str:
    """The page that a template makes of values, by their names in it."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pasd_batch.report.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: "" if value is None else f"{value:.4g}"
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["duration"] = _duration
    environment.filters["breakable"] = _breakable
    environment.globals["asset"] = _asset
    return environment


def _breakable(name: str, behind: str = "/_-") -> Markup:
    """A name or path that breaks behind its parts, if it has to; `behind` are the characters that they end in."""
    return Markup("<wbr>").join(re.split(f"(?<=[{re.escape(behind)}])", name))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


@cache
def _asset(name: str) -> Markup:
    """A script or style of this package, as it stands in the page."""
    return Markup(files("pasd_batch.report.html").joinpath("assets", name).read_text())
