"""Files that are taken for weights and are none: each is called what it is, by whatever reads it."""

import pytest
import torch
from safetensors.torch import save_file

from pasd_batch.pasd.state_dict import CheckpointError, read_weight_file
from pasd_batch.storage.weight_file_kind import why_no_safetensors

KINDS = {
    b"": "an empty file",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "a pointer of Git LFS",
    b"<!DOCTYPE html><html>": "a web page",
    b"PK\x03\x04archive/data.pkl": "a pickle or a zip",
    b"\x80\x02}q\x00.": "a pickle under another name",
    b"GGUF\x03\0\0\0": "a GGUF file",
    "Voil\u00e0,\nmy weights".encode(): "a text that begins with 'Voil\u00e0,'",
}


@pytest.mark.parametrize("content", KINDS, ids=KINDS.values())
def test_what_a_file_is_stands_in_the_error(tmp_path, content):
    path = tmp_path / "toon.safetensors"
    path.write_bytes(content)
    assert KINDS[content] in str(why_no_safetensors(path))
    with pytest.raises(CheckpointError, match=r"toon\.safetensors: no safetensors, but ") as caught:
        read_weight_file(path, allow_pickle=False)
    assert KINDS[content] in str(caught.value)


def test_damaged_safetensors_are_not_taken_for_something_else(tmp_path):
    path = tmp_path / "toon.safetensors"
    save_file({"weight": torch.zeros(100)}, path)
    assert why_no_safetensors(path) is None
    path.write_bytes(path.read_bytes()[:50])
    assert why_no_safetensors(path) is None
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        read_weight_file(path, allow_pickle=False)
