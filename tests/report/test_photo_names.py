from pasd_batch.report.photo_names import photo_name


def test_photos_without_an_id_of_their_own_are_named_by_their_uri():
    assert photo_name("9b937ebec23601f38be48bdfda6de4ea", "s3://b/a.jpg") == "s3://b/a.jpg"
    assert photo_name("9b937ebec23601f38be48bdfda6de4ea", "s3://b/a.tif", 2) == "s3://b/a.tif#page=2"
    assert photo_name("scan-7", "s3://b/a.jpg") == "scan-7"
