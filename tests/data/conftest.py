"""A real S3 server in this process, whose answers can be troubled."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from moto.server import ThreadedMotoServer

Trouble = Callable[[dict], str | None]


class S3Server:
    """moto's server with a fault injected where `trouble` says so.

    `trouble` gets the WSGI environment and answers None (serve it), "503", "403", "drop" (serve it, then cut the
    connection without an answer), "short" (cut the body in half) or "unconditional" (ignore If-None-Match).
    """

    def __init__(self) -> None:
        self.trouble: Trouble = lambda environ: None
        self.requests: list[str] = []
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        self._buckets = itertools.count()
        server = self._moto._server
        self._app, server.app = server.app, self._serve
        self.url = f"http://127.0.0.1:{self._moto.get_host_and_port()[1]}"

    def stop(self) -> None:
        self._moto.stop()

    def _serve(self, environ: dict, start_response: Callable) -> object:
        self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        match self.trouble(environ):
            case "503":
                start_response("503 Slow Down", [("Content-Type", "application/xml")])
                return self._body(environ, b"<Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>")
            case "403":
                start_response("403 Forbidden", [("Content-Type", "application/xml")])
                return self._body(environ, b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>")
            case "drop":
                list(self._app(environ, start_response))
                environ["werkzeug.socket"].shutdown(2)
                return []
            case "short":
                body = b"".join(self._app(environ, start_response))
                return [body[: len(body) // 2]]
            case "unconditional":
                environ.pop("HTTP_IF_NONE_MATCH", None)
        return self._app(environ, start_response)

    def _body(self, environ: dict, body: bytes) -> list[bytes]:
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


@pytest.fixture(scope="session")
def _s3_process() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3(_s3_process: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """The server, with the environment pointing at it and an empty bucket named `archive`."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", _s3_process.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = boto3.resource("s3").Bucket("archive")
    bucket.create()
    _s3_process.requests.clear()
    yield _s3_process
    _s3_process.trouble = lambda environ: None
    bucket.objects.delete()
    bucket.delete()
