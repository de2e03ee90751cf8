"""The published weights: where each file is, whose it is, what it should measure, and whether it can still be had.

Nothing is fetched here, and no file comes with this package: `hvae import NAME` downloads on request.  The licences are
those of the code that published the weights; none of them names the weights themselves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from hvae.errors import HvaeError, unknown

Reach = Literal["download", "by hand", "gone"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published file.

    Arguments: `name` here; `family` whose mapping reads it, "" where there is none; `code`, the repository it belongs
    to; `address` of the file, or of the page that leads to it; `file`, its name; `data`, what it was trained on, by the
    names of `hvae data` where they exist; `expected`, the number that its authors state, with its unit, "" where this
    table knows none from a source that could be checked; `protocol`, whose convention that number follows; `licence`;
    `reach`, whether it can be downloaded, only by hand, or is gone; `step`s of training; `size` in bytes and `sha256`
    where they are known; `note`, what a reader must know before comparing.
    """

    name: str
    family: str
    code: str
    address: str
    file: str
    data: str
    expected: str
    protocol: Literal["vdvae", "nvae"]
    licence: str
    reach: Reach
    step: int = 0
    size: int | None = None
    sha256: str | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


_VDVAE = "https://openaipublic.blob.core.windows.net/very-deep-vaes-assets"
_OLD = "ImageNet as of van den Oord et al. 2016; not comparable with the later set of the same name and size"


def _vdvae(name: str, folder: str, stem: str, expected: str, data: str, note: str = "") -> Published:
    """A very deep VAE: the averaged weights, from the addresses and with the numbers of the repository's README."""
    file = f"{stem}-model-ema.th"
    return Published(
        name=f"vdvae-{name}",
        family="vdvae",
        code="openai/vdvae",
        address=f"{_VDVAE}/{folder}/{file}",
        file=file,
        data=data,
        expected=f"{expected} bits/dim",
        protocol="vdvae",
        licence="MIT",
        reach="download",
        step=int(stem.rpartition("-")[2]),
        note=note,
    )


_SEEDS = {"seed0-iter-900000": "2.879", "seed1-iter-1050000": "2.842", "seed2-iter-650000": "2.898"}
_SEEDS |= {"seed3-iter-1050000": "2.864"}
_CIFAR10 = [
    _vdvae(f"cifar10-{run[:5]}", "vdvae-assets-2", f"cifar10-{run}", expected, "cifar10")
    for run, expected in _SEEDS.items()
]
_OTHERS = [
    _vdvae("imagenet32", "vdvae-assets", "imagenet32-iter-1700000", "3.80", "imagenet32-old", _OLD),
    _vdvae("imagenet64", "vdvae-assets-2", "imagenet64-iter-1600000", "3.52", "imagenet64-old", _OLD),
    _vdvae(
        *("ffhq256", "vdvae-assets", "ffhq256-iter-1700000", "0.61", "FFHQ at 256x256, 5 bits"),
        note="the published 5-bit bins overlap: their masses do not sum to 1",
    ),
    _vdvae("ffhq1024", "vdvae-assets", "ffhq1024-iter-1700000", "2.42", "FFHQ at 1024x1024"),
]


def _nvae(name: str, data: str, expected: str, note: str = "") -> Published:
    """An NVAE: in a folder that only a browser opens.  Numbers are IW-1000 where a public source could be checked."""
    return Published(
        name=f"nvae-{name}",
        family="nvae",
        code="NVlabs/NVAE",
        address="https://drive.google.com/drive/folders/1KVpw12AzdVjvbfEYM_6_3sxTy93wWkbe",
        file="checkpoint.pt",
        data=data,
        expected=expected,
        protocol="nvae",
        licence="NVIDIA Source Code License for NVAE: research and evaluation only",
        reach="by hand",
        note=note,
    )


