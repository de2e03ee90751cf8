"""A stand-in for the Hugging Face hub: repositories in memory, files as huggingface_hub asks for them."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = ".safetensors"
"""What the hub keeps in its store of large files, whose sha256 it tells."""


@dataclass
class Hub:
    """Repositories by name, each {file: content}; `stated` are sizes that the listing gives instead of the true."""

    address: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    stated: dict[str, int] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    """Files that somebody has asked for."""
    uploads: dict[str, bytes] = field(default_factory=dict)
    posts: list[str] = field(default_factory=list)
    after: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    """By file, or "" for the listing: bytes that follow its content for ever, with a pause of so many seconds."""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Addresses that files are served from instead."""
    busy: set[str] = field(default_factory=set)
    """Files that the server has no time for now."""
    tokens: list[str] = field(default_factory=list)
    """What those who asked for something said they were."""

    def commit(self, name: str) -> str:
        """The commit of a repository, which is made of its content."""
        files = sorted(self.repositories[name].items())
        return hashlib.sha1(b"".join(key.encode() + content for key, content in files)).hexdigest()

    def info(self, name: str) -> dict[str, Any]:
        """What the interface tells of a repository."""
        return {"id": name, "sha": self.commit(name), "siblings": [*self._siblings(name)]}

    def _siblings(self, name: str) -> Iterator[dict[str, Any]]:
        for file, content in self.repositories[name].items():
            size = self.stated.get(file, len(content))
            large = {"size": size, "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 130}
            yield {"rfilename": file, "size": size, **({"lfs": large} if file.endswith(LARGE) else {})}


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers at `hub.address` while the block runs."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *args: object) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        self._get(body=False)

    def do_GET(self) -> None:
        self.hub.tokens.append(self.headers.get("Authorization") or "")
        self._get(body=True)

    def _get(self, body: bool) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self._info("/".join(parts[2:4]), parts[5] if parts[4:5] == ["revision"] else "main")
        if parts[2:3] == ["resolve"]:
            return self._file("/".join(parts[:2]), "/".join(parts[4:]), body)
        self._answer(404)

    def _info(self, name: str, revision: str) -> None:
        if name not in self.hub.repositories or revision not in ("main", self.hub.commit(name)):
            return self._answer(404, headers={"X-Error-Code": "RepoNotFound", "X-Error-Message": "Not found"})
        self._endless(json.dumps(self.hub.info(name)).encode(), "")
        self._answer(200, self.hub.info(name))

    def _file(self, name: str, file: str, body: bool) -> None:
        content = self.hub.repositories.get(name, {}).get(file)
        if content is None:
            return self._answer(404, headers={"X-Error-Code": "EntryNotFound"})
        if file in self.hub.busy:
            return self._answer(503)
        if body:
            self.hub.served.append(file)
        if file in self.hub.elsewhere:
            return self._send(302, b"", {"Location": self.hub.elsewhere[file]})
        self._endless(content, file)
        headers = {"X-Repo-Commit": self.hub.commit(name), "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        self._send(200, content, headers, body)

    def _endless(self, content: bytes, file: str) -> None:
        """Where this is said of the file: its content, and then more until the other side has had enough."""
        if file not in self.hub.after:
            return
        more, pause = self.hub.after[file]
        self.close_connection = True
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + content)
        with suppress(OSError):
            while True:
                self.wfile.write(more)
                time.sleep(pause)

    def do_PUT(self) -> None:
        self.hub.uploads[self.path.rpartition("/")[2]] = self._body()
        self._answer(200)

    def do_POST(self) -> None:
        path, content = unquote(urlsplit(self.path).path), self._body()
        self.hub.posts.append(path)
        if path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            question = json.loads(content)
            name = f"{question.get('organization') or 'me'}/{question['name']}"
            self.hub.repositories.setdefault(name, {})
            return self._answer(200, {"url": f"{self.hub.address}/{name}"})
        if "/preupload/" in path:
            files = [{**one, "uploadMode": self._mode(one["path"])} for one in json.loads(content)["files"]]
            return self._answer(200, {"files": [{**one, "shouldIgnore": False} for one in files]})
        if path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(content)["objects"]
            place = {one["oid"]: {"upload": {"href": f"{self.hub.address}/store/{one['oid']}"}} for one in objects}
            return self._answer(200, {"objects": [{**one, "actions": place[one["oid"]]} for one in objects]})
        if "/commit/" in path:
            return self._commit("/".join(path.split("/")[3:5]), content)
        self._answer(404)

    @staticmethod
    def _mode(file: str) -> str:
        return "lfs" if file.endswith(LARGE) else "regular"

    def _commit(self, name: str, content: bytes) -> None:
        files = self.hub.repositories[name]
        for line in map(json.loads, content.decode().splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
        commit = self.hub.commit(name)
        self._answer(200, {"commitUrl": f"{self.hub.address}/{name}/commit/{commit}", "commitOid": commit})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _answer(self, code: int, value: object = None, headers: dict[str, str] | None = None) -> None:
        self._send(code, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, code: int, content: bytes, headers: dict[str, str], body: bool = True) -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(content)
