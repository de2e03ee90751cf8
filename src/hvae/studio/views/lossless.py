"""Some of the run's own pictures in one file without loss, beside the formats that know nothing of the data."""

from __future__ import annotations

from hvae.coding import Picture, Settings, sizes
from hvae.coding.files.classic import squeeze
from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.studio.answer import Answer
from hvae.studio.asked import LosslessAsked
from hvae.studio.lines import command, equivalents, python
from hvae.studio.opened import Opened
from hvae.study.codecs import codec_of, stored_book


def lossless(opened: Opened, query: LosslessAsked) -> Answer:
    """The bytes of the first `number` test pictures as one file, decoded again; as a PNG or WebP each, or all in one.

    One picture alone would be kept in a classic format: bits-back coding needs the bits of others to begin with.
    """
    split = opened.subject.images.test
    if not len(split):
        raise HvaeError("the run's data have no test split to compress; use hvae compress with files of yours")
    if split.observed is not None:
        raise HvaeError("the run's test data have values that are missing, and a codec needs all; impute them first")
    count = min(query.number, len(split))
    levels = split.fixed(0).levels(range(count)).numpy()
    codec = codec_of(opened.run, str(opened.run.folder), {})
    file = codec.compress([Picture("test", one, 0) for one in levels], Settings(), book=stored_book(opened.run, None))
    rivals = [sizes(one, opened.run.bits) for one in levels]
    info: JSON = {
        **file.to_dict(),
        "number": count,
        "rivals": {
            **{name: sum(one[name] for one in rivals) for name in rivals[0]},
            "together": len(squeeze(levels, opened.run.bits)),
        },
        **_equivalents(opened, count),
    }
    return Answer(info)


def _equivalents(opened: Opened, count: int) -> JSON:
    words = ["hvae", "compress", str(opened.run.folder), "test", "test.hvz", "-n", str(count)]
    lines = python(opened.run.folder, f'hvae.compress(run, "test", "test.hvz", number={count})')
    return equivalents(command(*words), lines)
