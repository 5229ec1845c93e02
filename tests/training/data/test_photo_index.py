import csv
import io
import tarfile

import pytest
from tiny_training import write_photos

from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.training_data import PhotoSource, WebDatasetSource
from pasd_batch.storage.storage import Storage, TooLarge
from pasd_batch.training.data.photo_index import list_photos, load_or_create_index
from pasd_batch.training.errors import TrainingError

ACCESS = StorageSettings()
MOST = 1 << 20


def fetched(index):
    photos = [index.fetch(row, max_bytes=MOST) for row in range(len(index))]
    return {photo.name: (photo.data, photo.caption) for photo in photos}


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write_tar(path, photos):
    """A sample of each kind: with caption, caption first, without caption, without photo."""
    with tarfile.open(path, "w") as tar:
        add(tar, "a/0.png", photos[0])
        add(tar, "a/0.txt", b"a red house\n")
        add(tar, "a/1.txt", "ein Café".encode())
        add(tar, "a/1.json", b"{}")
        add(tar, "a/1.depth.png", b"not a photo")
        add(tar, "a/1.png", photos[1])
        add(tar, "a/1.seg.png", b"not a photo")
        add(tar, "a/2.seg.png", b"not a photo")
        add(tar, "b/0.png", photos[2])
        add(tar, "b/1.txt", b"nothing to see")


@pytest.fixture
def folder(tmp_path):
    return write_photos(tmp_path / "photos", count=3)


def test_a_folder_lists_its_photos_and_nothing_else(folder):
    (folder / "notes.md").write_text("not a photo")
    index = list_photos([PhotoSource(path=str(folder))], ACCESS)
    expected = {f"0/{path.name}": (path.read_bytes(), "") for path in folder.glob("*.png")}
    assert fetched(index) == expected


def test_a_manifest_gives_ids_and_captions(folder, tmp_path):
    with open(tmp_path / "photos.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "uri", "prompt"], ["x", "photos/photo-0.png", "a cat"], ["y", "gone.png", ""]]
        )
    index = list_photos([PhotoSource(path=str(tmp_path / "photos.csv"))], ACCESS)
    assert [index.name(row) for row in range(len(index))] == ["0/x", "0/y"]
    assert index.fetch(0, max_bytes=MOST).caption == "a cat"
    assert index.fetch(0, max_bytes=MOST).data == (folder / "photo-0.png").read_bytes()


def test_a_manifest_names_local_photos_only_where_it_may(folder, tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/photos.csv").write_text(f"id,uri\nx,{folder}/photo-0.png\n")
    source = PhotoSource(path=str(tmp_path / "lists/photos.csv"))
    with pytest.raises(TrainingError, match=r"photo-0.png is a local file .* storage.allowed_folders"):
        list_photos([source], ACCESS)
    assert len(list_photos([source], ACCESS.with_folders({str(folder)}))) == 1


def test_tars_give_photos_and_captions_wherever_they_lie(folder, tmp_path):
    photos = [path.read_bytes() for path in sorted(folder.glob("*.png"))]
    write_tar(tmp_path / "train-0.tar", photos)
    index = list_photos([WebDatasetSource(path=str(tmp_path / "*.tar"))], ACCESS)
    prefix = "0/train-0.tar"
    assert fetched(index) == {
        f"{prefix}/a/0": (photos[0], "a red house"),
        f"{prefix}/a/1": (photos[1], "ein Café"),
        f"{prefix}/b/0": (photos[2], ""),
    }


def test_photos_in_tars_have_the_same_limit_as_others(folder, tmp_path):
    photos = [path.read_bytes() for path in sorted(folder.glob("*.png"))]
    write_tar(tmp_path / "train-0.tar", photos)
    for source in (WebDatasetSource(path=str(tmp_path / "*.tar")), PhotoSource(path=str(folder))):
        index = list_photos([source], ACCESS)
        with pytest.raises(TooLarge, match="limit of 100"):
            index.fetch(0, max_bytes=100)


@pytest.mark.parametrize("damage", ["cut between", "cut within", "damaged"])
def test_a_tar_that_lost_its_later_photos_is_refused(damage, tmp_path):
    file = tmp_path / "x.tar"
    with tarfile.open(file, "w") as tar:
        for number in range(5):
            add(tar, f"{number}.png", b"photo" * 100)
    data, third = file.read_bytes(), 2 * 1024
    match damage:
        case "cut between":
            data = data[:third]
        case "cut within":
            data = data[: third + 100]
        case "damaged":
            data = data[:third] + b"?" * 20 + data[third + 20 :]
    file.write_bytes(data)
    with pytest.raises(TrainingError, match=r"x\.tar.* end at byte 2048 without an end mark.*write it again"):
        list_photos([WebDatasetSource(path=str(tmp_path))], ACCESS)


def test_a_compressed_tar_is_refused_with_the_remedy(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w:gz") as tar:
        add(tar, "0.png", b"data" * 1000)
    with pytest.raises(TrainingError, match=r"x\.tar.*uncompressed"):
        list_photos([WebDatasetSource(path=str(tmp_path))], ACCESS)


def test_sources_mix_and_one_given_twice_counts_twice(folder, tmp_path):
    write_tar(tmp_path / "train-0.tar", [path.read_bytes() for path in sorted(folder.glob("*.png"))])
    sources = [PhotoSource(path=str(folder)), WebDatasetSource(path=str(tmp_path / "train-0.tar"))]
    index = list_photos([*sources, sources[0]], ACCESS)
    assert len(index) == 9
    assert len(fetched(index)) == 9


def test_names_do_not_depend_on_where_the_photos_lie(folder, tmp_path):
    elsewhere = write_photos(tmp_path / "elsewhere", count=3)
    here, there = (list_photos([PhotoSource(path=str(each))], ACCESS) for each in (folder, elsewhere))
    assert fetched(here) == fetched(there)


def test_an_id_may_not_be_in_a_manifest_twice(tmp_path):
    with open(tmp_path / "photos.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id", "uri"], ["x", "0.png"], ["x", "1.png"]])
    with pytest.raises(TrainingError, match="more than once"):
        list_photos([PhotoSource(path=str(tmp_path / "photos.csv"))], ACCESS)


def test_the_list_is_kept_whatever_happens_to_the_folder(folder, tmp_path):
    storage, sources = Storage.open(str(tmp_path / "output")), [PhotoSource(path=str(folder))]
    before = load_or_create_index(storage, sources, ACCESS)
    (folder / "photo-0.png").unlink()
    after = load_or_create_index(storage, sources, ACCESS)
    assert [after.name(row) for row in range(len(after))] == [before.name(row) for row in range(3)]


def test_later_pages_of_files_are_refused_by_name(folder, tmp_path):
    with pytest.raises(TrainingError, match="pages are every, and training takes first pages alone"):
        list_photos([PhotoSource(path=str(folder), pages="every")], ACCESS)
    path = tmp_path / "m.csv"
    path.write_text("uri,file_page\nphotos/scan.tif,1\nphotos/scan.tif,2\n")
    with pytest.raises(TrainingError, match=r"m\.csv: page 2 of .*scan\.tif: training takes first pages alone"):
        list_photos([PhotoSource(path=str(path))], ACCESS)
