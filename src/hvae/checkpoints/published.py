"""Published weights: address, code base, stated results and availability of each file.

Nothing is downloaded here and no file is part of the package: `hvae import NAME` downloads on request.  The licences
are those of the code that published the weights; none of them names the weights themselves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from hvae.config import nvae, vdvae
from hvae.config.model import ModelConfig
from hvae.errors import HvaeError, unknown
from hvae.records import JSON

Reach = Literal["download", "by hand", "gone"]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The `model` of a published file, `shape` (C, H, W) and `bits` of its images, and its number of `parameters`."""

    model: ModelConfig
    shape: tuple[int, int, int]
    bits: int
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published file.

    Arguments: `name` here; `family` whose mapping reads it, "" where there is none; `code`, the repository it belongs
    to; `address` of the file, or of the page that leads to it; `file`, its name; `data`, what it was trained on, by the
    names of `hvae data` where they exist; `expected`, the number that its authors state, with its unit, "" without a
    verifiable source; `protocol`, whose convention that number follows; `licence`; `reach`, whether it can be
    downloaded, only by hand, or is gone; `architecture`, which a file of that name must have, where its authors tell
    it; `tested`, which images the number is of, for data that `hvae data` does not know, and `split`, the folder that
    holds them in the released layout; `step`s of training; `size` in bytes and `sha256` where they are known; `note`,
    what a reader must know before comparing.
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
    architecture: Architecture | None = None
    tested: str = ""
    split: Literal["test", "valid"] = "test"
    step: int = 0
    size: int | None = None
    sha256: str | None = None
    note: str = ""

    def to_dict(self) -> JSON:
        """Plain values, ready for JSON."""
        return asdict(self)


_VDVAE = "https://openaipublic.blob.core.windows.net/very-deep-vaes-assets"
_OLD = "ImageNet as of van den Oord et al. 2016; not comparable with the later set of the same name and size"


_VDVAE_PARAMETERS = {"cifar10": 39_145_700, "imagenet32": 119_280_868, "imagenet64": 125_005_860}
_VDVAE_PARAMETERS |= {"ffhq256": 114_874_852, "ffhq1024": 109_366_904}


def _vdvae(name: str, folder: str, stem: str, expected: str, data: str, note: str = "", tested: str = "") -> Published:
    """A very deep VAE: the averaged weights, from the addresses and with the numbers of the repository's README."""
    file, size = f"{stem}-model-ema.th", name.partition("-")[0]
    model = vdvae.PUBLISHED[size]
    side = model.resolutions[0]
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
        # Eight bits also where the likelihood scores five: the encoder reads them.
        architecture=Architecture(model=model, shape=(3, side, side), bits=8, parameters=_VDVAE_PARAMETERS[size]),
        tested=tested,
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
        tested="rows numpy.random.RandomState(5).permutation(70000)[-7000:] of the released ffhq-256.npy",
    ),
    replace(
        _vdvae("ffhq1024", "vdvae-assets", "ffhq1024-iter-1700000", "2.42", "FFHQ at 1024x1024"),
        tested="the 5,000 images 65000.png to 69999.png",
        split="valid",
    ),
]


def _built(model: nvae.NVAEConfig, shape: tuple[int, int, int], bits: int, parameters: int) -> Architecture:
    """As the published command builds it, which scores colours by the published likelihood."""
    published = model if model.likelihood == "bernoulli" else replace(model, likelihood="dmol-nvae")
    return Architecture(model=published, shape=shape, bits=bits, parameters=parameters)


_NVAE_MNIST = _built(nvae.MNIST, (1, 28, 28), 1, 33_363_134)
_NVAE_CIFAR10 = _built(nvae.CIFAR10, (3, 32, 32), 8, 130_852_480)
_NVAE_CELEBA64 = _built(nvae.CELEBA64, (3, 64, 64), 8, 153_281_364)
_NVAE_FACES256 = _built(nvae.FACES256, (3, 256, 256), 5, 330_798_664)


def _nvae(
    name: str, data: str, expected: str, note: str = "", *, of: Architecture | None = None, tested: str = ""
) -> Published:
    """An NVAE: in a folder that only a browser opens.  Numbers are IW-1000 where a public source could be checked.

    `of` which architecture, where the repository tells the command that trained it.
    """
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
        architecture=of,
        tested=tested,
        note=note,
    )


_EDGE = "the published likelihood gives value 254 the tail of 255: its masses do not sum to 1"
_BEHIND = "stated to be 0.01 bits/dim behind"
_CUT = "the 19,867 validation images of CelebA, cut to columns 15 to 162 and rows 40 to 187 before they are scaled"
_HQ = "the 3,000 validation images of the celeba-tfr archive of Glow"
_UNSAID = "7,000 images that were drawn without a seed: which ones was not published"
_NVAE = [
    _nvae("mnist", "mnist-dynamic", "78.01 nats", "no flow; drawn anew in each pass over the test set", of=_NVAE_MNIST),
    _nvae("cifar10", "cifar10", "2.91 bits/dim", _EDGE, of=_NVAE_CIFAR10),
    _nvae("cifar10-multiscale", "cifar10", "", f"{_BEHIND} nvae-cifar10; {_EDGE}"),
    _nvae("celeba64", "CelebA at 64x64", "", _EDGE, of=_NVAE_CELEBA64, tested=_CUT),
    _nvae("celebahq256", "CelebA-HQ at 256x256, 5 bits", "0.70 bits/dim", of=_NVAE_FACES256, tested=_HQ),
    _nvae("celebahq256-early", "CelebA-HQ at 256x256, 5 bits", "", f"{_BEHIND} nvae-celebahq256", tested=_HQ),
    _nvae("ffhq256", "FFHQ at 256x256, 5 bits", "", of=_NVAE_FACES256, tested=_UNSAID),
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
    """The entry whose file has this name, if it is unique.

    >>> of_file("imagenet32-iter-1700000-model-ema.th", "vdvae").expected, of_file("checkpoint.pt", "nvae")
    ('3.80 bits/dim', None)
    """
    entries = [entry for entry in PUBLISHED.values() if (entry.file, entry.family) == (file, family)]
    return entries[0] if len(entries) == 1 else None
