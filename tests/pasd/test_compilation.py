"""Compiled blocks: the same numbers, and when a shape is compiled."""

import json
import subprocess
import sys

import compiled_blocks


def test_a_shape_is_compiled_once_for_all_blocks_alike_and_changes_no_number():
    command = [sys.executable, compiled_blocks.__file__]
    seen = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    first, again, other, *later = seen["forms"]
    assert 0 < first < seen["blocks"]
    assert again == first
    assert other == 2 * first, "shapes stay fixed, or photos would depend on those before them"
    assert later == [other, other]
    assert set(seen["errors"]) == {0.0}
