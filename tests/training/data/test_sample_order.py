from pasd_batch.training.data.sample_order import BatchPlan, SampleOrder


def test_every_photo_comes_once_an_epoch_each_in_another_order():
    order = SampleOrder(photos=50, seed=1)
    places = [order.place(number) for number in range(150)]
    epochs = [[row for epoch, row in places if epoch == wanted] for wanted in range(3)]
    assert all(sorted(rows) == list(range(50)) for rows in epochs)
    assert len({tuple(rows) for rows in epochs}) == 3
    assert [SampleOrder(50, 2).place(number) for number in range(50)] != places[:50]


def test_workers_share_out_the_samples_of_one_large_batch():
    alone = BatchPlan(batch_size=6, accumulation=1, world_size=1, rank=0)
    shared = [BatchPlan(batch_size=3, accumulation=1, world_size=2, rank=rank) for rank in range(2)]
    for batch in range(4):
        assert [*shared[0].numbers(batch), *shared[1].numbers(batch)] == list(alone.numbers(batch))


def test_accumulated_batches_are_the_samples_of_one_large_batch():
    alone = BatchPlan(batch_size=6, accumulation=1, world_size=1, rank=0)
    many = BatchPlan(batch_size=2, accumulation=3, world_size=1, rank=0)
    samples = [number for batch in many.batches(4, 6) for number in many.numbers(batch)]
    assert samples == [number for batch in alone.batches(4, 6) for number in alone.numbers(batch)]
