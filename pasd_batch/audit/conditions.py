"""Conditions on the columns of an audit, such as `blur < 2 and noise < 10`, as pyarrow expressions.

Python's own parser takes them apart, and nothing is run: a node that is not listed here is refused.
"""

import ast
import operator
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.audit.issues import ISSUES
from pasd_batch.errors import PasdBatchError

_LONGEST = 10_000
_ISSUES = frozenset(issue.name for issue in ISSUES)
_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], pc.Expression]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_NOTHING = ("null", "none")
_EXAMPLE = 'such as: blur < 2 and noise < 10 and not dark and format in ("JPEG", "TIFF") and camera is not null'


class InvalidCondition(PasdBatchError):
    """A condition that cannot be understood, or names what is not there; the message says which part."""


def parse_condition(text: str) -> ast.expr:
    """The condition's parts; its names are not looked at.

    Raises:
        InvalidCondition: it is no expression.
    """
    if len(text) > _LONGEST:
        raise InvalidCondition(f"a condition of {len(text):,} characters; write it in {_LONGEST:,} at most")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        hint = "; write == for equality" if "=" in text and "==" not in text else ""
        raise InvalidCondition(f"{text!r} is no condition ({error}){hint}; one is {_EXAMPLE}") from None


def names_in(parsed: ast.expr) -> list[str]:
    """Names of columns and issues that a condition has."""
    subscripts = [node for node in ast.walk(parsed) if isinstance(node, ast.Subscript)]
    named = [_column_of(node) for node in subscripts]
    inner = {id(node.value) for node in subscripts}
    names = [node.id for node in ast.walk(parsed) if isinstance(node, ast.Name) and id(node) not in inner]
    return [*named, *(name for name in names if name.lower() not in _NOTHING)]


def refuse_unknown(parsed: ast.expr, known: Sequence[str]) -> None:
    """Make sure that all names are known: columns, scores, or issues.

    Raises:
        InvalidCondition: naming one that is not, the one that is meant perhaps, and all there are.
    """
    every = list(dict.fromkeys([*known, *_ISSUES]))
    for name in names_in(parsed):
        if name not in every:
            near = get_close_matches(name, every, n=1)
            meant = f"is {near[0]} meant? " if near else ""
            raise InvalidCondition(f"there is no column {name!r}; {meant}there are: {', '.join(sorted(every))}")


def expression_of(parsed: ast.expr, schema: pa.Schema) -> pc.Expression:
    """The condition for rows of an audit with this schema; true for an issue that a photo has.

    A comparison with what is unknown (null) is unknown, and a photo for which all of it is unknown is not taken.

    Raises:
        InvalidCondition: a name is not there, or a comparison makes no sense.
    """
    refuse_unknown(parsed, known_names(schema))
    return _truth(parsed, schema)


def known_names(schema: pa.Schema) -> list[str]:
    """Names that conditions on rows of an audit may have, besides those of issues."""
    hidden = ("issues", "severities", "scores")
    scores = [field.name for field in schema.field("scores").type] if "scores" in schema.names else []
    return [*(name for name in schema.names if name not in hidden), *scores]


def _truth(node: ast.expr, schema: pa.Schema) -> pc.Expression:
    match node:
        case ast.BoolOp(op, values):
            join = operator.and_ if isinstance(op, ast.And) else operator.or_
            joined = _truth(values[0], schema)
            for value in values[1:]:
                joined = join(joined, _truth(value, schema))
            return joined
        case ast.UnaryOp(ast.Not(), operand):
            return ~_truth(operand, schema)
        case ast.Compare(left, operators, rights):
            terms = [left, *rights]
            parts = [_comparison(*each, schema) for each in zip(terms, operators, rights, strict=False)]
            joined = parts[0]
            for part in parts[1:]:
                joined = joined & part
            return joined
        case ast.Name() | ast.Subscript():
            field, kind = _field(node, schema)
            if kind != pa.bool_():
                raise InvalidCondition(f"{_shown(node)} is {_of(kind)}, not true or false; compare it, {_EXAMPLE}")
            return field
        case _:
            raise InvalidCondition(f"{_shown(node)} is nothing that a condition may have; one is {_EXAMPLE}")


