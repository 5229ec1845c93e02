import numpy as np
from report_runs import SCORES, result_row, result_table

from pasd_batch.records import ScoreColumn
from pasd_batch.report.html.digest import RunDigest


def test_scores_of_all_rows_stand_in_the_plans_order_with_failed_photos_between():
    digest = RunDigest()
    digest.add(result_table([result_row(0), result_row(1, failed=True), result_row(2)]))
    digest.add(result_table([result_row(3, shard=1), result_row(4, shard=1, scores=None)]))
    np.testing.assert_array_equal(digest.values("piqe_after"), np.array([40, np.nan, 42, 43, np.nan], np.float32))
    assert list(digest.score_columns) == [column.name for column in SCORES]
    assert list(digest.restored) == [1, 0, 1, 1, 1]
    assert [digest.place(row) for row in range(5)] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert digest.finished[2] - digest.finished[0] == 2.0
    assert (digest.statistics.ok, digest.statistics.failed) == (4, 1)


def test_shards_of_an_earlier_version_may_have_other_scores():
    old = (ScoreColumn("piqe_after", False), ScoreColumn("old", True))
    digest = RunDigest()
    digest.add(result_table([result_row(0, scores={"piqe_after": 7.0, "old": 1.0})], scores=old))
    digest.add(result_table([result_row(1)]))
    np.testing.assert_array_equal(digest.values("piqe_after"), np.array([7, 41], np.float32))
    np.testing.assert_array_equal(digest.values("old"), np.array([1, np.nan], np.float32))
    np.testing.assert_array_equal(digest.values("fidelity_psnr"), np.array([np.nan, 31], np.float32))


def test_a_run_without_metrics_has_no_scores():
    digest = RunDigest()
    digest.add(result_table([result_row(0, scores=None)], scores=()))
    assert digest.score_columns == {}
    assert digest.photos == 1
