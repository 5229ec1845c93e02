import ast
from pathlib import Path

import pasd_batch

QUESTIONS = {"What", "How", "Where", "Whether", "When", "Which", "Why", "Who"}


def docstrings(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text


def test_docstrings_begin_with_the_thing_or_the_action():
    package = Path(pasd_batch.__file__).parent
    found = [(path, line, text) for path in package.rglob("*.py") for line, text in docstrings(path)]
    assert len(found) > 2000
    wrong = [
        f"{path.relative_to(package)}:{line}: {text}" for path, line, text in found if text.split()[0] in QUESTIONS
    ]
    assert not wrong, "\n".join(wrong)
