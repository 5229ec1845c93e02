from pasd_batch.batch.driver.progress import RunProgress
from pasd_batch.batch.worker.shard_worker import ShardProgress
from pasd_batch.cluster.metrics import RunMetrics


def test_committed_photos_and_those_in_work_are_counted_and_none_twice():
    with RunProgress(100, RunMetrics("run"), done=20, show=False) as progress:
        progress.watch([ShardProgress(shard=3, attempt=0, photos=4, failed=1), ShardProgress(4, 0, 2, 0)])
        assert progress.photos == 26
        assert progress.failed == 1
        progress.commit(3, photos=10, failed=2)
        assert progress.photos == 32
        assert progress.failed == 2
        # A shard that crashed begins again: the bar goes back.
        progress.watch([ShardProgress(4, 1, 0, 0)])
        assert progress.photos == 30


def test_what_the_board_still_says_of_a_committed_shard_is_not_counted_again():
    with RunProgress(10, RunMetrics("run"), done=0, show=False) as progress:
        progress.commit(0, photos=10, failed=0)
        progress.watch([ShardProgress(0, 0, 9, 3)])
        assert (progress.photos, progress.failed) == (10, 0)
