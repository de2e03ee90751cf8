"""The page of the studio in a browser: every view, no complaint, no request to another machine."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import FOUND, Chromium

DONE = {
    "draw": "drawn",
    "own": "pictured",
    "mix": "mixed",
    "push": "pushed",
    "restore": "hid",
    "files": "filed",
    "training": "watched",
}
"""What the page counts in each view."""
pytestmark = pytest.mark.skipif(FOUND is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def address(runs: tuple[Path, Path]) -> Iterator[str]:
    """A server in a thread, and the address that lets a browser in."""
    import uvicorn

    from hvae.studio import serve

    said: list[str] = []
    servers: list[Any] = []

    class Kept(uvicorn.Server):
        def __init__(self, config: uvicorn.Config) -> None:
            super().__init__(config)
            servers.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn, "Server", Kept)
        start = threading.Thread(target=lambda: serve.studio(runs, port=8900, browser=False, tell=said.append))
        start.start()
        end = time.monotonic() + 300
        while not (said and servers and servers[0].started):
            assert time.monotonic() < end and start.is_alive()
            time.sleep(0.05)
    found = re.search(r"http://\S+", said[0])
    assert found
    yield found[0]
    servers[0].should_exit = True
    start.join(300)


@pytest.fixture(scope="module")
def browser(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    page = Chromium(tmp_path_factory.mktemp("profile"))
    page.open(address)
    page.until("document.body && document.body.dataset.drawn > 0")
    yield page
    page.close()


@pytest.fixture
def page(browser: Chromium, address: str) -> Iterator[Chromium]:
    """The page anew, at a wide screen; what it complains of fails the test, and so does a request elsewhere."""
    browser.console.clear()
    browser.requests.clear()
    browser.resize(1280, 900)
    yield browser
    assert browser.console == []
    host = address.split("/enter")[0]
    assert all(one.startswith((host, "blob:", "about:")) for one in browser.requests)


def visit(page: Chromium, address: str, state: str, done: str) -> None:
    page.open("about:blank")
    page.until("location.href === 'about:blank'")
    page.open(f"{address.split('/enter')[0]}/#{state}")
    page.until(f"document.body && document.body.dataset.{done} > 0")


def pixels(page: Chromium) -> list[str]:
    """What each cell of the grid shows."""
    shown: list[str] = page.run("Array.from(document.querySelectorAll('.cell canvas'), (one) => one.toDataURL())")
    return shown


def press(page: Chromium, key: str, where: str) -> None:
    options = f"{{key: '{key}', bubbles: true, cancelable: true}}"
    page.run(f"document.querySelector('{where}').dispatchEvent(new KeyboardEvent('keydown', {options}))")


def settled(page: Chromium, before: int) -> None:
    page.until(f"document.body.dataset.drawn > {before}")


def test_the_first_pictures_come_and_the_token_is_not_in_the_address(page: Chromium, address: str) -> None:
    visit(page, address, "", "drawn")
    assert len(set(pixels(page))) > 6
    assert "token" not in page.run("location.href")


def test_a_slider_moves_the_pictures_live_and_back(page: Chromium, address: str) -> None:
    visit(page, address, "", "drawn")
    first = pixels(page)
    slider = "document.querySelector('input[type=range]')"
    move = f"(value) => {{ {slider}.value = value; {slider}.dispatchEvent(new Event('input', {{bubbles: true}})) }}"
    page.run(f"({move})(0.3)")
    settled(page, 1)
    cooler = pixels(page)
    assert cooler != first
    page.until("location.hash.includes('t.z2=0.3')")
    before = page.run("Number(document.body.dataset.drawn)")
    page.run(f"({move})(1)")
    settled(page, before)
    assert pixels(page) == first, "the same noise under the slider"


def test_locked_cells_stay_and_others_are_redrawn(page: Chromium, address: str) -> None:
    visit(page, address, "n=3&each=1", "drawn")
    first = pixels(page)
    for level in ("z2", "z1"):
        press(page, "l", f'[data-level="{level}"][data-column="0"]')
    before = page.run("Number(document.body.dataset.drawn)")
    page.run("document.querySelector('button.main').click()")
    settled(page, before)
    after = pixels(page)
    kept = [a == b for a, b in zip(first, after, strict=True)]
    assert kept == [True, False, False, True, False, False]


def test_the_state_is_in_the_address(page: Chromium, address: str) -> None:
    visit(page, address, "n=3&each=1", "drawn")
    page.run("document.querySelector('button.main').click()")
    settled(page, 1)
    page.until("location.hash.includes('s.z1=')")
    shown, state = pixels(page), page.run("location.hash").removeprefix("#")
    visit(page, address, state, "drawn")
    assert pixels(page) == shown


def test_the_keys_walk_over_the_grid(page: Chromium, address: str) -> None:
    visit(page, address, "n=3&each=1", "drawn")
    page.run('document.querySelector(\'[data-level="z2"][data-column="0"]\').focus()')
    press(page, "ArrowRight", '[data-level="z2"][data-column="0"]')
    press(page, "ArrowDown", '[data-level="z2"][data-column="1"]')
    focus = page.run("[document.activeElement.dataset.level, document.activeElement.dataset.column]")
    assert focus == ["z1", "1"]


def test_a_drawing_is_measured(page: Chromium, address: str) -> None:
    visit(page, address, "v=own", "pictured")
    before = page.run("Number(document.body.dataset.pictured)")
    page.run("document.querySelector('details summary').click()")
    page.run(
        """(() => { const pad = document.querySelector('.pad'), box = pad.getBoundingClientRect();
        pad.setPointerCapture = () => {};
        const at = (kind, x, y) => pad.dispatchEvent(new PointerEvent(kind, {
          pointerId: 1, bubbles: true, clientX: box.left + x * box.width, clientY: box.top + y * box.height}));
        at('pointerdown', 0.3, 0.2); at('pointermove', 0.5, 0.8); at('pointermove', 0.7, 0.2);
        at('pointerup', 0.7, 0.2); })()"""
    )
    page.until(f"document.body.dataset.pictured > {before}")
    page.until("location.hash.includes('p.a=raw')")
    page.until("document.body.dataset.judged > 0")


def test_a_picture_that_is_pasted_is_measured(page: Chromium, address: str) -> None:
    visit(page, address, "v=own", "judged")
    before = page.run("Number(document.body.dataset.pictured)")
    page.run(
        """(() => { const sheet = document.createElement('canvas'), files = new DataTransfer();
        sheet.width = sheet.height = 8;
        sheet.toBlob((blob) => { files.items.add(new File([blob], 'x.png', {type: 'image/png'}));
          dispatchEvent(new ClipboardEvent('paste', {clipboardData: files})); }); })()"""
    )
    page.until(f"document.body.dataset.pictured > {before}")
    page.until("location.hash.includes('p.a=raw')")


def test_a_file_that_is_no_picture_is_one_line_on_the_page(page: Chromium, address: str) -> None:
    visit(page, address, "v=own", "judged")
    page.run(
        """(() => { const files = new DataTransfer(); files.items.add(new File(['nothing'], 'x.png'));
        const drop = new DragEvent('drop', {dataTransfer: files, bubbles: true});
        document.querySelector('.drop').dispatchEvent(drop); })()"""
    )
    page.until("!document.getElementById('fault').hidden")
    assert "cannot read the picture" in page.run("document.getElementById('fault').textContent")
    page.console[:] = [line for line in page.console if "400" not in line]  # the browser's own note of the refusal


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("Object.assign(new File(['x'], 'x'), {arrayBuffer: () => Promise.reject(new Error())})", "no folder"),
        ("new File([new Uint8Array(2 ** 25 + 1)], 'x.png')", "at most 33,554,432 bytes"),
        ("", "this is no file"),
    ],
)
def test_what_is_dropped_and_is_no_file_is_one_line_and_leaves_the_picture(
    page: Chromium, address: str, what: str, line: str
) -> None:
    visit(page, address, "v=own", "judged")
    before = page.run("document.querySelector('figcaption').textContent")
    page.run(
        f"""(() => {{ const drop = new Event('drop', {{bubbles: true}});
        drop.dataTransfer = {{files: [{what}], types: ['Files']}};
        document.querySelector('.drop').dispatchEvent(drop); }})()"""
    )
    page.until("!document.getElementById('fault').hidden")
    assert line in page.run("document.getElementById('fault').textContent")
    assert page.run("document.querySelector('figcaption').textContent") == before


def test_mixing_and_two_runs_side_by_side(page: Chromium, address: str) -> None:
    visit(page, address, "v=mix&m.z2=1&m.z1=new", "mixed")
    assert page.run("document.querySelectorAll('.mixrow').length") == 3
    visit(page, address, "beside=1", "drawn")
    page.until("document.querySelectorAll('.sides .card').length === 2")


def test_a_slider_pushes_the_picture(page: Chromium, address: str) -> None:
    visit(page, address, "v=push", "pushed")
    first = page.run("document.querySelector('.drag canvas').toDataURL()")
    page.run(
        """(() => { const slider = document.querySelector('.grow input[type=range]'); slider.value = 3;
        slider.dispatchEvent(new Event('input', {bubbles: true})); })()"""
    )
    page.until("document.body.dataset.pushed > 1")
    assert page.run("document.querySelector('.drag canvas').toDataURL()") != first
    page.until("location.hash.includes('tp=3')")


def test_a_picture_that_is_dragged_goes_along_two_directions(page: Chromium, address: str) -> None:
    visit(page, address, "v=push", "pushed")
    first = page.run("document.querySelector('.drag canvas').toDataURL()")
    page.run(
        """(() => { const box = document.querySelector('.drag');
        box.setPointerCapture = () => {};
        const at = (kind, x, y) => box.dispatchEvent(new PointerEvent(kind, {
          pointerId: 1, bubbles: true, clientX: x, clientY: y}));
        at('pointerdown', 100, 100); at('pointermove', 260, 60); at('pointerup', 260, 60); })()"""
    )
    page.until("decodeURIComponent(location.hash).includes('tp=3,1')")
    page.until(f"document.querySelector('.drag canvas').toDataURL() !== {first!r}")


def test_a_brush_hides_and_the_model_fills(page: Chromium, address: str) -> None:
    visit(page, address, "v=restore", "hid")
    page.run(
        """(() => { const pad = document.querySelector('.two > .card:last-child .pad');
        const box = pad.getBoundingClientRect();
        pad.setPointerCapture = () => {};
        const at = (kind, x, y) => pad.dispatchEvent(new PointerEvent(kind, {
          pointerId: 1, bubbles: true, clientX: box.left + x * box.width, clientY: box.top + y * box.height}));
        at('pointerdown', 0.3, 0.5); at('pointermove', 0.7, 0.5); at('pointerup', 0.7, 0.5); })()"""
    )
    page.until("document.body.dataset.restored > 0")
    assert page.run("document.querySelectorAll('.strip figure').length") == 8
    # Whatever the page does not show as hidden comes back as it was, in every draw; the rest does not stay hidden.
    hidden, changed, painted = page.run(
        """(() => { const bytes = (one) => new Uint32Array(
          one.getContext('2d').getImageData(0, 0, one.width, one.height).data.buffer);
        const whole = bytes(document.querySelector('.two > .card:first-child canvas'));
        const pad = bytes(document.querySelector('.two > .card:last-child .pad canvas'));
        const draws = Array.from(document.querySelectorAll('.strip figure')).filter((one) =>
          one.textContent.startsWith('draw')).map((one) => bytes(one.querySelector('canvas')));
        const at = Array.from(whole.keys()), dark = at.filter((i) => pad[i] !== whole[i]);
        const seen = at.filter((i) => pad[i] === whole[i]);
        return [dark.length, draws.flatMap((draw) => seen.filter((i) => draw[i] !== whole[i])).length,
          draws.flatMap((draw) => dark.filter((i) => draw[i] === pad[i])).length]; })()"""
    )
    assert hidden == page.run("Number(document.querySelector('h3').textContent.match(/\\d+/)[0])")
    assert hidden > 0 and changed == 0 and painted == 0


def test_a_class_that_is_chosen_changes_the_pictures_and_the_command(page: Chromium, address: str) -> None:
    visit(page, address, "v=draw&run=1&c.label=3", "drawn")
    three, drawn = pixels(page), page.run("Number(document.body.dataset.drawn)")
    page.run(
        """(() => { const select = Array.from(document.querySelectorAll('label')).find((one) =>
          one.textContent.startsWith('label')).querySelector('select');
        select.value = '7'; select.dispatchEvent(new Event('change', {bubbles: true})); })()"""
    )
    settled(page, drawn)
    assert pixels(page) != three
    page.until("location.hash.includes('c.label=7')")
    page.until("Array.from(document.querySelectorAll('pre'), (one) => one.textContent).join().includes('label=7')")


def test_a_training_is_drawn_and_only_new_rows_are_fetched(page: Chromium, address: str) -> None:
    visit(page, address, "v=training", "watched")
    assert page.run("document.querySelectorAll('.plot path').length") > 2
    text = page.run("document.querySelector('.card .quiet').textContent")
    page.until("document.body.dataset.watched > 1")
    assert page.run("document.querySelector('.card .quiet').textContent") == text, "rows are counted once"


@pytest.mark.parametrize("view", sorted(DONE))
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_and_everything_has_a_name(page: Chromium, address: str, view: str, width: int) -> None:
    page.resize(width, 900)
    visit(page, address, f"v={view}", DONE[view])
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    nameless = """Array.from(document.querySelectorAll('button, input, select')).filter((one) =>
      !(one.textContent.trim() || one.ariaLabel || one.labels?.length || one.hidden)).map((one) => one.outerHTML)"""
    assert page.run(nameless) == []


def test_files_are_measured_beside_png(page: Chromium, address: str) -> None:
    visit(page, address, "v=files&fn=10", "filed")
    rows = page.run("Array.from(document.querySelectorAll('table.plain tbody th'), (one) => one.textContent)")
    file = "this file" if "a classic format" in page.run("document.body.innerText") else "this model"
    assert rows == [file, "PNG each", "WEBP each", "PNG, WebP or zlib, all in one"]
    assert "\N{INFINITY}" not in page.run("document.body.innerText"), "a rate of no pictures"
    assert "number=10" in page.run("document.querySelectorAll('pre')[1].textContent")


@pytest.mark.parametrize("view", ["draw", "own", "mix", "push"])
def test_the_latents_of_a_view_are_a_file(page: Chromium, address: str, view: str) -> None:
    visit(page, address, f"v={view}", DONE[view])
    page.run("Array.from(document.querySelectorAll('button')).find((one) => one.textContent === 'Latents').click()")
    page.until("document.body.dataset.saved > 200")
    assert page.run("document.getElementById('fault').hidden")


@pytest.mark.parametrize("view", ["draw", "own", "mix", "push"])
def test_the_pictures_of_a_view_are_a_file(page: Chromium, address: str, view: str) -> None:
    visit(page, address, f"v={view}", DONE[view])
    page.run(
        """(() => { HTMLAnchorElement.prototype.click = function () {
          document.body.dataset.kept = `${this.download} ${this.href}`; };
        Array.from(document.querySelectorAll('button')).find((one) =>
          one.textContent.startsWith('PNG')).click(); })()"""
    )
    page.until("/[.]png blob:/.test(document.body.dataset.kept)")
