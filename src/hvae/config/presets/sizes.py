"""Levels and parameters of every preset, counted once: to build all of them would take `hvae models` half a minute.

The tests build each and count again.
"""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """How large a model is."""

    levels: int
    parameters: int


SIZES: dict[str, Size] = {
    "digits": Size(3, 223_607),
    "mnist-static-vae": Size(1, 1_997_200),
    "mnist-static-markov": Size(5, 2_028_984),
    "mnist-static-lvae": Size(5, 2_181_304),
    "mnist-static-vlae": Size(3, 2_010_608),
    "mnist-static-ladder": Size(5, 374_545),
    "mnist-static-ladder-quick": Size(5, 358_073),
    "mnist": Size(8, 2_216_926),
    "fashion-mnist": Size(8, 2_216_926),
    "cifar10": Size(15, 16_462_244),
    "fashion-mnist-small": Size(5, 378_750),
    "cifar10-small": Size(5, 604_770),
    "folder": Size(13, 8_201_252),
    "photos-small": Size(6, 466_770),
    "greyscale-small": Size(6, 461_119),
    "arrays": Size(5, 391_954),
    "table": Size(1, 106_268),  # of eight columns of real numbers
    "denoise": Size(6, 459_955),
    "mnist-ladder-class": Size(3, 257_833),
    "cifar10-ladder-class": Size(5, 631_010),
    "mnist-iwae-1": Size(1, 425_284),
    "mnist-iwae-5": Size(1, 425_284),
    "mnist-iwae-50": Size(1, 425_284),
    "mnist-static-flowvae": Size(1, 626_484),
    "sprites-lvae": Size(3, 5_899_136),
    "sprites-vlae": Size(3, 6_668_464),
    "sprites-ladder": Size(3, 260_206),
    "foreign-fashion": Size(3, 266_545),
    "foreign-mnist": Size(3, 266_545),
    "iafvae-cifar10": Size(20, 41_096_489),
    "iafvae-cifar10-deep": Size(40, 82_629_929),
    "mnist-static-iafvae": Size(3, 124_298),
    "biva-mnist-static": Size(11, 31_550_946),
    "biva-cifar10": Size(29, 102_948_560),
    "mnist-static-biva": Size(7, 211_878),
    "vdvae-cifar10": Size(43, 39_145_700),
    "vdvae-cifar10-small": Size(11, 582_642),
    "vdvae-imagenet32": Size(78, 119_280_868),
    "vdvae-imagenet64": Size(75, 125_005_860),
    "vdvae-ffhq256": Size(66, 114_874_852),
    "vdvae-ffhq1024": Size(70, 109_366_904),
    "nvae-mnist": Size(15, 33_363_134),
    "nvae-cifar10": Size(30, 130_852_480),
    "nvae-celeba64": Size(35, 153_281_364),
    "nvae-imagenet32": Size(28, 268_509_444),
    "nvae-faces256": Size(36, 330_798_664),
    "nvae-cifar10-small": Size(5, 326_992),
    "photos-lossy-small": Size(4, 1_153_632),
    "cifar10-lossy-small": Size(4, 1_153_632),
    "mnist-lossy-small": Size(3, 693_992),
    "cifar10-vqvae": Size(1, 662_723),
    "mnist-vqvae": Size(1, 313_809),
    "mnist-static-pixelvae": Size(5, 413_025),
    "digits-vdm": Size(11, 441_171),
    "mnist-vdm": Size(11, 839_187),
    "cifar10-vdm": Size(11, 913_509),
    "jsb-vrnn": Size(1, 92_184),
    "jsb-srnn": Size(1, 100_568),
    "jsb-dmm": Size(1, 104_216),
    "jsb-stcn": Size(3, 261_688),
    "nottingham-vrnn": Size(1, 102_552),
    "text-vrae": Size(1, 600_418),
    "text-ladder": Size(3, 769_714),
    "text-ladder-factorised": Size(3, 1_209_442),
    "mocap-srnn": Size(1, 95_380),
    "speech-cwvae": Size(2, 217_506),
    "voice-cwvae": Size(2, 217_506),
    "speech-vrnn": Size(1, 219_858),
    "speech-rqvae": Size(8, 201_576),
    "moving-mnist-cwvae": Size(3, 1_234_369),
}
"""By the name of the preset."""
