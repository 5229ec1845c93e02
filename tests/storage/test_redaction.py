"""What URIs show of themselves in rows, messages and reports."""

import pytest

from pasd_batch.config.storage import DEFAULT_SCHEMES
from pasd_batch.storage.errors import InvalidLocation
from pasd_batch.storage.location import parse_location
from pasd_batch.storage.redaction import redact_uri, shown_command


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://h/a.jpg", "https://h/a.jpg"),
        ("https://h:8080/a@2x.jpg", "https://h:8080/a@2x.jpg"),
        ("https://[::1]:8080/a.jpg", "https://[::1]:8080/a.jpg"),
        ("https://h/a.jpg?w=200&x=", "https://h/a.jpg?w=***&***"),
        ("https://h/a.jpg?HUSH", "https://h/a.jpg?***"),
        ("https://h/a.jpg?jwt=HUSH", "https://h/a.jpg?jwt=***"),
        ("https://h/a.jpg?sig=HUSH&token=HU&SH#HUSH", "https://h/a.jpg?sig=***&token=***&***#***"),
        ("https://h/a.jpg?#HUSH", "https://h/a.jpg?#***"),
        ("https://h/a.jpg?next=https://me:HUSH@h/?sig=HUSH", "https://h/a.jpg?next=***"),
        ("https://h/a.jpg?https://me:HUSH@h/=1", "https://h/a.jpg?***"),
        ("https://h/a.jpg?SFVTSA==", "https://h/a.jpg?***"),
        ("https://h/a.jpg ? sig = HUSH & token\t=HUSH", "https://h/a.jpg ? sig =***& token\t=***"),
        ("https://h/a;jwt=HUSH/b.jpg", "https://h/a;***/b.jpg"),
        ("https://h/a.jpg%3Fsig=HUSH", "https://h/a.jpg%3F***"),
        ("https://h/a.jpg sig=HUSH", "https://h/a.jpg sig=***"),
        ("https://h/jwt:HUSH/b.jpg", "https://h/jwt:***/b.jpg"),
        ("https://h/web/2020/https://me:HUSH@i/b.jpg", "https://h/web/2020/https://***@i/b.jpg"),
        ("https://h/get/https%3A%2F%2Fme%3AHUSH%40i%2Fb.jpg", "https://h/get/https%3A%2F%2F***%40i%2Fb.jpg"),
        ("https:/h/a.jpg?sig=HUSH", "https:/h/a.jpg?sig=***"),
        ("https:me:HUSH@h/a.jpg#HUSH", "https:***@h/a.jpg#***"),
        ("s3:/key:HUSH@bucket/a.jpg", "s3:/***@bucket/a.jpg"),
        ("https://me:HUSH@h/a.jpg", "https://***@h/a.jpg"),
        ("HTTPS://HUSH@h/a.jpg", "HTTPS://***@h/a.jpg"),
        ("https://me:HUSH%40h/a.jpg", "https://***/a.jpg"),
        ("https://me:HU/SH@h/a.jpg", "https://***@h/a.jpg"),
        ("https://me:HU?SH@h/a.jpg?sig=HUSH", "https://***@h/a.jpg"),
        ("https://me:H@H/USH@h/a.jpg?m=a@b", "https://***@h/a.jpg?m=***"),
        ("https:// me:HUSH@h/a.jpg", "https://***@h/a.jpg"),
        (" \thttps://me:HUSH@h/a.jpg", " \thttps://***@h/a.jpg"),
        ("token=HUSH https://h/a.jpg", "***https://h/a.jpg"),
        ("HUSH ://h", "***"),
        ("s3://key:HU/SH@bucket/a.jpg", "s3://***@bucket/a.jpg"),
        ("s3://key:HUSH/bucket/a.jpg", "s3://***/bucket/a.jpg"),
        ("s3://b/a.jpg?X-Amz-Signature=HUSH", "s3://b/a.jpg?X-Amz-Signature=***"),
        ("s3://b/a #12 (what?)/year=2020/b@2x.jpg", "s3://b/a #12 (what?)/year=2020/b@2x.jpg"),
        ("s3://arn:aws:s3:eu-west-1:1:accesspoint/p/a.jpg", "s3://arn:aws:s3:eu-west-1:1:accesspoint/p/a.jpg"),
        ("az://c/a.jpg?sv=2&sig=HUSH", "az://c/a.jpg?sv=***&sig=***"),
        ("ftp://me:HUSH@h/a.jpg", "ftp://***@h/a.jpg"),
    ],
)
def test_what_may_be_secret_is_hidden(uri, shown):
    assert redact_uri(uri) == shown
    assert redact_uri(shown) == shown
    assert "HUSH" not in redact_uri(uri)


@pytest.mark.parametrize("path", ["x?code=12.png", "/a/rock & monkey=3.png", "/a/me:b@c?token=1#2;sig=3", "C:\\a?b=c"])
def test_names_of_local_files_are_shown_as_they_are(path):
    assert redact_uri(path) == path


@pytest.mark.parametrize(
    "uri",
    [
        "s3://key:HU/SH@b/a",
        "s3://key:HUSH/b/a",
        "s3://me@b/a",
        "file://me:HUSH@h/a",
        " https://me:HUSH@h/a",
        "x://HU@SH",
        "https:/me:HUSH@h/a",
        "s3:key:HUSH@h/a",
        "simplecache::https://me:HUSH@h/a",
        "zip://a.jpg::s3://key:HUSH@b/a.zip",
    ],
)
def test_what_is_not_opened_is_refused_without_its_secrets(uri):
    with pytest.raises(InvalidLocation) as error:
        parse_location(uri, allowed_schemes=DEFAULT_SCHEMES)
    assert "HU" not in str(error.value)
    assert "***" in str(error.value)


def test_a_command_with_secrets_is_not_shown():
    assert shown_command(["pasd-batch", "run", "a b.yaml", "output.root=s3://b/r"]) == (
        "pasd-batch run 'a b.yaml' output.root=s3://b/r"
    )
    for word in ("manifest.path=https://h/m.csv?sig=HUSH", "https://me:HUSH@h/m.csv"):
        assert shown_command(["pasd-batch", "run", word]) == "the same command"
