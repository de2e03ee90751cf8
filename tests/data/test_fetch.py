from __future__ import annotations

import hashlib
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from test_formats import idx

from hvae.config.data import DataConfig
from hvae.data import catalogue, known_sets, load
from hvae.data import fetch as fetching
from hvae.data.fetch import Remote, download, fetch, places
from hvae.errors import HvaeError


def published(path: Path, data: bytes, *before: str) -> Remote:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    return Remote(path.name, hashlib.md5(data).hexdigest(), (*before, path.as_uri()))


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    remote = published(tmp_path / "web/a.bin", b"content")
    fetch([remote], tmp_path / "here")
    assert (tmp_path / "here/a.bin").read_bytes() == b"content"
    (tmp_path / "web/a.bin").unlink()
    fetch([remote], tmp_path / "here")


def test_the_next_address_is_tried(tmp_path: Path) -> None:
    fetch([published(tmp_path / "web/a.bin", b"x", "https://nowhere.invalid/a.bin")], tmp_path / "here")
    assert (tmp_path / "here/a.bin").exists()


def test_a_wrong_checksum_leaves_nothing(tmp_path: Path) -> None:
    remote = replace(published(tmp_path / "web/a.bin", b"content"), md5="0" * 32)
    with pytest.raises(HvaeError, match=r"sent md5 .* expected 0000"):
        fetch([remote], tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_every_address_that_failed_is_named(tmp_path: Path) -> None:
    remote = Remote("a", "0" * 32, ("https://one.invalid/a", "https://two.invalid/a"))
    with pytest.raises(HvaeError, match=r"one.invalid.*no network.*two.invalid.*no network"):
        fetch([remote], tmp_path)


def test_places_in_order(cache: Path) -> None:
    assert places("/r", ("a", "b"), ("/sys",)) == [Path("/r/a"), Path("/r/b"), Path("/sys"), cache / "a"]
    assert places("", ("a", "b"), ()) == [cache / "a"]


def test_offline_the_error_lists_every_place(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(HvaeError, match="'mnist' was found nowhere") as caught:
        load(DataConfig(name="mnist-dynamic", root=str(tmp_path)))
    message = str(caught.value)
    for place in (tmp_path / "mnist", tmp_path / "MNIST/raw", cache / "mnist", "ossci-datasets", "cvdf-datasets"):
        assert str(place) in message
    assert "no network" in message and "data.root" in message and "\n" not in message


def test_the_network_is_left_alone_when_told_so(cache: Path) -> None:
    with pytest.raises(HvaeError, match="downloading is switched off"):
        load(DataConfig(name="omniglot", download=False))
    assert not cache.exists()


def test_a_set_is_downloaded_into_the_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "train-images-idx3-ubyte": np.zeros((4, 28, 28), np.uint8),
        "train-labels-idx1-ubyte": np.zeros(4, np.uint8),
        "t10k-images-idx3-ubyte": np.zeros((2, 28, 28), np.uint8),
        "t10k-labels-idx1-ubyte": np.zeros(2, np.uint8),
    }
    remotes = tuple(published(tmp_path / name, idx(array)) for name, array in files.items())
    monkeypatch.setitem(catalogue.SETS, "mnist", replace(catalogue.MNIST, remotes=remotes))
    data = load(DataConfig(name="mnist", valid=0))
    assert len(data.train) == 4 and data.provenance.source == str(cache / "mnist")
    assert {entry["name"]: entry["found"] for entry in known_sets()}["mnist"] == str(cache / "mnist")


def served(monkeypatch: pytest.MonkeyPatch, body: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server on this machine that answers with `body`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                body(self)

        def log_message(self, *_: object) -> None:
            pass

    opened = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    monkeypatch.setattr(urllib.request, "urlopen", opened)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/a.bin"
        server.shutdown()


def slow(request: BaseHTTPRequestHandler, *, whole: bytes = b"", each: bytes = b"x") -> None:
    request.wfile.write(whole)
    while True:
        request.wfile.write(each)
        time.sleep(0.02)


HEAD, BUSY = b"HTTP/1.0 200 OK\r\n", b"HTTP/1.0 429 Too Many Requests\r\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (partial(slow, whole=HEAD + b"\r\n", each=bytes(1 << 16)), "expected at most 1,000,000 bytes"),
        (lambda r: r.wfile.write(HEAD + b"Content-Length: 1000000000000\r\n\r\n"), "got 1,000,000,000,000 or more"),
        (partial(slow, whole=HEAD + b"\r\n"), "only .* bytes in"),
        (partial(slow, whole=HEAD + b"Slow: "), "no answer within"),
        (lambda r: r.wfile.write(HEAD + b"Content-Length: 9\r\n\r\n123"), "3 of 9 bytes came"),
        (lambda r: r.wfile.write(HEAD + b"Content-Length: nine\r\n\r\n123"), "could not be fetched"),
        (lambda r: r.wfile.write(BUSY + b"Retry-After: 7\r\n\r\n"), "Too Many Requests: try again later in 7 s"),
        (lambda r: r.wfile.write(BUSY + b"Retry-After: soon\r\n\r\n"), r"Too Many Requests: try again later\)"),
    ],
    ids=["endless", "declared", "slow", "slow head", "cut", "no number", "busy", "busy without a time"],
)
def test_servers_that_never_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: Callable[[BaseHTTPRequestHandler], None], message: str
) -> None:
    monkeypatch.setattr(fetching, "PERIOD", 0.3)
    monkeypatch.setattr(fetching, "TIMEOUT", 0.5)
    for address in served(monkeypatch, body):
        with pytest.raises(HvaeError, match=message):
            download(address, tmp_path / "a.bin", limit=1_000_000)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_has_changed_is_fetched_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    amat = {f"binarized_mnist_{split}.amat": b"0 " * 784 * 4 for split in ("train", "valid", "test")}
    remotes = tuple(published(tmp_path / name, text) for name, text in amat.items())
    monkeypatch.setitem(catalogue.SETS, "mnist-static", replace(catalogue.STATIC, remotes=remotes))
    first = load(DataConfig(name="mnist-static")).provenance
    spoilt = cache / "mnist_static" / "binarized_mnist_test.amat"
    spoilt.write_bytes(spoilt.read_bytes()[: 784 * 4])
    with pytest.raises(HvaeError, match="a file of 'mnist-static' has changed"):
        load(DataConfig(name="mnist-static", download=False))
    assert load(DataConfig(name="mnist-static")).provenance == first


