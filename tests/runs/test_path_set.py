from pasd_batch.runs.path_set import PathSet


def test_a_set_of_paths_tells_what_is_not_in_it():
    paths = PathSet()
    assert paths.missing(["a"]) == ["a"]
    assert paths.repeated() == 0
    paths.add(f"{number}/ö.png" for number in range(1000))
    assert paths.missing(["5/ö.png", "x", "999/ö.png", "5/Ö.png", "\udcff"]) == ["x", "5/Ö.png", "\udcff"]
    assert paths.missing([]) == []
    paths.add(["7/ö.png", "x"])
    assert paths.repeated() == 1
    assert paths.missing(["x"]) == []
