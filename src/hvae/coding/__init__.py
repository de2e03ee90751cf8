"""Lossless compression with any model whose latents can be put into bins: bits-back coding that writes real files."""

from hvae.coding.book import FINENESS, Book, calibrate
from hvae.coding.classic import sizes
from hvae.coding.codec import CLASSIC, Codec, Compressed, Settings
from hvae.coding.container import File, Header, read
from hvae.coding.imagefiles import open_picture, save_picture
from hvae.coding.lossy import psnr, quantised
from hvae.coding.lossy_codec import Lossy, LossyCodec
from hvae.coding.lossy_layout import opened
from hvae.coding.pictures import MODES, Picture
from hvae.coding.reading import without_model
from hvae.coding.steady import Uncodable

__all__ = [
    "CLASSIC",
    "FINENESS",
    "MODES",
    "Book",
    "Codec",
    "Compressed",
    "File",
    "Header",
    "Lossy",
    "LossyCodec",
    "Picture",
    "Settings",
    "Uncodable",
    "calibrate",
    "open_picture",
    "opened",
    "psnr",
    "quantised",
    "read",
    "save_picture",
    "sizes",
    "without_model",
]
