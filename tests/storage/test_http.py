"""Photos over HTTP, and secrets in addresses."""

import asyncio
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from aiohttp.resolver import ThreadedResolver
from quick_retry import QUICK
from yarl import URL

from pasd_batch.config.storage import DEFAULT_SCHEMES, RetryPolicy, StorageSettings
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.storage import (
    InvalidLocation,
    NotFound,
    Storage,
    StorageError,
    TooLarge,
    TransientStorageError,
)
from pasd_batch.storage.web_guard import _Guard, _GuardedResolver, stay_encrypted


class _Web(BaseHTTPRequestHandler):
    calls = 0

    def do_GET(self):
        type(self).calls += 1
        match self.path.partition("?")[0]:
            case "/ok%20name.jpg":
                self._answer(200, b"photo")
            case "/endless.jpg":
                self.send_response(200)
                self.end_headers()
                while True:
                    try:
                        self.wfile.write(b"x" * 65536)
                    except OSError:
                        return
            case "/portal.jpg" if type(self).calls % 3:
                self._answer(200, b"<!DOCTYPE html>\n<p>Please log in.</p>", "text/html; charset=utf-8")
            case "/cut.jpg" if type(self).calls % 3:
                self._answer(200, b"pho", length=5)
            case "/portal.jpg" | "/cut.jpg":
                self._answer(200, b"photo")
            case "/page.html":
                self._answer(200, b"<html></html>", "text/html")
            case "/busy":
                self._answer(429, b"")
            case "/forbidden":
                self._answer(403, b"")
            case "/redirect/here":
                self._redirect("/ok%20name.jpg")
            case "/redirect/metadata":
                self._redirect("http://169.254.169.254/latest/meta-data/?token=hush")
            case "/redirect/file":
                self._redirect("file:///etc/passwd")
            case "/slow.jpg":
                time.sleep(3)
            case _:
                self._answer(404, b"")

    def _redirect(self, place):
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status, body, content_type=None, length=None):
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        return


@pytest.fixture
def web():
    _Web.calls = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def access_to(*hosts, **retry) -> StorageSettings:
    policy = RetryPolicy(**retry) if retry else QUICK
    return StorageSettings(allowed_schemes=DEFAULT_SCHEMES | {"http"}, allowed_hosts=hosts, retry=policy)


def test_photos_come_over_http(web):
    access = access_to("127.0.0.1")
    assert read_uri(f"http://{web}/ok%20name.jpg", access) == b"photo"
    with pytest.raises(TooLarge, match="limit of 4"):
        read_uri(f"http://{web}/ok%20name.jpg", access, max_bytes=4)
    with pytest.raises(TooLarge, match="limit of 1,000,000"):
        read_uri(f"http://{web}/endless.jpg", access, max_bytes=1_000_000)
    with pytest.raises(NotFound):
        read_uri(f"http://{web}/none.jpg", access)
    with pytest.raises(TransientStorageError, match="gave up after 2 tries"):
        read_uri(f"http://{web}/slow.jpg", access_to("127.0.0.1", attempts=2, first_delay=0, timeout=0.3))
    with pytest.raises(InvalidLocation, match="can only be read"):
        Storage.open(f"http://{web}", access)


@pytest.mark.parametrize("name", ["portal.jpg", "cut.jpg"])
def test_pages_of_portals_and_answers_cut_short_are_asked_for_again(web, name):
    assert read_uri(f"http://{web}/{name}", access_to("127.0.0.1")) == b"photo"
    assert _Web.calls == 3


def test_an_address_of_a_page_is_said_to_be_one(web):
    with pytest.raises(TransientStorageError, match="a web page or an error message, not a file"):
        read_uri(f"http://{web}/page.html", access_to("127.0.0.1"))


@pytest.mark.parametrize("scheme", ["http", "https", "HTTPS"])
def test_http_is_off_unless_it_is_named(web, scheme):
    with pytest.raises(InvalidLocation, match=f"scheme '{scheme.lower()}' is not allowed .* storage.allowed_schemes"):
        read_uri(f"{scheme}://{web}/ok%20name.jpg")
    assert _Web.calls == 0


