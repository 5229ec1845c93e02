"""Conditions on rows of an audit: what they select, and what is refused with a word that helps."""

from datetime import datetime

import pyarrow as pa
import pytest

from pasd_batch.audit.conditions import InvalidCondition, expression_of, names_in, parse_condition

ROWS = [
    {"blur": 1.0, "noise": 2.0, "format": "JPEG", "dark": True, "taken": datetime(1999, 5, 1), "maniqa": 0.3},
    {"blur": 3.0, "noise": 2.0, "format": "PNG", "dark": False, "taken": datetime(2005, 5, 1), "maniqa": 0.5},
    {"blur": None, "noise": 20.0, "format": "TIFF", "dark": False, "taken": None, "maniqa": None},
    {"blur": 2.0, "noise": 12.0, "format": None, "dark": True, "taken": datetime(2001, 1, 1), "maniqa": 0.9},
]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    severities = pa.struct([("dark", pa.float32())])
    scores = pa.struct([("maniqa-pipal", pa.float64())])
    return pa.table(
        {
            "blur": [row["blur"] for row in ROWS],
            "noise": [row["noise"] for row in ROWS],
            "width": pa.array([10, 20, 30, 40], pa.int32()),
            "format": [row["format"] for row in ROWS],
            "grayscale": [False, True, None, False],
            "taken_at": pa.array([row["taken"] for row in ROWS], pa.timestamp("us")),
            "my album": ["a", "b", "a", "c"],
            "issues": pa.array([[]] * 4, pa.list_(pa.string())),
            "severities": pa.array([{"dark": 0.5 if row["dark"] else None} for row in ROWS], severities),
            "scores": pa.array([{"maniqa-pipal": row["maniqa"]} for row in ROWS], scores),
        }
    )


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("blur < 2 and noise < 10", [0]),
        ("blur <= 2 and noise < 15", [0, 3]),
        ("not blur < 2", [1, 3]),
        ("not (blur < 2 or noise > 10)", [1]),
        ("1 < blur < 3", [3]),
        ("2 >= blur", [0, 3]),
        ("blur is null", [2]),
        ("blur is not null and not dark", [1]),
        ("blur is None", [2]),
        ("dark", [0, 3]),
        ("not dark", [1, 2]),
        ("grayscale", [1]),
        ("not grayscale", [0, 3]),
        ('format in ("JPEG", "TIFF")', [0, 2]),
        ('format not in ["JPEG"]', [1, 2]),
        ('format == "PNG" or format is null', [1, 3]),
        ("width == 20", [1]),
        ("width != 20.0", [0, 2, 3]),
        ("width > noise and width > 15", [1, 2, 3]),
        ("noise > -1", [0, 1, 2, 3]),
        ('taken_at >= "2001-01-01"', [1, 3]),
        ('taken_at < "2001-01-01 00:00:01"', [0, 3]),
        ('column["maniqa-pipal"] > 0.4', [1, 3]),
        ('column["my album"] == "a"', [0, 2]),
    ],
)
def test_it_selects(table, condition, rows):
    numbered = table.append_column("number", pa.array(range(4)))
    expression = expression_of(parse_condition(condition), table.schema)
    assert numbered.filter(expression)["number"].to_pylist() == rows


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("blurr < 2", "no column 'blurr'; is blurry meant? there are: "),
        ("nothing_like_it < 2", "no column 'nothing_like_it'; there are: "),
        ("blur = 2", "write == for equality"),
        ("blur <", "is no condition"),
        ("", "is no condition"),
        ("blur", "`blur` is a number, not true or false; compare it"),
        ("blur < 2 and noise", "`noise` is a number"),
        ('blur < "2"', "`'2'` is compared with a number; write a number"),
        ("format < 2", "`2` is compared with a text; write a text in quotes"),
        ("format == PNG", "no column 'PNG'"),
        ("grayscale == 1", "is compared with true or false; write the name alone"),
        ("blur < True", "is compared with a number"),
        ('taken_at > "last year"', "is compared with a time"),
        ("format > blur", "they cannot be compared"),
        ("blur is 2", "only null may stand there"),
        ('format in "JPEG"', "a list is needed"),
        ("blur + 1 < 2", "`blur + 1`"),
        ("abs(blur) < 2", "no column 'abs'"),
        ("len(format) < 2", "no column 'len'"),
        ("blur.real < 2", "`blur.real`"),
        ("1 < 2", "`1`: a column's name is needed"),
        ("__import__('os').system('true')", "no column '__import__'"),
        ("(lambda: True)()", "is nothing that a condition may have"),
        ("[x for x in (1,)]", "no column 'x'"),
        ("blur < 2 if dark else noise", "is nothing that a condition may have"),
        ("(blur := 2) < 3", "a column's name is needed there"),
        ('issues["a"]', "write a name that is no plain word"),
        ("issues == 2", "no column 'issues'"),
        ("f'{blur}' < 2", "a column's name is needed"),
        ("(" * 300 + "dark" + ")" * 300, "is no condition"),
        ("dark and " * 2000 + "dark", "a condition of 18,004 characters"),
    ],
)
def test_what_it_cannot_be_is_refused_with_the_reason(table, condition, told):
    with pytest.raises(InvalidCondition) as refused:
        expression_of(parse_condition(condition), table.schema)
    assert told in str(refused.value)


def test_names_are_told_without_the_words_around_them():
    parsed = parse_condition(
        'blur < 2 and camera is not null and column["a b"] in ("x",) and not (dark or None is None)'
    )
    assert sorted(names_in(parsed)) == ["a b", "blur", "camera", "dark"]
