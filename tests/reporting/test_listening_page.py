"""The page of a listening test in a browser: heard, scored and saved, and nothing is asked of a network."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import FOUND, Chromium

import hvae
from hvae.reporting.listening import write_listening
from hvae.study.listening.answers import COLUMNS

NAMES = ("reference", "anchor 3.5 kHz", "mine", "theirs")
RATE, SECONDS, TEST = 8_000, 5, "0123456789abcdef"
pytestmark = pytest.mark.skipif(FOUND is None, reason="needs Chromium")


def sounds(item: int) -> dict[str, np.ndarray]:
    return {name: np.full(RATE * SECONDS, 100 * item + place, np.int16) for place, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    page = Chromium(tmp_path_factory.mktemp("profile"))
    # How loud each sound becomes; and nobody is there to answer whether unsaved scores may be left.
    page.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="""
        addEventListener("beforeunload", (event) => event.stopImmediatePropagation(), true);
        const gains = (window.gains = []), ramp = AudioParam.prototype.linearRampToValueAtTime;
        AudioParam.prototype.linearRampToValueAtTime = function (level, time) {
          gains.push(level);
          return ramp.call(this, level, time);
        };
        """,
    )
    yield page
    page.close()


@pytest.fixture
def page(browser: Chromium, tmp_path: Path) -> Iterator[Chromium]:
    place = write_listening(tmp_path / "l.html", TEST, RATE, 0, {f"item {i}": sounds(i) for i in range(5)})
    browser.console.clear()
    browser.requests.clear()
    browser.resize(1280, 900)
    browser.open("about:blank")
    browser.until("location.href === 'about:blank'")
    browser.open(place.as_uri())
    browser.until("document.body && document.body.dataset.state === 'start'")
    yield browser
    assert browser.console == []
    assert set(browser.requests) <= {place.as_uri(), "about:blank"}


def click(page: Chromium, where: str) -> None:
    page.call("Runtime.evaluate", expression=f"document.querySelector({where!r}).click()", userGesture=True)


def begin(page: Chromium, name: str) -> None:
    page.run(f"document.querySelector('#listener').value = {name!r}")
    click(page, "[type=submit]")


def position(page: Chromium) -> float:
    return float(page.run("document.querySelector('[aria-label^=Position]').value"))


def score(page: Chromium, scores: list[int]) -> None:
    for place, one in enumerate(scores, 2):
        click(page, f".sound:nth-child({place}) button")
        slider = f"document.querySelector('.sound:nth-child({place}) input')"
        page.run(f"{slider}.value = {one}; {slider}.dispatchEvent(new Event('input'))")


def finished(page: Chromium, name: str, scores: list[int]) -> list[dict[str, str]]:
    """The table of a listener who gives these scores in every trial."""
    begin(page, name)
    for _ in range(5):
        score(page, scores)
        click(page, "button.main")
    page.until("document.body.dataset.state === 'end'")
    text = page.run("document.querySelector('textarea').value")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_switch_keeps_the_place_and_one_sound_is_heard(page: Chromium) -> None:
    begin(page, "Ann")
    click(page, ".row button")
    page.until("document.querySelector('[aria-label^=Position]').value > 0.05")
    before = position(page)
    click(page, ".sound:nth-child(3) button")
    assert before <= position(page) < SECONDS
    assert page.run("window.gains") == [0, 1], "the reference fades out, and one sound in"
    assert page.run("document.querySelectorAll('[aria-pressed=true]').length") == 1
    assert page.run("document.querySelector('#status').textContent") == "Sound B plays."
    page.until(f"document.querySelector('[aria-label^=Position]').value > {before}")
    click(page, ".row button:nth-child(2)")
    stopped = position(page)
    assert page.run("document.querySelectorAll('[aria-pressed=true]').length") == 0
    click(page, ".sound:nth-child(2) button")
    page.until(f"document.querySelector('[aria-label^=Position]').value > {stopped}")


def test_a_trial_ends_when_all_is_heard_and_scored(page: Chromium) -> None:
    begin(page, "Ann")
    assert page.run("document.querySelector('button.main').disabled")
    score(page, [20, 40, 60])
    assert page.run("document.querySelector('#hint').textContent") == "Still to hear: D; to score: D."
    click(page, ".sound:nth-child(5) button")
    slider = "document.querySelector('.sound:nth-child(5) input')"
    page.run(f"{slider}.focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    page.until("!document.querySelector('button.main').disabled")
    assert page.run(f"{slider}.getAttribute('aria-valuetext')") == "1, bad"
    click(page, "button.main")
    assert page.run("document.activeElement.textContent") == "Trial 2 of 5", "a reader hears where it is"


def test_orders_are_of_each_listener_and_trial_and_the_table_is_read(page: Chromium, tmp_path: Path) -> None:
    rows = {}
    for name in ("Ann", "Bob", "Ann"):
        address = page.run("location.href")
        page.open("about:blank")
        page.until("location.href === 'about:blank'")
        page.open(address)
        page.until("document.body && document.body.dataset.state === 'start'")
        rows[name] = finished(page, name, [0, 50, 100, 95])
        assert tuple(rows[name][0]) == COLUMNS and len(rows[name]) == 20
        order = [(row["item"], row["condition"]) for row in rows[name]]
        assert sorted(order) == sorted((f"item {i}", one) for i in range(5) for one in NAMES)
        rows.setdefault(f"{name} before", rows[name])
    orders = {who: [(row["item"], row["condition"]) for row in some] for who, some in rows.items()}
    assert orders["Ann"] == orders["Ann before"] != orders["Bob"]
    assert len({tuple(condition for _, condition in orders["Ann"][4 * i : 4 * i + 4]) for i in range(5)}) > 1
    assert len({orders[who][4 * i][0] for who in ("Ann", "Bob") for i in range(5)}) == 5
    text = page.run("document.querySelector('textarea').value").replace("\r", "")
    (tmp_path / "ann.csv").write_text(re.sub(r"(reference),\d+", r"\1,100", text))
    assert hvae.opinions([tmp_path / "ann.csv"]).conditions[0].condition == "reference"


@pytest.mark.parametrize("name", ["", "<b>Ann</b>", "=1+1", "a,b", 'a"b'])
def test_names_that_no_table_should_get(page: Chromium, name: str) -> None:
    begin(page, name)
    assert page.run("document.body.dataset.state") == "start"
    assert "Expected a name" in page.run("document.querySelector('#fault').textContent")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_nothing_is_wider_than_the_screen(page: Chromium, width: int, height: int) -> None:
    page.resize(width, height)
    for _ in range(2):
        assert page.run("document.documentElement.scrollWidth") <= width
        small = "[...document.querySelectorAll('button')].filter((one) => one.offsetHeight < 44).length"
        assert page.run(small) == 0
        begin(page, "Ann") if page.run("document.body.dataset.state") == "start" else None


def test_the_policy_lets_no_other_script_in(page: Chromium) -> None:
    policy = page.run("document.querySelector('meta[http-equiv]').content")
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http:" not in policy
    page.run("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.alien = 1'}))")
    assert page.run("window.alien") is None
    assert "Content Security Policy" in page.console.pop()
