"""From data to one self-contained page: no script, no request, the same bytes for the same data."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hvae.errors import HvaeError
from hvae.files import replacing, write_text
from hvae.reporting.charts import charts
from hvae.reporting.data import Picture, ReportData, Section
from hvae.screen.numbers import number
from hvae.screen.text import for_lines

SECTIONS: dict[Section, tuple[str, str]] = {
    "samples": ("Samples", "What the model makes up when it is shown nothing."),
    "reconstruction": ("Reconstructions", "What survives the way through the latent levels, and which level keeps it."),
    "coarse": ("Coarse to fine?", "Does the top of the hierarchy decide what an image is, and the rest how it looks?"),
    "traversal": (
        "What each level does",
        "One image, pushed along the directions a level uses most (a row each, the strongest first) from 3 standard "
        "deviations below to 3 above. Look for changes of the object in upper levels and of strokes, texture or colour "
        "in lower ones; a row that does not change belongs to a direction that is not used. Levels above the moved one "
        "are held at the image's values; those below are free to follow it.",
    ),
    "levels": ("Is every level used?", "Rates and active units on the evaluation data."),
    "training": ("Training", "How the model came to be what it is."),
}
STATUS = {"alive": ("good", "✓"), "weak": ("fair", "!"), "collapsed": ("bad", "✕")}


def write_report(folder: str | Path, data: ReportData) -> Path:
    """Write `folder`/report.html and every picture to `folder`/pictures; each file is whole or not there.

    Returns the path of the page.  Raises HvaeError when the disk is full, the folder cannot be written, or the place of
    the pictures is a link.

    >>> import tempfile
    >>> write_report(tempfile.mkdtemp(), ReportData(title="lvae on digits", summary="A test.")).name
    'report.html'
    """
    folder, whole = Path(folder), with_charts(data)
    if (folder / "pictures").is_symlink():
        raise HvaeError(f"{folder / 'pictures'} is a link, and nothing is written through one; remove it")
    for picture in whole.pictures:
        with replacing(folder / "pictures" / picture.filename) as temporary:
            temporary.write_bytes(picture.png)
        if picture.wav is not None:
            with replacing((folder / "pictures" / picture.filename).with_suffix(".wav")) as temporary:
                temporary.write_bytes(picture.wav)
    write_text(folder / "report.html", _page(whole))
    return folder / "report.html"


def render(data: ReportData) -> str:
    """The page as text, charts included."""
    return _page(with_charts(data))


def with_charts(data: ReportData) -> ReportData:
    """The same data, with a chart for each of its numbers among the pictures."""
    whole = replace(data, pictures=[*data.pictures, *charts(data)])
    names = [picture.filename for picture in whole.pictures]
    assert len(set(names)) == len(names), f"two pictures of one name among {names}"
    assert all(Path(name).name == name for name in names), "a picture's filename is a name, not a path"
    return whole


def flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """A nested configuration as dotted keys and texts.

    >>> flat({"model": {"family": "lvae", "latents": (8, 4)}, "seed": None})
    {'model.family': 'lvae', 'model.latents': '8, 4', 'seed': 'none'}
    """
    rows: dict[str, str] = {}
    for key, value in tree.items():
        rows |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": _text(value)}
    return rows


def _text(value: object) -> str:
    if value is None:
        return "none"
    return ", ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)


def _page(data: ReportData) -> str:
    figures = {key: [p for p in data.pictures if p.section == key] for key in SECTIONS}
    passages = {key: [p for p in data.passages if p.section == key] for key in SECTIONS}
    sections = [(key, *SECTIONS[key], figures[key], passages[key]) for key in SECTIONS if figures[key] or passages[key]]
    return fill("report.html.j2", d=data, sections=sections, status=_status, size=_size)


def fill(template: str, **values: object) -> str:
    """A template of this folder with its values, and with the style that all pages share."""
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        finalize=_fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"uri": _uri, "sound": _sound, "number": number, "bits": _bits, "flat": flat}
    environment.filters["sha256"] = sha256
    style = (here / "report.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(style=style, **values)


def sha256(text: str) -> str:
    """What a page's policy calls the one script or style that it lets in.

    >>> sha256("")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _fit(value: object) -> object:
    """Text for a page, before it is escaped: what a browser would not show, but follow, is written as its code."""
    return for_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _sound(wav: bytes) -> str:
    return "data:audio/wav;base64," + base64.b64encode(wav).decode("ascii")


def _bits(nats: float) -> float:
    return nats / math.log(2)


def _status(word: str) -> tuple[str, str]:
    """The colour class and the sign of a status; one that is not known has neither."""
    return STATUS.get(word, ("plain", "·"))


def _size(picture: Picture) -> tuple[int, int]:
    """Width and height on the page, from the first chunk of the PNG: pages do not jump while pictures decode."""
    width, height = struct.unpack(">II", picture.png[16:24])
    return round(width / picture.dense), round(height / picture.dense)
