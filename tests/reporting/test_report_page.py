from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from hvae.errors import HvaeError
from hvae.explore.tiles import gallery
from hvae.reporting import (
    Agreement,
    Headline,
    History,
    LevelNumbers,
    Picture,
    ReportData,
    Sheet,
    Verdict,
    render,
    write_report,
)

EVIL = "<script>alert('x')</script> & \"quoted\" https://example.org/x.js"
LOADS = {"src", "srcset", "href", "action", "data", "poster", "background", "formaction", "xlink:href"}


class Reader(HTMLParser):
    """All tags with attributes, the text, and whether every tag that was opened was closed."""

    VOID = frozenset({"meta", "link", "img", "source", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text, self.open = "", []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def data() -> ReportData:
    picture = Picture(
        title="Samples " + EVIL,
        caption="Drawn. " + EVIL,
        png=gallery(torch.rand(4, 1, 8, 8)),
        filename="samples.png",
        section="samples",
        alt='four "images" <b>',
    )
    return ReportData(
        title="lvae on digits " + EVIL,
        summary=EVIL,
        headlines=[Headline(label="negative ELBO", value="17.93", unit="nats per image", note="1 sample, 359 images")],
        conclusion="One level has collapsed.",
        verdicts=[
            Verdict(level="z2", status="collapsed", sentence="z2 is not used.", advice="Warm it up."),
            Verdict(level="z1", status="alive", sentence="z1 is used."),
            Verdict(level="model", status=EVIL, sentence="Odd."),
        ],
        levels=[
            LevelNumbers(name="z2", shape=(4, 2, 2), nats=0.0, active=0, units=16),
            LevelNumbers(name="z1", shape=(8,), nats=6.931471805599453, active=5, units=8),
        ],
        history=History(
            rates={"z2": ([1.0, 2.0, 3.0], [1.0, 0.1, 0.0]), "z1": ([1.0, 2.0], [3.0, 4.0])},
            losses={"training": ([1.0, 2.0], [90.0, 80.0])},
        ),
        agreement=Agreement(shares={"top held": 0.9, "top redrawn": 0.2}, note="Judged by a small classifier."),
        pictures=[picture, replace(picture, filename="held.png", section="coarse")],
        data={"name": "digits", "sha256": "ab" * 32},
        configuration={"model": {"family": "lvae", "note": EVIL}},
        environment={"torch": "2.13"},
        commands=["hvae train digits", "hvae report runs/a && echo <done>"],
    )


@pytest.fixture(scope="module")
def html(data: ReportData) -> str:
    return render(data)


def test_nothing_is_fetched(html: str) -> None:
    page = Reader(html)
    for tag, attributes in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form"}
        for name in LOADS & set(attributes):
            assert attributes[name].startswith(("data:", "#")), (tag, name, attributes[name][:40])
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    assert "url(" not in style and "@import" not in style and "http" not in style
    policy = next(m for m in page.all("meta") if m.get("http-equiv"))
    assert policy["content"].startswith("default-src 'none'")


def test_text_is_escaped_and_all_of_it_is_there(html: str) -> None:
    assert "<script" not in html and "<b>" not in re.sub(r"<b>(What to change:|\d+ %)</b>", "", html)
    page = Reader(html)
    assert not page.open
    assert page.text.count(EVIL) >= 5
    for words in ("17.93", "nats per image", "z2 is not used.", "Warm it up.", "model.note", "ab" * 32, "90 %"):
        assert words in page.text
    assert "hvae report runs/a && echo <done>" in page.text
    assert ">10.00</td>" in html  # 6.93 nats are 10 bits


def test_every_picture_is_inside_and_described(html: str) -> None:
    page = Reader(html)
    shown = page.all("img")
    assert len(shown) == 2 + 4
    for attributes in shown:
        picture = Image.open(io.BytesIO(base64.b64decode(attributes["src"].split(",")[1])))
        assert attributes["alt"]
        assert abs(picture.width / int(attributes["width"]) - picture.height / int(attributes["height"])) < 0.02
    assert len(page.all("source")) == 4  # the charts have a dark version
    alts = " ".join(attributes["alt"] for attributes in shown)
    assert "z1 6.931" in alts and "z2 0 of 16" in alts and 'four "images" <b>' in alts


def test_numbers_never_break_and_tables_scroll_in_their_boxes(data: ReportData) -> None:
    """A browser breaks a number only where a rule lets it; a table that is too wide has a box of its own."""
    large = LevelNumbers(name="z1", shape=(16, 32, 32), nats=17224.2, active=1023, units=16384, more={"held": "1,644"})
    page = render(replace(data, levels=[large], sheets=[Sheet(title="Top", heads=("a", "b"), rows=[("z1", "1")])]))
    rules = dict(re.findall(r"^([^{}@/\n]+?) \{\s*([^}]*?)\s*\}", page, re.M))
    assert "white-space: nowrap" in rules["td"] and "overflow-wrap" not in rules["td"]
    assert "white-space: nowrap" in rules[".numbers .spread"] and "overflow-x: auto" in rules[".scroll"]
    assert "white-space: nowrap" in re.search(r"\.numbers \.value \{ (white-space[^}]*)", page).group(1)
    assert page.count("<table>") == len(re.findall(r'<div class="scroll"[^>]*>\s*<table>', page)) == 2
    assert all(text in page for text in ("17,224</td>", "24,849</td>", "1,023 of 16,384</td>"))
    assert "Nats per image: z1 17,224." in page, "one number for one thing, in the table and in the words of the chart"


def test_the_configuration_is_folded(html: str) -> None:
    folded = re.search(
        r"<details class=\"card\">\s*<summary>Configuration \(2 settings\)</summary>(.*?)</details>", html, re.S
    )
    assert folded and "model.note" in folded.group(1)
    assert "<summary>Environment</summary>" in html and "<details open" not in html


def test_what_a_browser_would_follow_unseen_is_written_as_its_code() -> None:
    hostile = "a\x1b[2J\u202eb\u2028\udcff"
    page = render(
        ReportData(title=hostile, summary=hostile, data={hostile: hostile}, commands=[hostile, "second line"])
    )
    assert all(line.isprintable() for line in page.split("\n")) and page.encode()
    assert page.count("a\\x1b[2J\\u202eb\\u2028\\udcff") == 6 and "\nsecond line" in page


def test_links_inside_lead_somewhere(html: str) -> None:
    page = Reader(html)
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    targets = [attributes["href"][1:] for attributes in page.all("a")]
    assert targets and set(targets) <= places


def test_files_are_whole_and_the_bytes_depend_on_the_data_alone(data: ReportData, html: str, tmp_path: Path) -> None:
    path = write_report(tmp_path / "run", data)
    assert path == tmp_path / "run" / "report.html"
    first = path.read_bytes()
    assert first.decode() == html
    assert (tmp_path / "run" / "pictures" / "samples.png").read_bytes() == data.pictures[0].png
    names = {p.name for p in (tmp_path / "run" / "pictures").iterdir()}
    assert names == {"samples.png", "held.png", "rates.png", "active-units.png", "rates-over-training.png", "loss.png"}
    assert all("pictures/" + name in first.decode() for name in names)
    assert not list((tmp_path / "run").rglob("*.part"))


def test_what_is_missing_is_left_out() -> None:
    page = Reader(render(ReportData(title="bare", summary="nothing yet")))
    assert not page.open and not page.all("img") and not page.all("table")
    assert "Verdict" not in page.text and "Configuration" not in page.text


def test_a_folder_that_cannot_be_written(data: ReportData, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(HvaeError, match="could not write"):
        write_report(tmp_path / "run", ReportData(title="lost", summary="", pictures=data.pictures))


def test_two_pictures_of_one_name_are_a_mistake(data: ReportData) -> None:
    with pytest.raises(AssertionError, match="two pictures of one name"):
        render(ReportData(title="twice", summary="", pictures=[data.pictures[0]] * 2))


def test_levels_have_more_columns_and_more_tables() -> None:
    numbers = [
        LevelNumbers(name=n, shape=(4,), nats=1.0, active=2, units=4, more={"I(x; z)": f"{n} says"})
        for n in ("z2", "z1")
    ]
    sheet = Sheet(title="Top levels", heads=("inferred", "PSNR"), rows=[("z2", "9.5"), ("z1", EVIL)], note="of 300")
    page = render(ReportData(title="t", summary="s", levels=numbers, level_notes=["B of N"], sheets=[sheet]))
    reader = Reader(page)
    assert not reader.open and "<script>" not in page
    assert all(
        word in reader.text for word in ("I(x; z)", "z2 says", "z1 says", "B of N", "Top levels", "9.5", "of 300")
    )
    assert EVIL in reader.text


def test_no_picture_is_written_through_a_link(tmp_path: Path) -> None:
    theirs, run = tmp_path / "theirs", tmp_path / "run"
    theirs.mkdir()
    run.mkdir()
    (run / "pictures").symlink_to(theirs)
    with pytest.raises(HvaeError, match="is a link"):
        write_report(run, ReportData(title="t", summary="s"))
    assert not any(theirs.iterdir()) and not (run / "report.html").exists()