_EDGE = "the published likelihood gives value 254 the tail of 255: its masses do not sum to 1"
_BEHIND = "stated to be 0.01 bits/dim behind"
_NVAE = [
    _nvae("mnist", "mnist-dynamic", "78.01 nats", "no flow; drawn anew in each pass over the test set"),
    _nvae("cifar10", "cifar10", "2.91 bits/dim", _EDGE),
    _nvae("cifar10-multiscale", "cifar10", "", f"{_BEHIND} nvae-cifar10; {_EDGE}"),
    _nvae("celeba64", "CelebA at 64x64", "", _EDGE),
    _nvae("celebahq256", "CelebA-HQ at 256x256, 5 bits", "0.70 bits/dim"),
    _nvae("celebahq256-early", "CelebA-HQ at 256x256, 5 bits", "", f"{_BEHIND} nvae-celebahq256"),
    _nvae("ffhq256", "FFHQ at 256x256, 5 bits", ""),
]


def _efficient(name: str, data: str, expected: str, note: str = "") -> Published:
    """An Efficient-VDVAE, for the record: nothing of it can be fetched, and no mapping exists."""
    file = f"{name}_baseline_checkpoints.zip"
    return Published(
        name=f"efficient-vdvae-{name.replace('_', '-')}",
        family="",
        code="Rayhane-mamah/Efficient-VDVAE",
        address=f"https://storage.googleapis.com/dessa-public-files/efficient_vdvae/Pytorch/{file}",
        file=file,
        data=data,
        expected=expected,
        protocol="vdvae",
        licence="MIT",
        reach="gone",
        note=note,
    )


_NEW = "ImageNet as of Chrabaszcz et al. 2017; not comparable with the earlier set of the same name and size"
_FIVE = "the published 5-bit bins overlap"
_EFFICIENT = [
    _efficient("binarized_mnist", "MNIST, binarised", "79.09 nats"),
    _efficient("cifar10", "cifar10", "2.87 bits/dim", "published for JAX only"),
    _efficient("imagenet32", "imagenet32-new", "3.58 bits/dim", _NEW),
    _efficient("imagenet64", "imagenet64-new", "3.30 bits/dim", _NEW),
    _efficient("celebA64", "CelebA at 64x64", "1.83 bits/dim"),
    _efficient("celebAHQ256_5bits", "CelebA-HQ at 256x256, 5 bits", "0.51 bits/dim", _FIVE),
    _efficient("celebAHQ256_8bits", "CelebA-HQ at 256x256", "1.35 bits/dim"),
    _efficient("ffhq256_5bits", "FFHQ at 256x256, 5 bits", "0.53 bits/dim", _FIVE),
    _efficient("ffhq256_8bits", "FFHQ at 256x256", "2.17 bits/dim"),
    _efficient("celebAHQ1024", "CelebA-HQ at 1024x1024", "1.01 bits/dim"),
    _efficient("ffhq1024", "FFHQ at 1024x1024", "2.30 bits/dim"),
]

PUBLISHED: dict[str, Published] = {entry.name: entry for entry in (*_CIFAR10, *_OTHERS, *_NVAE, *_EFFICIENT)}
"""The published files by name."""


def published(name: str) -> Published:
    """The entry of a name.  Raises HvaeError for a name that is not in the table, or a file that no mapping reads.

    >>> published("vdvae-cifar10-seed1").expected
    '2.842 bits/dim'
    """
    if name not in PUBLISHED:
        raise unknown("published model", name, [entry.name for entry in PUBLISHED.values() if entry.family])
    entry = PUBLISHED[name]
    if not entry.family:
        raise HvaeError(f"{name} cannot be imported: hvae has no mapping for {entry.code}, and its files are gone")
    return entry


def of_file(file: str, family: str) -> Published | None:
    """The entry whose file has this name, where the name says which it is.

    >>> of_file("imagenet32-iter-1700000-model-ema.th", "vdvae").expected, of_file("checkpoint.pt", "nvae")
    ('3.80 bits/dim', None)
    """
    found = [entry for entry in PUBLISHED.values() if (entry.file, entry.family) == (file, family)]
    return found[0] if len(found) == 1 else None
