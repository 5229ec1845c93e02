import threading
from contextlib import closing

import pytest
import torch

from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.data.dataset import TrainingBatch
from pasd_batch.training.data.prefetch import prefetched

CPU = torch.device("cpu")


def batch(number):
    pictures = torch.full((1, 3, 8, 8), float(number))
    return NumberedBatch(TrainingBatch((str(number),), ("",), pictures, pictures), (number,))


def numbers(batches):
    return [made.numbers[0] for made in batches]


def test_all_batches_in_their_order():
    assert numbers(prefetched(iter([batch(number) for number in range(5)]), CPU)) == [0, 1, 2, 3, 4]
    assert numbers(prefetched(iter([]), CPU)) == []


def test_the_next_batch_is_made_while_the_present_one_is_in_use():
    made = [threading.Event() for _ in range(3)]

    def source():
        for number, event in enumerate(made):
            event.set()
            yield batch(number)

    with closing(prefetched(source(), CPU)) as batches:
        next(batches)
        assert made[1].wait(10), "nothing was made ahead"
        assert not made[2].is_set(), "more than one was made ahead"


def test_an_error_comes_up_where_its_batch_would_have_been():
    def source():
        yield batch(0)
        raise ValueError("broken photo")

    batches = prefetched(source(), CPU)
    assert next(batches).numbers == (0,)
    with pytest.raises(ValueError, match="broken photo"):
        next(batches)


def test_the_source_can_be_closed_afterwards():
    ended = threading.Event()

    def source():
        try:
            for number in range(100):
                yield batch(number)
        finally:
            ended.set()

    with closing(source()) as given, closing(prefetched(given, CPU)) as batches:
        next(batches)
    assert ended.is_set()
