"""A server that speaks the Hugging Face Hub's protocol, as far as fetching models goes, and can be troubled."""

import hashlib
import json
import re
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_API = re.compile(r"/api/models/([\w.-]+/[\w.-]+)(?:/(revision|tree)/([^/]+))?")
_RESOLVE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """Commits, each with all of its files, and the branches that lead to them."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False


class HubServer:
    """Repositories that are served while it runs; `gets` counts what was sent of each file."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.gets: Counter[str] = Counter()
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.released = threading.Event()
        self.cut_once: set[str] = set()
        """Files whose next transfer ends half-way."""
        self.stalled: dict[str, threading.Event] = {}
        """Files whose transfer stands still half-way for a moment; the events are set when that is so."""
        self.fails_with: int | None = None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def push(self, repository: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Make these the files of a branch; the commit."""
        named = sorted(files.items())
        commit = hashlib.sha1(repr(named).encode()).hexdigest()
        kept = self.repositories.setdefault(repository, Repository())
        kept.commits[commit] = dict(files)
        kept.branches[branch] = commit
        return commit

    def push_folder(self, repository: str, folder, below: str = "", more: dict[str, bytes] | None = None) -> str:
        files = {below + each.relative_to(folder).as_posix(): each for each in folder.rglob("*") if each.is_file()}
        return self.push(repository, {name: path.read_bytes() for name, path in files.items()} | (more or {}))

    @property
    def sent(self) -> dict[str, int]:
        return dict(self.gets)

    @contextmanager
    def down(self):
        """Answer everything with 503 for as long as the context lasts."""
        self.fails_with = 503
        try:
            yield
        finally:
            self.fails_with = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        self.hub.tokens.add(self.headers.get("Authorization", ""))
        if self.hub.fails_with:
            self._fail(self.hub.fails_with, "", "busy")
        elif match := _RESOLVE.fullmatch(urlsplit(self.path).path):
            self._file(match[1], unquote(match[2]), unquote(match[3]))
        elif match := _API.fullmatch(urlsplit(self.path).path):
            self._api(match[1], match[2], unquote(match[3] or "main"))
        else:
            self._fail(404, "", "no such route")

    def _found(self, name: str, revision: str, *, listing: bool = False) -> tuple[str, dict[str, bytes]] | None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            self._fail(404, "RepoNotFound", "Repository not found")
            return None
        if repository.gated and not listing and self.headers.get("Authorization") != "Bearer accepted":
            self._fail(403, "GatedRepo", f"Access to model {name} is restricted")
            return None
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return commit, repository.commits[commit]

    def _api(self, name: str, kind: str | None, revision: str) -> None:
        # The hub shows a gated repository's commits and lists of files to everybody.
        found = self._found(name, revision, listing=True)
        if found is None:
            return
        commit, files = found
        if kind != "tree":
            self._json({"id": name, "sha": commit, "siblings": [{"rfilename": path} for path in files]})
            return
        self._json([_entry(path, data) for path, data in files.items()])

    def _file(self, name: str, revision: str, path: str) -> None:
        found = self._found(name, revision)
        if found is None:
            return
        commit, files = found
        if path not in files:
            self._fail(404, "EntryNotFound", "Entry not found")
            return
        data = files[path]
        start = int(re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", "bytes=0-"))[1])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.hub.gets[path] += 1
        if path in self.hub.cut_once:
            self.hub.cut_once.remove(path)
            self.wfile.write(data[start : start + (len(data) - start) // 2])
            self.close_connection = True
            return
        half = start + (len(data) - start) // 2
        self.wfile.write(data[start:half])
        if path in self.hub.stalled:
            self.wfile.flush()
            self.hub.stalled.pop(path).set()
            self.hub.released.wait(30)
        self.wfile.write(data[half:])

    def _json(self, content) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _fail(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _entry(path: str, data: bytes) -> dict:
    digest = hashlib.sha256(data).hexdigest()
    entry = {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
    return entry | {"lfs": {"oid": digest, "size": len(data), "pointerSize": 134}} if len(data) > 1000 else entry
