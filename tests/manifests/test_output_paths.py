"""Output paths: the tree mirrored, nothing outside the root, collisions told apart whatever the order."""

import itertools
import posixpath

import pytest

from pasd_batch.manifests.output_paths import LONGEST_PATH, common_folder, plain_path
from pasd_batch.storage.location import check_relative


def planned(uris: list[str], source_root: str, suffix: str = ".png") -> dict[str, str]:
    """What planning does, in small: paths by URI, with colliding ones marked by the URI as id."""
    plain = {uri: plain_path(uri, source_root=source_root, suffix=suffix) for uri in uris}
    keys = [path.key(suffix) for path in plain.values() if not path.marked]
    return {
        uri: path.output_path(uri, suffix, collides=not path.marked and keys.count(path.key(suffix)) > 1)
        for uri, path in plain.items()
    }


@pytest.mark.parametrize(
    ("uri", "root", "path"),
    [
        ("/archive/1920/a.jpg", "/archive/", "1920/a.png"),
        ("s3://bucket/x/1920/a.tiff", "s3://bucket/x/", "1920/a.png"),
        ("s3://bucket/x/a.jpg", "", "bucket/x/a.png"),
        ("https://host/x/a%20b.jpg?size=large#top", "https://host/", "x/a b.png"),
        ("https://me:pw@host/x/a.jpg;jwt=abc", "https://***@host/", "x/a.png"),
        ("https://host/x;v=1/a%3Fsig=abc%3bx.jpg", "https://host/", "x/a.png"),
        ("https://host/token=abc/a.jpg", "https://host/", "token=_/a.png"),
        ("s3://bucket/x/a.jpg?sig=abc", "s3://bucket/x/", "a.jpg?sig=_.png"),
        ("s3://key:secret@bucket/x/a.jpg", "s3://***@bucket/x/", "a.png"),
        ("s3://bucket/x/what?#1.jpg", "s3://bucket/x/", "what?#1.png"),
        ("file:///archive/a%20b.jpg", "file:///archive/", "a b.png"),
        ("/archive/photo.v2", "/archive/", "photo.v2.png"),
        ("/archive/x.png/a.jpg", "/archive/", "x.png_/a.png"),
        ("/archive/.hidden", "/archive/", ".hidden.png"),
        ("s3://bucket/a//b.jpg", "s3://bucket/", "a/b.png"),
    ],
)
def test_the_tree_is_mirrored(uri, root, path):
    assert planned([uri], root)[uri] == path


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b/../../etc/passwd.jpg",
        "s3://b/..",
        "s3://b/a/./../c.jpg",
        "s3://b/a\\..\\b.jpg",
        "s3://b/a\x00\nb.jpg",
        "https://h/%2e%2e/%2e%2e/x.jpg",
        "https://h/a%2f..%2f..%2fx.jpg",
        "file:///%2e%2e/x.jpg",
        "https://h",
        "s3://b/" + "x" * 900 + ".jpg",
        "s3://b/" + "folder/" * 140 + "a.jpg",
        "/" + "\u5199\u771f\u9928/" * 400 + "\u5199" * 83 + ".jpg",
        "s3://b/" + "\u00e9" * 300 + "/" + "\U0001f5bc" * 80 + ".jpg",
    ],
)
@pytest.mark.parametrize("root", ["", "s3://b/", "https://h/", "file:///"])
def test_no_path_leaves_the_root_or_is_too_long(uri, root):
    path = planned([uri], root)[uri]
    check_relative(path)
    assert posixpath.normpath(path) == path
    assert all(len(part.encode()) <= 255 for part in path.split("/"))
    assert len(path.encode()) <= LONGEST_PATH
    assert path.endswith(".png")


def test_collisions_are_told_apart_without_regard_to_order_and_number():
    uris = [
        "/a/x.jpg",
        "/a/x.png",
        "/a/X.JPG",
        "/A/x.jpg",
        "/a/caf\u00e9.jpg",
        "/a/cafe\u0301.jpg",
        "/a/STRASSE.jpg",
        "/a/stra\u00dfe.jpg",
        "/a/y.jpg",
    ]
    paths = planned(uris, "/")
    assert len({path.casefold() for path in paths.values()}) == len(uris)
    assert paths["/a/y.jpg"] == "a/y.png"
    assert all("~" in path for uri, path in paths.items() if uri != "/a/y.jpg")
    for some in itertools.permutations(uris, 4):
        for uri, path in planned(list(some), "/").items():
            assert path in (paths[uri], posixpath.splitext(uri)[0].lstrip("/") + ".png")


def test_names_that_differ_in_what_is_hidden_stay_apart():
    paths = planned([f"s3://b/a?page={number}.jpg" for number in range(3)], "s3://b/")
    assert len(set(paths.values())) == 3
    assert all(path.startswith("a?page=_~") for path in paths.values())


def test_a_name_that_looks_marked_cannot_hit_a_marked_one():
    first = planned(["/x.jpg", "/x.png"], "/")
    forged = [f"/{posixpath.splitext(path)[0]}.jpg" for path in first.values()]
    paths = planned(["/x.jpg", "/x.png", *forged], "/")
    assert len(set(paths.values())) == 4


def test_over_long_names_that_are_cut_alike_stay_apart():
    uris = [f"/a/{'n' * 240}{number}.jpg" for number in range(3)] + [f"/{'d' * 240}{n}/z.jpg" for n in range(3)]
    uris += [f"/{'deep/' * 200}{n}/z.jpg" for n in range(3)]
    paths = planned(uris, "/")
    assert len(set(paths.values())) == 9


@pytest.mark.parametrize("length", [LONGEST_PATH - 30, *range(LONGEST_PATH - 25, LONGEST_PATH + 5)])
def test_a_path_is_shortened_only_if_its_mark_would_not_fit(length):
    """Whatever is mirrored whole has room for the mark that a collision may give it."""
    uri = "/" + "/".join("d" * 9 for _ in range(length // 10)) + "/" + "s" * (length % 10 + 1) + ".jpg"
    place = plain_path(uri, source_root="/", suffix=".png")
    assert len(place.output_path("id", ".png", collides=True).encode()) <= LONGEST_PATH
    assert place.marked == (len(uri) - 1 + 17 > LONGEST_PATH)


@pytest.mark.parametrize(
    ("lowest", "highest", "folder"),
    [
        ("s3://b/a/1.jpg", "s3://b/a/c/2.jpg", "s3://b/a/"),
        ("s3://b/ab/1.jpg", "s3://b/ac/2.jpg", "s3://b/"),
        ("s3://a/1.jpg", "s3://b/2.jpg", ""),
        ("/a/1.jpg", "s3://a/2.jpg", ""),
        ("/x/1.jpg", "/y/2.jpg", "/"),
        ("https://h/img?path=a/b/1.jpg", "https://h/img?path=a/b/2.jpg", "https://h/"),
        ("/only/one.jpg", "/only/one.jpg", "/only/"),
    ],
)
def test_common_folder(lowest, highest, folder):
    assert common_folder(lowest, highest) == folder
