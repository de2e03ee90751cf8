"""Who may ask the studio, how much, and what of what it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from hvae.studio.guard import MOST_BYTES, Pass

ROOT = "http://127.0.0.1:8760"


@pytest.fixture
def ours() -> Pass:
    return Pass(8760)


@pytest.fixture
def stranger(studio: Any, ours: Pass) -> Iterator[TestClient]:
    with TestClient(studio.app(ours), base_url=ROOT, raise_server_exceptions=False) as browser:
        yield browser


@pytest.mark.parametrize("address", ["/", "/main.js", "/api/runs", "/nothing"])
def test_nothing_is_answered_without_the_token(stranger: TestClient, address: str) -> None:
    answer = stranger.get(address)
    assert answer.status_code == 403 and "hvae studio has printed" in answer.json()["error"]


@pytest.mark.parametrize("token", ["", "x", "ü", "é" * 100])
def test_a_wrong_token_lets_nobody_in(stranger: TestClient, token: str) -> None:
    assert stranger.get("/enter", params={"token": token}).status_code == 403
    assert stranger.get("/api/runs").status_code == 403


def test_the_token_becomes_a_cookie_and_leaves_the_address(stranger: TestClient, ours: Pass) -> None:
    answer = stranger.get(f"/enter?token={ours.token}", follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    page = stranger.get("/")
    assert page.status_code == 200 and ours.token not in page.text


def test_tokens_of_two_starts_differ(ours: Pass) -> None:
    assert Pass(8760).token != ours.token and Pass(8761).cookie != ours.cookie


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8760", "", "[", "192.168.0.1:8760"])
def test_a_name_that_somebody_has_pointed_here_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/api/runs", headers={"host": host})
    assert answer.status_code == 421 and "127.0.0.1" in answer.json()["error"]


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:8760", "[::1]:8760"])
def test_this_machine_by_any_of_its_names_is_served(client: TestClient, ours: Pass, host: str) -> None:
    # Cookies of a test belong to one host; a tunnel from another port brings its own.
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    assert client.get("/api/runs", headers={"host": host, "cookie": cookie}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8760", "http://127.0.0.1:3000"])
def test_pages_of_other_origins_are_refused(client: TestClient, origin: str) -> None:
    assert client.post("/api/draw", json={}, headers={"origin": origin}).status_code == 403


def test_every_answer_says_what_a_page_may_do(client: TestClient) -> None:
    for address in ("/", "/main.js", "/nothing", "/api/runs"):
        headers = client.get(address).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"


def test_a_body_that_says_it_is_too_large_is_refused_unread(client: TestClient) -> None:
    headers = {"content-length": str(MOST_BYTES + 1), "content-type": "application/octet-stream"}
    answer = client.post("/api/upload", content=b"x", headers=headers)
    assert answer.status_code == 413 and "at most" in answer.json()["error"]
    for length in ("-1", "x", "9" * 400):
        assert (
            client.post("/api/upload", content=b"x", headers={**headers, "content-length": length}).status_code == 413
        )


def test_a_body_in_pieces_is_counted_as_it_comes(client: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(2 * MOST_BYTES >> 20):
            yield bytes(1 << 20)

    answer = client.post("/api/upload", content=pieces(), headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 413 and "at most" in answer.json()["error"]


@pytest.mark.parametrize("address", ["/../pyproject.toml", "/page/main.js", "/main.js/x", "/%2e%2e/app.py", "/app.py"])
def test_no_address_names_a_file(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"run": NaN}',
        b'{"run": 1' + b"0" * 5000 + b"}",
        b'{"run": -1}',
        b'{"run": 99}',
        b'{"run": 1e400}',
        b'{"nothing": 1}',
        b'{"seeds": {"z2": [1]}}',
        b'{"seeds": {"z2": [1], "z1": []}}',
        b'{"seeds": {"z2": [1], "z1": [1, 2]}}',
        b'{"seeds": {"z2": [1], "z1": [4294967296]}}',
        b'{"seeds": {"z2": [1], "z1": [1], "z9": [1]}}',
        b'{"seeds": {"z2": [1], "z1": [1]}, "temperature": {"z1": -1}}',
        b'{"seeds": {"z2": [1], "z1": [1]}, "temperature": {"z1": 1e300}}',
        b'{"seeds": {"z2": [1], "z1": [1]}, "context": {"label": "3"}}',
        json.dumps({"seeds": {"z2": [1] * 1000, "z1": [1] * 1000}}).encode(),
    ],
)
def test_wrong_questions_are_one_line_each(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/draw", content=body, headers={"content-type": "application/json"})
    line = answer.json()["error"]
    assert answer.status_code == 400 and line and "\n" not in line and len(line) < 500


def test_a_form_of_another_site_is_no_question(client: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = client.post("/api/draw", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 400 and "application/json" in answer.json()["error"]


def test_a_view_that_there_is_not_names_those_that_there_are(client: TestClient) -> None:
    answer = client.post("/api/drow", json={})
    assert answer.status_code == 400 and "'draw'" in answer.json()["error"]


def test_a_fault_of_ours_is_a_line_and_the_server_goes_on(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from hvae.studio import views

    def broken(*_: object) -> None:
        raise KeyError("secret")

    def full(*_: object) -> None:
        raise MemoryError

    question = {"seeds": {"z2": [1], "z1": [1]}}
    monkeypatch.setitem(views.VIEWS, "draw", views.View(views.VIEWS["draw"].asked, broken))
    answer = client.post("/api/draw", json=question)
    assert answer.status_code == 500 and "KeyError" in answer.json()["error"] and "secret" not in answer.text
    monkeypatch.setitem(views.VIEWS, "draw", views.View(views.VIEWS["draw"].asked, full))
    assert client.post("/api/draw", json=question).status_code == 507
    monkeypatch.undo()
    assert client.post("/api/draw", json=question).status_code == 200


@pytest.mark.parametrize(
    "body", ["[]", "3", "null", '"x"', '"run=0"', "{", "", '{"run": -1}', '{"run": 9}', "[" * 9999]
)
@pytest.mark.parametrize("view", ["draw", "training", "score", "restore", "nothing"])
def test_questions_that_are_none_are_refused_as_json(client: Any, view: str, body: str) -> None:
    answer = client.post(f"/api/{view}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    line = answer.json()["error"]
    assert line and "\n" not in line and "Asked" not in line and "configuration" not in line


def test_addresses_that_are_none_are_refused_as_json(client: Any) -> None:
    for method, address, status in (("GET", "/api/draw", 405), ("GET", "/nothing", 404), ("POST", "/", 405)):
        answer = client.request(method, address)
        assert answer.status_code == status and address in answer.json()["error"]


@pytest.mark.parametrize("start", ["/", "/api/", "/api/latents/", "/api/draw/"])
@pytest.mark.parametrize("method", ["GET", "POST", "A" * 9999])
def test_no_answer_repeats_a_long_question(client: Any, method: str, start: str) -> None:
    answer = client.request(method, start + "\u202e" + "a" * 60_000, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 404, 405)
    assert len(answer.json()["error"]) < 400 and "\u202e" not in answer.json()["error"]
