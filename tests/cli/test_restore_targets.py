"""Names of restored photos: checked before the model runs, as long as the file system takes."""

import errno
import os
from pathlib import Path

import pytest

from pasd_batch.cli.errors import UsageError
from pasd_batch.cli.restore import make_folder, write_whole
from pasd_batch.cli.restore_targets import find_photos, plan_targets

LONGEST = ["x" * 226 + ".jpg", "x" * 251 + ".jpg", "\u5199" * 83 + ".jpg", "\U0001f5bc" * 62 + "ab.jpg", "x" * 251]


@pytest.mark.parametrize("name", LONGEST)
def test_a_result_may_be_called_as_long_as_the_file_system_takes(tmp_path, name):
    (tmp_path / name).write_bytes(b"photo")
    photos, _ = find_photos([str(tmp_path / name)], tmp_path / "out")
    (target,) = plan_targets(photos, tmp_path / "out").values()
    assert target.name == f"{name.removesuffix('.jpg')}.png"
    write_whole(target, b"restored")
    assert os.listdir(tmp_path / "out") == [target.name]
    assert target.read_bytes() == b"restored"


@pytest.mark.parametrize("names", [["x" * 252], ["\u5199" * 84], ["x" * 250 + ".jpg", "x" * 250 + ".gif"]])
def test_a_result_whose_name_would_be_too_long_is_refused_at_once(tmp_path, names):
    for name in names:
        (tmp_path / name).write_bytes(b"photo")
    photos, _ = find_photos([str(tmp_path / name) for name in names], tmp_path / "out")
    with pytest.raises(UsageError, match=r"would have a name of 25\d bytes \(at most 255\).*rename"):
        plan_targets(photos, tmp_path / "out")


def test_a_path_that_would_be_too_long_is_refused_at_once(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"photo")
    deep = Path(tmp_path, *["d" * 200] * 22)
    photos, _ = find_photos([str(tmp_path / "a.jpg")], deep)
    with pytest.raises(UsageError, match=r"at most 4,095"):
        plan_targets(photos, deep)


def test_a_photo_whose_name_cannot_exist_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        find_photos([str(tmp_path / ("x" * 300))], tmp_path / "out")


def test_what_cannot_be_read_below_a_folder_is_left_out_and_counted(tmp_path, monkeypatch):
    for name in ("in/a.jpg", "in/closed/b.jpg", "in/open/c.jpg", "elsewhere/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"photo")
    (tmp_path / "in/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    os.mkfifo(tmp_path / "in/pipe.jpg")
    scan = os.scandir

    def refuse(folder):
        if Path(folder).name == "closed":  # for tests that run as root, whom no permission stops
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.chdir(tmp_path)
    photos, notes = find_photos(["in"], tmp_path / "out")
    assert photos == [(Path("in/a.jpg"), Path("a.jpg")), (Path("in/open/c.jpg"), Path("open/c.jpg"))]
    assert sorted(notes) == [
        "in: left out, cannot be read (Permission denied): 1",
        "in: left out, links that lead nowhere: 1",
        "in: left out, links to folders are not followed: 1",
        "in: left out, neither files nor folders: 1",
    ]
    with pytest.raises(UsageError, match=r"in/closed: cannot be read: .*PermissionError EACCES"):
        find_photos(["in/closed"], tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "results"),
    [
        (["a.jpg", "b.tif"], ["a.png", "b.png"]),
        (["a.jpg", "a.tif"], ["a.jpg.png", "a.tif.png"]),
        (["a.jpg", "A.tif"], ["a.jpg.png", "A.tif.png"]),
        (["a.jpg", "a.png", "a.jpg.png"], ["a.jpg.png", "a.png.png", "a.jpg.png.png"]),
        (["a.jpg.png", "a.jpg.png.tif", "a.jpg", "a.gif"], None),
        (["1/a.jpg", "2/a.jpg"], ["1/a.png", "2/a.png"]),
    ],
)
def test_every_result_has_a_name_of_its_own(tmp_path, names, results):
    photos = [(tmp_path / name, Path(name)) for name in names]
    targets = [str(target.relative_to("out")) for target in plan_targets(photos, Path("out")).values()]
    assert len(set(map(str.casefold, targets))) == len(names)
    assert results is None or targets == results


def test_a_restored_photo_is_replaced_and_any_other_file_is_not(tmp_path):
    photos, target = [(tmp_path / "a.jpg", Path("a.jpg"))], tmp_path / "out" / "a.png"
    target.parent.mkdir()
    target.write_bytes(b"... urn:pasd-batch:restoration# ...")
    assert list(plan_targets(photos, target.parent).values()) == [target]
    for content in (b"", b"another photo"):
        target.write_bytes(content)
        with pytest.raises(UsageError, match="no restored photo; move that one, or choose another --output"):
            plan_targets(photos, target.parent)
    target.unlink()
    target.symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match="no restored photo"):
        plan_targets(photos, target.parent)


def test_links_in_a_circle_are_messages(tmp_path, capsys):
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "loop").symlink_to("loop")
    photos = [(tmp_path / "loop.jpg", Path("loop.jpg"))]
    assert list(plan_targets(photos, tmp_path / "out")) == [tmp_path / "loop.jpg"]
    assert list(plan_targets(photos, tmp_path / "loop" / "out")) == [tmp_path / "loop.jpg"]
    with pytest.raises(UsageError, match="name a folder that can be written"):
        make_folder(tmp_path / "loop" / "out")
