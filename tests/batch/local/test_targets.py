"""Names of restored photos: checked before the model runs, never in place of what is not a restored photo."""

from pathlib import Path

import pytest

from pasd_batch.batch.local.errors import CannotRestore
from pasd_batch.batch.local.finding import LocalPhoto, find_photos
from pasd_batch.batch.local.output_folder import OutputFolder
from pasd_batch.batch.local.targets import output_paths, refuse_losses


def photo(folder: Path, name: str) -> LocalPhoto:
    return LocalPhoto(str(folder / name), name, f"{folder}/")


def checked(photos: list[LocalPhoto], output: Path) -> list[str]:
    paths = output_paths(photos, ".png")
    refuse_losses(photos, paths, str(output))
    return paths


@pytest.mark.parametrize("name", ["x" * 226 + ".jpg", "x" * 251 + ".jpg", "\u5199" * 83 + ".jpg", "x" * 255])
def test_any_name_of_a_photo_gives_one_that_the_file_system_takes(tmp_path, name):
    (tmp_path / name).write_bytes(b"photo")
    found = find_photos([str(tmp_path / name)], str(tmp_path / "out"))
    (path,) = checked(found, tmp_path / "out")
    OutputFolder(str(tmp_path / "out")).store(path, b"restored", photo=None)
    assert (tmp_path / "out" / path).read_bytes() == b"restored"


def test_a_name_or_path_that_would_be_too_long_is_refused_at_once(tmp_path, monkeypatch):
    with pytest.raises(CannotRestore, match=r"at most 4,095"):
        checked([photo(tmp_path, "a.jpg")], Path(tmp_path, *["d" * 200] * 22))
    monkeypatch.setattr("os.pathconf", lambda path, name: 143)  # of encrypted folders
    with pytest.raises(CannotRestore, match=r"would have a name of 154 bytes \(at most 143\).*rename"):
        checked([photo(tmp_path, "x" * 150 + ".jpg")], tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "results"),
    [
        (["a.jpg", "b.tif"], ["a.png", "b.png"]),
        (["a.jpg", "a.tif"], ["a~.png", "a~.png"]),
        (["a.jpg", "A.tif", "b.gif"], ["a~.png", "A~.png", "b.png"]),
        (["a.jpg", "a.png", "a.jpg.png"], ["a~.png", "a~.png", "a.jpg.png"]),
        (["1/a.jpg", "2/a.jpg"], ["1/a.png", "2/a.png"]),
        (["a.jpg", "a.png/b.jpg"], ["a.png", "a.png_/b.png"]),
    ],
)
def test_every_result_has_a_name_of_its_own(tmp_path, names, results):
    paths = checked([photo(tmp_path, name) for name in names], tmp_path / "out")
    assert len({path.casefold() for path in paths}) == len(names)
    without_marks = [path.partition("~")[0] + ("~.png" if "~" in path else "") for path in paths]
    assert without_marks == results


@pytest.mark.parametrize(
    ("second", "told"),
    [("1/a.jpg", "named more than once"), ("2/a.jpg", "another photo of the same name.*give each its")],
)
def test_photos_that_would_have_one_result_are_refused(tmp_path, second, told):
    photos = [photo(tmp_path / "1", "a.jpg"), LocalPhoto(str(tmp_path / second), "a.jpg", f"{tmp_path}/{second[:2]}")]
    with pytest.raises(CannotRestore, match=told):
        checked(photos, tmp_path / "out")


def test_a_restored_photo_is_replaced_and_any_other_file_is_not(tmp_path):
    photos, output = [photo(tmp_path, "a.jpg")], tmp_path / "out"
    target = output / "a.png"
    output.mkdir()
    target.write_bytes(b"... urn:pasd-batch:restoration# ...")
    assert checked(photos, output) == ["a.png"]
    for content in (b"", b"another photo"):
        target.write_bytes(content)
        with pytest.raises(CannotRestore, match="no restored photo; move that one, or choose another --output"):
            checked(photos, output)
    target.unlink()
    target.symlink_to(tmp_path / "gone")
    with pytest.raises(CannotRestore, match="no restored photo"):
        checked(photos, output)


def test_a_result_never_replaces_a_photo(tmp_path):
    with pytest.raises(CannotRestore, match="its result would replace the photo"):
        checked([photo(tmp_path, "a.jpg"), photo(tmp_path, "b.png")], tmp_path)


def test_links_in_a_circle_are_messages(tmp_path):
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "loop").symlink_to("loop")
    photos = [photo(tmp_path, "loop.jpg")]
    assert checked(photos, tmp_path / "out") == ["loop.png"]
    assert checked(photos, tmp_path / "loop" / "out") == ["loop.png"]
    with pytest.raises(CannotRestore, match="name a folder that can be written"):
        OutputFolder(str(tmp_path / "loop" / "out")).make()