def test_a_set_of_the_right_size_with_other_images_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = replace(catalogue.STATIC, sizes={"train": 4, "valid": 4, "test": 4})
    monkeypatch.setitem(catalogue.SETS, "mnist-static", known)
    for split in ("train", "valid", "test"):
        (tmp_path / f"binarized_mnist_{split}.amat").write_text("0 " * 784 * 4)
    (tmp_path / "mnist_static").symlink_to(tmp_path)
    said = load(DataConfig(name="mnist-static", root=str(tmp_path))).provenance.version
    assert "not the published train images" in said and "not the published test images" in said


def test_known_sets_say_what_and_where(tmp_path: Path) -> None:
    entries = {entry["name"]: entry for entry in known_sets(str(tmp_path))}
    assert entries["digits"]["found"] == "built in" and entries["mnist"]["found"] == ""
    drawn, mnist = entries["moving-mnist"], entries["mnist"]
    assert [drawn[key] for key in ("found", "searched", "download")] == [
        mnist[key] for key in ("found", "searched", "download")
    ]
    assert entries["mnist"]["forms"] == ["mnist", "mnist-dynamic", "mnist-binary"]
    assert entries["mnist"]["searched"][0] == str(tmp_path / "mnist")
    assert entries["mnist-static"]["sizes"] == {"train": 50_000, "valid": 10_000, "test": 10_000}
    assert all(entry["licence"] and entry["what"] for entry in entries.values())


def test_every_published_file_has_a_checksum_and_an_address() -> None:
    remotes = [remote for known in catalogue.SETS.values() for remote in known.remotes]
    assert len({remote.md5 for remote in remotes}) == len(remotes) == 14
    assert all(len(bytes.fromhex(remote.md5)) == 16 and remote.addresses for remote in remotes)
    assert all(address.endswith("/" + remote.file) for remote in remotes for address in remote.addresses)
