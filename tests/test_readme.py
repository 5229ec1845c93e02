"""Python examples of README.md, run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from photo_files import picture, saved
from PIL import Image
from tiny_run import TinyRun

import pasd_batch
from pasd_batch.config.run import RunSettings
from pasd_batch.config.strict_yaml import load_strictly

README = Path(__file__).parent.parent / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans" / "1920").mkdir(parents=True)
    for name in ("photo.jpg", "scans/a.png", "scans/1920/b.tif"):
        Image.fromarray(picture(12, 20)).save(name)
    (tmp_path / "scans" / "broken.jpg").write_bytes(saved(Image.fromarray(picture()), "JPEG")[:300])


def run_example(about: str, capsys) -> str:
    (example,) = [each for each in EXAMPLES if about in each]
    exec(compile(example, f"<{about} in README.md>", "exec"), {})
    return capsys.readouterr().out


def test_the_shortest_configuration_is_one():
    (text,) = re.findall(r"```yaml\n(manifest:.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    settings = RunSettings.parse(load_strictly(text))
    assert (settings.manifest.path, settings.output.root) == ("photos", "runs/photos")


def test_every_example_is_run_here():
    assert len(EXAMPLES) == 3


def test_photos_are_restored(working_folder, capsys):
    told = run_example("restore_photos", capsys)
    assert "4 of 4" in told
    assert "1920/b.tif ok" in told
    assert "broken.jpg failed the JPEG file ends before the photo does" in told
    made = sorted(path.relative_to("restored").as_posix() for path in Path("restored").rglob("*.*"))
    assert made == ["1920/b.jpg", "a.jpg", "photo.jpg"]


def test_tensors_are_restored(working_folder, capsys):
    assert run_example("Restorer", capsys) == "torch.Size([3, 96, 128])\n"


def test_rows_of_a_run_are_read(working_folder, tmp_path, capsys):
    TinyRun(tmp_path)
    told = run_example("open_run", capsys)
    assert told.startswith(f"06.png {tmp_path}/in/06.png: FileNotFoundError")


def test_the_package_is_imported_at_once_and_has_its_names():
    code = "import sys, pasd_batch; sys.exit(any(name in sys.modules for name in ('torch', 'pyarrow', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert all(getattr(pasd_batch, name) for name in pasd_batch.__all__)
    assert set(pasd_batch.__all__) <= set(dir(pasd_batch))
    with pytest.raises(AttributeError, match="has no attribute 'restorer'"):
        _ = pasd_batch.restorer