@pytest.mark.parametrize("name", ["busy", "forbidden", "none", "redirect/metadata"])
def test_secrets_stay_out_of_messages(web, name, caplog):
    caplog.set_level("DEBUG")
    uri = f"http://user:hush@{web}/{name}?width=5&X-Amz-Signature=hush&token=hush"
    with pytest.raises(StorageError) as error:
        read_uri(uri, access_to("127.0.0.1"))
    logging.getLogger().error("with its traceback", exc_info=error.value)
    assert "with its traceback\nTraceback" in caplog.text
    assert "hush" not in str(error.value) + caplog.text
    if name != "redirect/metadata":
        assert f"***@{web}/{name}?width=***&X-Amz-Signature=***&token=***" in str(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_this_machine_is_not_reached_unless_it_is_named(web, host):
    port = web.partition(":")[2]
    with pytest.raises(InvalidLocation, match=r"of this machine; if it is meant, name it in storage\.allowed_hosts"):
        read_uri(f"http://{host}:{port}/ok%20name.jpg", access_to("10.0.0.0/8", "example.org"))
    assert _Web.calls == 0


@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "127.1"])
def test_addresses_in_odd_forms_are_not_reached(web, host):
    port = web.partition(":")[2]
    with pytest.raises(StorageError):
        read_uri(f"http://{host}:{port}/ok%20name.jpg", access_to())
    assert _Web.calls == 0


@pytest.mark.parametrize("named", ["127.0.0.0/8", "127.0.0.1", "0.0.0.0/0"])
def test_named_addresses_are_reached(web, named):
    assert read_uri(f"http://{web}/ok%20name.jpg", access_to(named)) == b"photo"


def test_a_named_host_is_reached_whatever_its_address(web):
    port = web.partition(":")[2]
    assert read_uri(f"http://localhost:{port}/ok%20name.jpg", access_to("LocalHost.", "::1")) == b"photo"


def test_redirects_lead_nowhere_else(web):
    assert read_uri(f"http://{web}/redirect/here", access_to("127.0.0.1")) == b"photo"
    with pytest.raises(InvalidLocation, match=r"^169\.254\.169\.254 is link-local .* storage\.allowed_hosts"):
        read_uri(f"http://{web}/redirect/metadata", access_to("127.0.0.1"))
    with pytest.raises(StorageError, match="NonHttpUrlRedirect"):
        read_uri(f"http://{web}/redirect/file", access_to("127.0.0.1"))


def test_a_name_whose_address_changes_is_not_reached(web, monkeypatch):
    addresses = iter(["93.184.216.34", "127.0.0.1"])

    async def changing(self, host, port=0, family=socket.AF_INET):
        info = {"hostname": host, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        return [{**info, "host": next(addresses)}]

    monkeypatch.setattr(ThreadedResolver, "resolve", changing)

    async def twice():
        resolver = _GuardedResolver(_Guard(["10.0.0.0/8"]))
        assert (await resolver.resolve("evil.example"))[0]["host"] == "93.184.216.34"
        await resolver.resolve("evil.example")

    with pytest.raises(InvalidLocation, match=r"evil\.example is 127\.0\.0\.1, which is an address of this machine"):
        asyncio.run(twice())


def test_https_does_not_become_http():
    request = SimpleNamespace(url=URL("http://example.org/a?sig=hush"))
    with pytest.raises(InvalidLocation, match=r"example\.org: https is not left for http"):
        asyncio.run(stay_encrypted(request, None))


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", None),
        ("2001:4860:4860::8888", None),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd00::1", "private"),
        ("fe80::1", "link-local"),
        ("169.254.169.254", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "private"),
        ("::", "of this machine"),
        ("127.9.9.9", "of this machine"),
        ("::ffff:10.0.0.1", "private"),
        ("2002:7f00:1::", "of this machine"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("127.1", "written in a form"),
        ("::127.0.0.1", "private"),
        ("64:ff9b:1::a9fe:a9fe", "private"),
        ("::ffff:0:10.0.0.1", "private"),
        ("fec0::1", "private"),
        ("192.0.0.192", "private"),
        ("168.63.129.16", "private"),
        ("64:ff9b::808:808", None),
        ("::ffff:8.8.8.8", None),
    ],
)
def test_addresses_by_kind(address, kind):
    found = _Guard([]).refusal(address)
    assert found is None if kind is None else kind in found


@pytest.mark.parametrize("address", ["h:99999/a", "h:x/a", "[::1/a", "/a", "", "me:HUSH@/a", "me:HU/SH@h/a"])
def test_an_address_without_host_and_port_is_refused_by_name(address):
    with pytest.raises(InvalidLocation, match="no host and port there; write http://HOST/PATH") as error:
        read_uri(f"http://{address}", access_to())
    assert "HU" not in str(error.value)


@pytest.mark.parametrize("host", ["", "http://a", "a:80", "a/b", "a b", "*"])
def test_hosts_are_named_without_anything_else(host):
    with pytest.raises(ValueError, match="without scheme and port"):
        StorageSettings(allowed_hosts={host})
