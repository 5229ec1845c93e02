import base64
import io

import numpy as np
from PIL import Image
from report_runs import result_row, result_table

from pasd_batch.report.html.digest import RunDigest
from pasd_batch.report.html.gallery import choose, key_score, shown_photo


def digest_of(rows) -> RunDigest:
    digest = RunDigest()
    digest.add(result_table(rows))
    return digest


def test_photos_are_chosen_by_score_change_and_at_random_each_once():
    rows = [result_row(number, failed=number == 7) for number in range(60)]
    rows[5]["scores"] |= {"piqe_before": 1.0, "piqe_after": 90.0}
    choices = {choice.title: choice.rows for choice in choose(digest_of(rows), 10)}
    assert choices["worst by piqe"] == (59, 58)
    assert choices["best by piqe"] == (0, 1)
    assert choices["improved most by piqe"] == (2, 3)
    assert choices["worsened most by piqe"][0] == 5
    every = [row for chosen in choices.values() for row in chosen]
    assert len(every) == len(set(every)) == 10
    assert 7 not in every


def test_a_small_run_is_shown_whole_and_spread_over_the_reasons():
    choices = choose(digest_of([result_row(number) for number in range(6)]), 60)
    assert sorted(row for choice in choices for row in choice.rows) == list(range(6))
    assert len(choices) > 3


def test_a_run_without_scores_shows_photos_at_random():
    digest = RunDigest()
    digest.add(result_table([result_row(number, scores=None) for number in range(9)], scores=()))
    assert key_score(digest) is None
    (choice,) = choose(digest, 4)
    assert (choice.title, len(choice.rows)) == ("at random", 4)


def test_pictures_are_of_one_size_and_within_their_bytes():
    rng = np.random.default_rng(0)
    photo = shown_photo(3, "a", rng.random((100, 200, 3)), rng.random((500, 1000, 3)), ["note"], most_bytes=110_000)
    assert (photo.width, photo.height) == (480, 240)
    for uri in (photo.before, photo.after):
        picture = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/webp;base64,"))))
        assert (picture.size, picture.format) == ((480, 240), "WEBP")
    assert len(photo.before) + len(photo.after) <= 110_000
    smaller = shown_photo(3, "a", rng.random((100, 200, 3)), rng.random((500, 1000, 3)), [], most_bytes=60_000)
    assert len(smaller.before) + len(smaller.after) <= 60_000
    assert (smaller.width, smaller.height) == (360, 180)
    alone = shown_photo(0, "b", rng.random((3, 2, 3)), None, [], most_bytes=60_000)
    assert (alone.after, alone.width, alone.height) == (None, 2, 3)
