"""The network that samples are compared by: which one is meant, and the Inception from its published file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.errors import HvaeError, unknown
from hvae.files import expanded
from hvae.study.work import Work
from hvae.trust import Trust, is_module

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.metrics import Extractor

INCEPTION = (".pth", ".safetensors")
"""How files of the Inception's weights end."""
BUILT_IN = ("", "classifier", "random")
MOST_BYTES = 2**29
"""The Inception's weights take a fifth of this."""


def chosen(work: Work) -> str:
    """What the configuration asks for, or what it leaves to the data."""
    return work.config.features or ("random" if work.no_classifier() else "classifier")


def check_name(name: str, trust: Trust) -> None:
    """Raises HvaeError where samples would be compared by code that nobody vouches for.

    Networks that are built in, and weights of the Inception, need no word: nothing in them runs.
    """
    from hvae.metrics.features import LOADERS

    if name in BUILT_IN or Path(name).suffix in INCEPTION:
        return
    if not is_module(name) and Path(name).suffix not in LOADERS:
        names = (*BUILT_IN[1:], *(f"FILE{suffix}" for suffix in (*INCEPTION, *LOADERS)), "MODULE:NAME")
        raise HvaeError(f"evaluate.features: {unknown('network', name, names)}")
    trust.check(name, "evaluate.features")


def extractor(work: Work) -> Extractor:
    """The network that the configuration asks for.  Raises HvaeError when there is none, or it is not trusted."""
    from hvae.metrics import classifier_features, random_features, user_features

    config, name = work.config, chosen(work)
    if name == "classifier":
        return classifier_features(work.classifier)
    if name == "random":
        return random_features(work.subject.data.shape[0])
    if Path(name).suffix in INCEPTION:
        return _inception(work, expanded(name))
    check_name(name, work.subject.trust)
    return user_features(name, channels=config.features_channels, size=config.features_size)


def _inception(work: Work, path: Path) -> Extractor:
    """The network of published numbers, from a file of its weights, where the model is."""
    from hvae.metrics.inception import inception_features
    from hvae.walk import device_of

    device = device_of(work.model)
    weights = {name: value.to(device) for name, value in _weights(path).items()}
    with open(path, "rb") as f:
        sha256 = hashlib.file_digest(f, "sha256").hexdigest()
    return inception_features(weights, source=path.name, sha256=sha256)


def _weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, read without running anything of it."""
    from hvae.checkpoints.foreign import read, tensors
    from hvae.metrics.inception import FILE

    if not path.is_file():
        raise HvaeError(f"no weights of the Inception at {path}; expected {FILE} of pytorch-fid, or its tensors")
    if path.stat().st_size > MOST_BYTES:
        raise HvaeError(f"{path} has {path.stat().st_size:,} bytes; expected the Inception's weights, about 96 million")
    if path.suffix == ".safetensors":
        return _plain(path)
    return tensors(read(path), path, "the weights of the Inception alone")


def _plain(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as fault:
        why = str(fault).partition("\n")[0][:120]
        raise HvaeError(
            f"{path} is damaged or no safetensors file ({why}); expected the Inception's weights"
        ) from fault
