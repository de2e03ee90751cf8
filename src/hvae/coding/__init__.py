"""Compression with any model that can be coded: bits-back coding without loss, rounded latents or codes with it.

`entropy` turns distributions into bits, `lossless` and `lossy` are the two codecs, `files` are pictures and the
container that both write.  Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.lazy import lazy

if TYPE_CHECKING:
    from hvae.coding.entropy.curves import curve
    from hvae.coding.entropy.forms import GAUSSIAN, LOGISTIC, Continuous, Form, Rounded, Standard
    from hvae.coding.entropy.registry import Discrete, masses, register
    from hvae.coding.entropy.steady import Uncodable
    from hvae.coding.files.classic import sizes
    from hvae.coding.files.container import File, Header, read
    from hvae.coding.files.header import IN_TIME, LOSSY_IN_TIME
    from hvae.coding.files.imagefiles import open_picture, save_picture
    from hvae.coding.files.pictures import MODES, Picture
    from hvae.coding.files.reading import without_model
    from hvae.coding.files.series import Series
    from hvae.coding.lossless.book import FINENESS, Book, calibrate
    from hvae.coding.lossless.codec import CLASSIC, Codec
    from hvae.coding.lossless.compressed import Compressed, CompressedSeries, Settings
    from hvae.coding.lossless.seriescodec import SeriesCodec
    from hvae.coding.lossy.codec import LossyCodec
    from hvae.coding.lossy.compressed import Lossy
    from hvae.coding.lossy.layout import opened
    from hvae.coding.lossy.rounding import psnr, quantised
    from hvae.coding.lossy.soundcodec import LossySeries, SoundCodec

__getattr__ = lazy(
    __name__,
    {
        "entropy.curves": ("curve",),
        "entropy.forms": ("GAUSSIAN", "LOGISTIC", "Continuous", "Form", "Rounded", "Standard"),
        "entropy.registry": ("Discrete", "masses", "register"),
        "entropy.steady": ("Uncodable",),
        "files.classic": ("sizes",),
        "files.container": ("File", "Header", "read"),
        "files.imagefiles": ("open_picture", "save_picture"),
        "files.pictures": ("MODES", "Picture"),
        "files.header": ("IN_TIME", "LOSSY_IN_TIME"),
        "files.reading": ("without_model",),
        "files.series": ("Series",),
        "lossless.book": ("FINENESS", "Book", "calibrate"),
        "lossless.codec": ("CLASSIC", "Codec"),
        "lossless.compressed": ("Compressed", "Settings"),
        "lossless.seriescodec": ("CompressedSeries", "SeriesCodec"),
        "lossy.codec": ("LossyCodec",),
        "lossy.compressed": ("Lossy",),
        "lossy.layout": ("opened",),
        "lossy.rounding": ("psnr", "quantised"),
        "lossy.soundcodec": ("LossySeries", "SoundCodec"),
    },
)

__all__ = [
    "CLASSIC",
    "FINENESS",
    "GAUSSIAN",
    "IN_TIME",
    "LOGISTIC",
    "LOSSY_IN_TIME",
    "MODES",
    "Book",
    "Codec",
    "Compressed",
    "CompressedSeries",
    "Continuous",
    "Discrete",
    "File",
    "Form",
    "Header",
    "Lossy",
    "LossyCodec",
    "LossySeries",
    "Picture",
    "Rounded",
    "Series",
    "SeriesCodec",
    "Settings",
    "SoundCodec",
    "Standard",
    "Uncodable",
    "calibrate",
    "curve",
    "masses",
    "open_picture",
    "opened",
    "psnr",
    "quantised",
    "read",
    "register",
    "save_picture",
    "sizes",
    "without_model",
]
