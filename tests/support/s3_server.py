"""A real S3 server in this process, whose answers can be troubled."""

import itertools
from collections.abc import Callable

from moto.server import ThreadedMotoServer
from other_answers import PAGE, SLOW_DOWN

Trouble = Callable[[dict], str | None]


class S3Server:
    """moto's server with a fault injected where `trouble` says so.

    `trouble` gets the WSGI environment and answers None (serve it), "503", "403", "drop" (serve it, then cut the
    connection without an answer), "short" (cut the body in half), "unconditional" (ignore If-None-Match), "page" or
    "page with ETag" (a proxy's page with status 200, without reaching the store), "error body" (the same with an S3
    error), "flipped" (one bit of the body changed) or "flipped without checksum".
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
                return self._body(environ, SLOW_DOWN)
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
            case "page" | "page with ETag" | "error body" as trouble:
                return self._another_answer(environ, start_response, trouble)
            case "flipped" | "flipped without checksum" as trouble:
                return self._flipped(environ, start_response, keeps_checksum=trouble == "flipped")
            case "unconditional":
                environ.pop("HTTP_IF_NONE_MATCH", None)
        return self._app(environ, start_response)

    def _another_answer(self, environ: dict, start_response: Callable, trouble: str) -> list[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body, kind = (SLOW_DOWN, "application/xml") if trouble == "error body" else (PAGE, "text/html")
        etag = [("ETag", '"65a1f0c2-1b3"')] if trouble == "page with ETag" else []
        start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body))), *etag])
        return self._body(environ, body)

    def _flipped(self, environ: dict, start_response: Callable, *, keeps_checksum: bool) -> list[bytes]:
        def start(status: str, headers: list, *rest: object) -> object:
            kept = [each for each in headers if keeps_checksum or "checksum" not in each[0].lower()]
            return start_response(status, kept, *rest)

        body = bytearray(b"".join(self._app(environ, start)))
        if body:
            body[len(body) // 2] ^= 1
        return [bytes(body)]

    def _body(self, environ: dict, body: bytes) -> list[bytes]:
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
