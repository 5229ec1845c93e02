import io

import pytest
import torch
from PIL import Image
from tiny_training import settings

from pasd_batch.training.data.batch_maker import BatchMaker
from pasd_batch.training.data.photo_index import list_photos, load_or_create_index
from pasd_batch.training.data.process_feed import from_arrays, process_feed, to_arrays
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.worker_setup import loader_spec, open_output


def maker(work, photos="photos", **data):
    chosen = settings(work).data.model_copy(update=data)
    sources = [chosen.sources[0].model_copy(update={"path": str(work / photos)})]
    return BatchMaker(list_photos(sources, chosen.storage), chosen, seed=5)


def same(first, second):
    return (
        first.numbers == second.numbers
        and first.batch.names == second.batch.names
        and torch.equal(first.batch.clean, second.batch.clean)
        and torch.equal(first.batch.degraded, second.batch.degraded)
    )


def test_a_batch_is_the_same_whenever_it_is_made(work):
    made = maker(work)
    early = made.make(range(8, 12))
    made.make(range(4))
    assert same(early, made.make(range(8, 12)))
    assert same(early, maker(work).make(range(8, 12)))


def test_another_epoch_cuts_and_degrades_anew(work):
    epochs = [maker(work).make(range(first, first + 6)) for first in (0, 6)]
    crops = [dict(zip(each.batch.names, each.batch.degraded, strict=True)) for each in epochs]
    assert crops[0].keys() == crops[1].keys()
    assert not any(torch.equal(crops[0][name], crops[1][name]) for name in crops[0])


def test_a_bad_photo_is_skipped_counted_and_replaced(work, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.png").write_bytes((work / "photos" / "photo-0.png").read_bytes())
    (folder / "bad.png").write_bytes(b"this is no photo")
    made = maker(work, "mixed").make(range(4))
    assert set(made.batch.names) == {"0/good.png"}
    assert len(made.batch.names) == 4
    assert sum(made.skipped.values()) >= 2
    assert "UnsupportedPhoto" in made.skipped


def test_a_photo_that_decodes_for_too_long_is_skipped(work, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.png").write_bytes((work / "photos" / "photo-0.png").read_bytes())
    file = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(file, "JPEG", progressive=True)
    data = file.getvalue()  # whose last scan comes again and again, each a pass over all of the photo
    (folder / "slow.jpg").write_bytes(data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 200 + data[-2:])
    samples = settings(work).data.samples
    limits = samples.limits.model_copy(update={"max_decode_seconds": 0.1})
    made = maker(work, "mixed", samples=samples.model_copy(update={"limits": limits})).make(range(4))
    assert set(made.batch.names) == {"0/good.png"}
    assert made.skipped.keys() == {"PhotoTooSlow"}


def test_only_bad_photos_end_the_training_with_what_is_wrong(work, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "bad.png").write_bytes(b"this is no photo")
    with pytest.raises(TrainingError, match=r"3 photos in a row could not be used.*UnsupportedPhoto"):
        maker(work, "broken", tries=3).make(range(2))


def test_loader_processes_make_the_same_batches_in_order(work):
    chosen = settings(work)
    load_or_create_index(open_output(chosen), chosen.data.sources, chosen.data.storage)
    spec = loader_spec(chosen, Placement(torch.device("cpu")))
    direct = list(process_feed(spec, 0)(range(3, 8)))
    loaded = list(process_feed(spec, 1)(range(3, 8)))
    assert len(direct) == len(loaded) == 5
    assert all(same(*pair) for pair in zip(direct, loaded, strict=True))


def test_a_batch_survives_the_way_between_processes(work):
    made = maker(work).make(range(2))
    back = from_arrays(to_arrays(made))
    assert same(made, back)
    assert back.batch.captions == made.batch.captions
