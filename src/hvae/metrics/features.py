"""Feature extractors: networks from pictures to features, named so that results can be quoted.

Shapes: `B` pictures of one batch; `N` in all; `C H W` a picture; `D` features; `S` pixels a side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from hvae.datum import Datum, as_datum
from hvae.errors import HvaeError
from hvae.files import expanded
from hvae.metrics.classify import Classifier
from hvae.metrics.evaluating import Meter, Progress, silent
from hvae.trust import attribute, is_module

BEYOND = -1.0, 2.0
"""What a Gaussian likelihood of pictures may draw; farther outside lie bytes, and numbers of another scale."""
HOME_MADE = "not comparable with published FID, KID or IS, which use Inception features"


@dataclass(frozen=True)
class Resizing:
    """Resizing of pictures (B, C, H, W) to `size` pixels a side by `torch.nn.functional.interpolate`.

    The choice changes FID by whole points: Parmar et al. 2022, arXiv 2104.11222.
    """

    mode: str
    antialias: bool

    def __call__(self, x: Tensor, size: int) -> Tensor:
        return F.interpolate(x, (size, size), mode=self.mode, antialias=self.antialias, align_corners=False).clamp(0, 1)

    def __str__(self) -> str:
        return f"{self.mode} {'with' if self.antialias else 'without'} antialiasing"


CLEAN = Resizing("bicubic", antialias=True)


@dataclass(frozen=True, eq=False, kw_only=True)
class Extractor:
    """A network from pictures to features.

    Arguments: `name`, to quote results with; `network`, (B, channels, size, size) in [0, 1] to (B, D);
    `channels` of its input (grey is repeated; 0: any); `size` of its input (0: any), reached by `resize`; `note`, a
    warning; `classify`, features (N, D) to class probabilities (N, K), if it has classes; `usual`, the number of
    samples of published results (0: none published); `sha256` of its file.
    """

    name: str
    network: Callable[[Tensor], Tensor]
    channels: int = 0
    size: int = 0
    resize: Resizing = CLEAN
    note: str = HOME_MADE
    classify: Callable[[Tensor], Tensor] | None = None
    usual: int = 0
    sha256: str = ""

    @property
    def resizing(self) -> str:
        """The resizing in words, "none" without one."""
        return f"{self.resize} to {self.size}x{self.size}" if self.size else "none"

    def noted(self, samples: int) -> str:
        """The note, with a warning when `samples` are fewer than published results use.

        >>> Extractor(name="x", network=torch.flatten, note="features of x", usual=50_000).noted(5_000)
        'features of x; published numbers use 50,000 samples, and FID is higher with 5,000'
        """
        fewer = f"; published numbers use {self.usual:,} samples, and FID is higher with {samples:,}"
        return self.note + (fewer if samples < self.usual else "")

    def __call__(self, x: Tensor) -> Tensor:
        """Features (B, D), float64 on the CPU, of pictures (B, C, H, W) in [0, 1], which are rounded to 8 bits first.

        What a Gaussian draws beyond [0, 1] is clipped, as in a file.  Raises HvaeError for pictures of the wrong shape,
        for values far outside, and for output that is not a finite (B, D).
        """
        if x.ndim != 4:
            raise HvaeError(
                f"expected pictures (B, C, H, W), got shape {tuple(x.shape)}; vectors have no such features"
            )
        if not (BEYOND[0] <= float(x.min()) and float(x.max()) <= BEYOND[1]):
            raise HvaeError(
                f"expected pictures in [0, 1], got {float(x.min()):.6g} to {float(x.max()):.6g}; divide bytes by 255"
            )
        # Files hold 8 bits: a generator that did not round would be told from them by its rounding alone.
        ready = self._sized(self._coloured((x.float().clamp(0, 1) * 255).round() / 255))
        with torch.no_grad():
            features = self.network(ready)
        if features.ndim != 2 or len(features) != len(x) or not bool(features.isfinite().all()):
            raise HvaeError(
                f"expected finite features of shape ({len(x)}, D) from {self.name}, got {tuple(features.shape)}"
            )
        return features.double().cpu()

    def _coloured(self, x: Tensor) -> Tensor:
        if not self.channels or x.shape[1] == self.channels:
            return x
        if x.shape[1] != 1:
            raise HvaeError(f"expected pictures of {self.channels} channels or 1 for {self.name}, got {x.shape[1]}")
        return x.expand(-1, self.channels, -1, -1)

    def _sized(self, x: Tensor) -> Tensor:
        if not self.size or x.shape[2:] == (self.size, self.size):
            return x
        return self.resize(x, self.size)


def features_of(extractor: Extractor, batches: Iterable[Tensor | Datum], progress: Progress = silent) -> Tensor:
    """The features of all batches, (N, D).  Raises HvaeError without pictures."""
    meter, parts = Meter(progress, batches, 1), []
    for x in batches:
        parts.append(extractor(as_datum(x).x))
        meter.add(1)
    if not parts:
        raise HvaeError("expected pictures to compare, got none")
    return torch.cat(parts)


def random_features(channels: int, seed: int = 0) -> Extractor:
    """Three convolutions with random weights, the same on every machine: 256 features.

    They respond to edges and textures, not to objects: enough to rank early samples of one model.

    >>> random_features(1)(torch.rand(2, 1, 16, 16)).shape
    torch.Size([2, 256])
    """
    random = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for width, wider in ((channels, 32), (32, 64), (64, 64)):
        conv = skip_init(nn.Conv2d, width, wider, 3, padding=1)  # leaves the global random numbers alone
        nn.init.normal_(conv.weight, std=math.sqrt(2 / (9 * width)), generator=random)
        nn.init.normal_(conv.bias, std=0.1, generator=random)  # type: ignore[arg-type]
        layers += [conv, nn.ReLU(), nn.AvgPool2d(2, ceil_mode=True)]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten()).requires_grad_(False)
    return Extractor(name=f"random convolutions (seed {seed}), 256 features", network=network, channels=channels)


def classifier_features(classifier: Classifier) -> Extractor:
    """The hidden layer of a small classifier on pixels ("mlp"); its accuracy is part of the name.

    Raises HvaeError for a classifier without a hidden layer.
    """
    if classifier.kind != "mlp":
        raise HvaeError(f"expected an mlp classifier, which has a hidden layer, got {classifier.kind}")
    weight, bias = torch.tensor(classifier.model.coefs_[0]), torch.tensor(classifier.model.intercepts_[0])
    return Extractor(
        name=f"hidden layer of a classifier ({classifier.describe()}), {len(bias)} features",
        network=lambda x: torch.relu(x.flatten(1).cpu().to(weight.dtype) @ weight + bias),
    )


def extractor(make: Callable[[], M]) -> Callable[[], M]:
    """Mark a function that makes a network, so that MODULE:NAME may name it; a `torch.nn.Module` class needs no mark.

    No other callable of a module is ever called, whatever a file names.

    >>> @extractor
    ... def pooled():
    ...     return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    """
    _MAKERS.append(make)
    return make


M = TypeVar("M", bound=Callable[[Tensor], Tensor])
_MAKERS: list[Callable[[], Any]] = []


def user_features(source: str, *, channels: int = 3, size: int = 0) -> Extractor:
    """A network of the user's: a file of torch.export (.pt2) or TorchScript (.pt, .ts), or MODULE:NAME of Python.

    The network takes pictures (B, channels, size, size) in [0, 1] and gives (B, D).  NAME is a `torch.nn.Module`, a
    class of them that needs no arguments, or a function marked with `extractor`.  All of these run code: the module is
    imported, and such files can hold programs.  Pass only sources you trust, never one that a file names
    (`hvae.trust.Trust` checks those).  Raises HvaeError when there is no such network.

    >>> user_features("torch.nn:Flatten", channels=1)(torch.rand(3, 1, 4, 4)).shape
    torch.Size([3, 16])
    """
    network = _loaded(expanded(source)) if Path(source).suffix in LOADERS else _imported(source)
    return Extractor(name=source, network=network, channels=channels, size=size, note=f"features of {source}")


LOADERS: dict[str, Callable[[str], Any]] = {
    ".pt2": lambda path: torch.export.load(path).module(),
    ".pt": lambda path: torch.jit.load(path, map_location="cpu").eval(),
    ".ts": lambda path: torch.jit.load(path, map_location="cpu").eval(),
}


def _loaded(path: Path) -> Any:
    if not path.is_file():
        raise HvaeError(f"no network at {path}; expected a file of torch.export or TorchScript, or MODULE:NAME")
    try:
        return LOADERS[path.suffix](str(path))
    except Exception as fault:  # what the loaders raise for a damaged file is not documented
        raise HvaeError(f"{path} holds no network: {_first_line(fault)}") from fault


def _first_line(fault: Exception) -> str:
    return (str(fault).strip() or type(fault).__name__).splitlines()[0][:120]


def _imported(source: str) -> Any:
    if not is_module(source):
        raise HvaeError(f"expected a file ({', '.join(LOADERS)}) or MODULE:NAME as the network, got '{source}'")
    value = attribute(source)
    if isinstance(value, nn.Module):
        return value.eval()
    # Any other callable stays uncalled: a name that a file could have chosen must not reach os.abort.
    marked = any(value is make for make in _MAKERS)
    if not marked and not (isinstance(value, type) and issubclass(value, nn.Module)):
        raise HvaeError(
            f"{source} is no network: expected a torch.nn.Module, a class of them, or a function marked with "
            f"@hvae.extractor, got {type(value).__name__}"
        )
    try:
        network = value()
    except Exception as fault:  # a class of the user's can raise anything
        raise HvaeError(f"{source} cannot be made without arguments: {_first_line(fault)}") from fault
    return network.eval() if isinstance(network, nn.Module) else network
