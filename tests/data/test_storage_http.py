"""Photos over HTTP, and secrets in addresses."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from quick_retry import QUICK

from pasd_batch.data.storage import (
    Forbidden,
    NotFound,
    RetryPolicy,
    Storage,
    StorageError,
    TooLarge,
    TransientStorageError,
    read_uri,
)


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
            case "/busy.jpg":
                self._answer(429, b"")
            case "/forbidden.jpg":
                self._answer(403, b"")
            case "/slow.jpg":
                time.sleep(3)
            case _:
                self._answer(404, b"")

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
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_photos_come_over_http(web):
    assert read_uri(f"http://{web}/ok%20name.jpg", retry=QUICK) == b"photo"
    assert Storage.open(f"http://{web}", retry=QUICK).read("ok name.jpg", max_bytes=5) == b"photo"
    with pytest.raises(TooLarge, match="limit of 4"):
        read_uri(f"http://{web}/ok%20name.jpg", max_bytes=4, retry=QUICK)
    with pytest.raises(TooLarge, match="limit of 1,000,000"):
        read_uri(f"http://{web}/endless.jpg", max_bytes=1_000_000, retry=QUICK)
    with pytest.raises(NotFound):
        read_uri(f"http://{web}/none.jpg", retry=QUICK)
    with pytest.raises(TransientStorageError, match="gave up after 2 tries"):
        read_uri(f"http://{web}/slow.jpg", retry=RetryPolicy(attempts=2, first_delay=0, timeout=0.3))
    with pytest.raises(StorageError, match="can only be read"):
        Storage.open(f"http://{web}").write("a", b"")
    with pytest.raises(StorageError, match="no listing"):
        list(Storage.open(f"http://{web}").list())


@pytest.mark.parametrize("name", ["portal.jpg", "cut.jpg"])
def test_pages_of_portals_and_answers_cut_short_are_asked_for_again(web, name):
    _Web.calls = 0
    assert read_uri(f"http://{web}/{name}", retry=QUICK) == b"photo"
    assert _Web.calls == 3


def test_an_address_of_a_page_is_said_to_be_one(web):
    with pytest.raises(TransientStorageError, match="a web page or an error message, not a file"):
        read_uri(f"http://{web}/page.html", retry=QUICK)


@pytest.mark.parametrize(("name", "kind"), [("busy", TransientStorageError), ("forbidden", Forbidden)])
def test_secrets_stay_out_of_messages(web, name, kind, caplog):
    caplog.set_level("DEBUG")
    uri = f"http://user:hush@{web}/{name}.jpg?width=5&X-Amz-Signature=hush&token=hush"
    with pytest.raises(kind) as error:
        read_uri(uri, retry=QUICK)
    assert "hush" not in str(error.value) + caplog.text
    assert error.value.__suppress_context__
    assert f"***@{web}/{name}.jpg?width=***&X-Amz-Signature=***&token=***" in str(error.value)
