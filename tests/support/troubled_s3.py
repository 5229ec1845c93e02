"""A real S3 server in this process that can be made to trouble its clients at random, from a seed."""

import logging
import random
import threading
from collections import Counter
from dataclasses import dataclass, field

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "archive"
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@dataclass
class TroubledS3:
    """Refuses keys with `forbidden` in them; the rates are shares of requests, 0 unless a test sets them."""

    busy: float = 0.0
    """Answered 503."""
    cut_short: float = 0.0
    """Writes whose connection ends in the middle of the body; nothing is stored."""
    unanswered: float = 0.0
    """Writes that are stored, but whose connection ends without an answer."""
    seen: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self._random = random.Random(0)
        self._lock = threading.Lock()
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # it reports every connection that ends early
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        self._app, self._moto._server.app = self._moto._server.app, self._serve
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._moto.get_host_and_port()[1]}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def stop(self):
        self._moto.stop()

    def calm(self):
        """Trouble nobody any more."""
        self.busy = self.cut_short = self.unanswered = 0.0

    def client(self):
        options = self.environment
        return boto3.client("s3", endpoint_url=options["AWS_ENDPOINT_URL"])

    def _serve(self, environ, start_response):
        with self._lock:
            chance = self._random.random()
        write = environ["REQUEST_METHOD"] == "PUT"
        if "forbidden" in environ["PATH_INFO"]:
            return self._refuse(environ, start_response, "403 Forbidden", DENIED)
        if chance < self.busy:
            return self._refuse(environ, start_response, "503 Slow Down", SLOW_DOWN)
        chance -= self.busy
        if write and chance < self.cut_short:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0) // 2)
            return self._hang_up(environ, "cut short")
        chance -= self.cut_short
        if write and chance < self.unanswered:
            list(self._app(environ, start_response))
            return self._hang_up(environ, "unanswered")
        return self._app(environ, start_response)

    def _refuse(self, environ, start_response, status, body):
        self.seen[status] += 1
        # The rest of the request is read, or what is left of it would be taken for the next one.
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(status, [("Content-Type", "application/xml")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _hang_up(self, environ, what):
        self.seen[what] += 1
        environ["werkzeug.socket"].shutdown(2)
        return []