def _comparison(left: ast.expr, how: ast.cmpop, right: ast.expr, schema: pa.Schema) -> pc.Expression:
    if isinstance(how, ast.Is | ast.IsNot):
        if not _is_nothing(right):
            raise InvalidCondition(f"{_shown(right)} behind `is`: only null may stand there")
        field, _ = _field(left, schema)
        return field.is_null() if isinstance(how, ast.Is) else field.is_valid()
    if isinstance(how, ast.In | ast.NotIn):
        field, kind = _field(left, schema)
        if not isinstance(right, ast.Tuple | ast.List):
            raise InvalidCondition(f'{_shown(right)} behind `in`: a list is needed, such as ("JPEG", "TIFF")')
        values = pa.array([_constant(each, kind).as_py() for each in right.elts], kind)
        among = field.isin(values)
        return (among if isinstance(how, ast.In) else ~among) & field.is_valid()
    if _is_column(left) and _is_column(right):
        (first, one), (second, other) = _field(left, schema), _field(right, schema)
        if _of(one) != _of(other):
            raise InvalidCondition(
                f"{_shown(left)} is {_of(one)}, {_shown(right)} {_of(other)}; they cannot be compared"
            )
        return _OPERATORS[type(how)](first, second)
    if _is_column(left):
        field, kind = _field(left, schema)
        return _OPERATORS[type(how)](field, _constant(right, kind))
    field, kind = _field(right if _is_column(right) else left, schema)  # which is told if neither is one
    return _OPERATORS[type(how)](pc.scalar(_constant(left, kind)), field)


def _field(node: ast.expr, schema: pa.Schema) -> tuple[pc.Expression, pa.DataType]:
    if not _is_column(node):
        raise InvalidCondition(f"{_shown(node)}: a column's name is needed there, {_EXAMPLE}")
    name = node.id if isinstance(node, ast.Name) else _column_of(node)
    if name in schema.names:
        return pc.field(name), schema.field(name).type
    if name in _ISSUES:
        return pc.field("severities", name).is_valid(), pa.bool_()
    return pc.field("scores", name), pa.float64()


def _constant(node: ast.expr, kind: pa.DataType) -> pa.Scalar:
    """A number, text or truth as the type of the column that it is compared with."""
    value: Any = None
    match node:
        case ast.Constant(bool() | int() | float() | str() as found):
            value = found
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as found)) if not isinstance(found, bool):
            value = -found
        case _:
            raise InvalidCondition(f"{_shown(node)}: a number or a text in quotes is needed there, {_EXAMPLE}")
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    fits = isinstance(value, int | float) if is_number else isinstance(value, str)
    if isinstance(value, bool) or kind == pa.bool_():
        fits = isinstance(value, bool) and kind == pa.bool_()
    try:
        if not fits:
            raise InvalidCondition(f"{_shown(node)} is compared with {_of(kind)}; write {_written(kind)}")
        return pa.scalar(float(value)) if is_number else pa.scalar(value).cast(kind)
    except (pa.ArrowException, OverflowError):
        raise InvalidCondition(f"{_shown(node)} is compared with {_of(kind)}; write {_written(kind)}") from None


def _column_of(node: ast.expr) -> str:
    match node:
        case ast.Subscript(ast.Name("column"), ast.Constant(str() as name)):
            return name
        case _:
            raise InvalidCondition(f'{_shown(node)}: write a name that is no plain word as column["..."]')


def _is_column(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and not _is_nothing(node)) or isinstance(node, ast.Subscript)


def _is_nothing(node: ast.expr) -> bool:
    named = isinstance(node, ast.Name) and node.id.lower() in _NOTHING
    return named or (isinstance(node, ast.Constant) and node.value is None)


def _of(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "a number"
    return "a time" if pa.types.is_temporal(kind) else "a text"


def _written(kind: pa.DataType) -> str:
    return {
        "a number": "a number, such as 2.5",
        "a time": '"2001-12-31" or "2001-12-31 23:59:59"',
        "true or false": "the name alone, or `not` before it",
    }.get(_of(kind), "a text in quotes")


def _shown(node: ast.expr) -> str:
    return f"`{ast.unparse(node)}`"
