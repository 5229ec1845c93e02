"""A webhook on this machine that answers as it is told to."""

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer


class Receiver(HTTPServer):
    """A webhook that answers with the given statuses, one after the other, and then with 200."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses, self.received = [], []
        self.drips = False
        """True: an answer that never ends, a header at a time."""
        self.victim = None
        """A process that is killed when a message has come, in place of an answer."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        if self.server.victim is not None:
            self.server.victim().kill()
            return
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Location", "/elsewhere")
        if self.server.drips:
            with suppress(ConnectionError):
                self.drip()
        self.end_headers()

    def drip(self):
        self.flush_headers()
        while self.server.drips:
            self.wfile.write(b"X-Wait: a little\r\n")
            time.sleep(0.05)

    def log_message(self, *_):
        pass
