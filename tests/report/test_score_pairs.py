from pasd_batch.report.score_pairs import score_pairs


def test_scores_before_and_after_are_paired_by_their_names():
    names = ["piqe_input", "piqe_before", "piqe_after", "psnr_before", "psnr", "fidelity_psnr", "niqe_after"]
    assert score_pairs(names) == {"piqe": ("piqe_before", "piqe_after"), "psnr": ("psnr_before", "psnr")}


def test_a_run_that_only_scores_has_no_pairs():
    assert score_pairs(["piqe", "psnr"]) == {}
