"""YAML as settings need it: a key that is given twice is an error, and a few lines cannot stand for millions.

Plain values mean what YAML 1.2 says (its core schema, section 10.3.2), and `40_000_000` is a number: with YAML 1.1
`010` is 8, `1:30` is 90, `yes` is true, and `2024-02-30` is a date that does not exist.
"""

import re
from typing import Any

import yaml
from yaml.composer import ComposerError

_MOST_VALUES = 100_000
"""Values that a document may have when its aliases are written out; no configuration comes near."""


def load_strictly(text: str) -> Any:
    """The values of one YAML document.

    Raises:
        yaml.YAMLError: it is no YAML, sets a key twice, or is too large or too deep when its aliases are written out.
    """
    try:
        return yaml.load(text, _StrictLoader)
    except yaml.MarkedYAMLError as error:
        raise yaml.YAMLError(_told(error)) from None
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    except (ValueError, LookupError, AttributeError) as error:  # PyYAML's, of tags and values that do not go together
        raise yaml.YAMLError(f"a value is not what it should be ({error})") from None


def _told(error: yaml.MarkedYAMLError) -> str:
    """Fault and its place, without the text that stands there, in which there may be credentials."""
    what = ", ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    return what if mark is None else f"{what} (line {mark.line + 1}, column {mark.column + 1})"


class _StrictLoader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name = (key.tag, str(key.value))
            if name in lines:
                problem = f"{key.value!r} is set twice, first in line {lines[name]}; remove one of them"
                raise ComposerError(problem=problem, problem_mark=key.start_mark)
            lines[name] = key.start_mark.line + 1
        return node

    def compose_document(self) -> yaml.Node | None:
        document = super().compose_document()
        if document is not None and _written_out(document, {}) > _MOST_VALUES:
            raise ComposerError(problem=f"its aliases stand for more than {_MOST_VALUES:,} values")
        return document


_PLAIN_VALUES = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0|[1-9][0-9_]*)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    "merge": (r"<<", ["<"]),
}
_StrictLoader.yaml_implicit_resolvers = {}
for _kind, (_written, _beginnings) in _PLAIN_VALUES.items():
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_written})$"), _beginnings)


def _written_out(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values below `node` where every alias is a copy; an alias within itself has no end."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES + 1  # what an alias of a node that it stands in counts for
        parts = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_written_out(part, known) for part in parts)
    return known[id(node)]
