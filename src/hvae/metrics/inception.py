"""The feature extractor of published FID, KID and IS: the Inception graph of 2015-12-05.

Nothing is downloaded: the caller reads the file and passes its tensors by name.

Shapes: `N` pictures; `D` = 2048 features; `K` = 1008 classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.metrics.features import Extractor, Resizing
from hvae.metrics.inception_network import FEATURES, SIZE, InceptionV3

FILE, SHA256 = "pt_inception-2015-12-05-6726825d.pth", "6726825d"
"""The published file, and what its sha256 begins with."""
USUAL = 50_000
"""Number of samples of published results."""
AS_PUBLISHED = Resizing("bilinear", antialias=False)
COUNTER = ".num_batches_tracked"
"""A training-only buffer of every batch norm; files may lack it."""
SHOWN = 3


def inception_features(weights: Mapping[str, Tensor], *, source: str = FILE, sha256: str = "") -> Extractor:
    """The extractor of published results from its weights by name, on their device.

    Arguments: `source`, the name of their file, for messages; `sha256` of that file, by which the published one is
    recognised.
    Raises HvaeError unless all names and shapes match the network and all values are finite.
    """
    with torch.device("meta"):
        network = InceptionV3()
    network.load_state_dict(_fitting(weights, network.state_dict(), source), assign=True)
    network.eval().requires_grad_(False)
    digest = f", sha256 {sha256[:12]}" if sha256 else ""
    return Extractor(
        name=f"Inception of 2015-12-05 ({source}{digest}), {FEATURES} features",
        network=network,
        channels=3,
        size=SIZE,
        resize=AS_PUBLISHED,
        note=_note(sha256),
        classify=network.classify,
        usual=USUAL,
        sha256=sha256,
    )


def _note(sha256: str) -> str:
    if sha256.startswith(SHA256):
        return "the network of published numbers; comparable where data, split, count and resizing are the same"
    return f"the network of published numbers if its weights are theirs (sha256 {SHA256}..., which this file's is not)"


def _fitting(weights: Mapping[str, Tensor], shapes: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """The weights as float32, counters added.  Raises HvaeError for weights of another network."""
    counters = {name for name in shapes if name.endswith(COUNTER)}
    tensors = {name: value if name in counters else value.float() for name, value in weights.items()}
    common = {name: value for name, value in tensors.items() if name in shapes}
    faults = {
        "missing": [name for name in shapes if name not in tensors and name not in counters],
        "unknown": [name for name in tensors if name not in shapes],
        "of another shape": [name for name, value in common.items() if value.shape != shapes[name].shape],
        "not finite": [name for name, value in common.items() if not bool(value.isfinite().all())],
    }
    summary = [f"{len(names)} {fault} ({', '.join(names[:SHOWN])})" for fault, names in faults.items() if names]
    if summary:
        raise HvaeError(
            f"{source}: expected the {len(shapes) - len(counters)} weights of the Inception of 2015-12-05, found "
            f"{', '.join(summary)}; give {FILE} of pytorch-fid (torchvision's own file is another training)"
        )
    return {**{name: torch.zeros((), dtype=torch.long) for name in counters}, **tensors}
