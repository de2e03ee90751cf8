"""Training data of which only some keep their label, as where labelling is dear.

Shapes: `N` images.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from hvae.config.data import DataConfig
from hvae.data.images import Split
from hvae.data.order import epoch_order
from hvae.data.raw import UNKNOWN
from hvae.errors import HvaeError


def labelled(train: Split, config: DataConfig) -> Split:
    """The training data with `data.labels` labels, as many of each class, and the others unknown; those with a label
    come so often that they are the share `data.labelled` of all.

    `data.labels_seed` says which.  Raises HvaeError where there are no labels, or too few of a class.
    """
    if not (config.labels or config.labelled):
        return train
    if train.labels is None:
        raise HvaeError("data.labels: these data have no labels; leave data.labels and data.labelled at 0")
    labels = _kept(train.labels, config) if config.labels else train.labels
    hidden = replace(train, labels=labels)
    return _repeated(hidden, labels, config.labelled) if config.labelled else hidden


def _kept(labels: Tensor, config: DataConfig) -> Tensor:
    """The labels (N,), all but `data.labels` of them unknown."""
    classes = labels[labels >= 0].unique().tolist()
    each, rest = divmod(config.labels, len(classes) or 1)
    if rest or not each:
        raise HvaeError(
            f"data.labels: expected as many of each of the {len(classes)} classes, got {config.labels}; take a "
            f"multiple of {len(classes)}"
        )
    order = epoch_order(len(labels), 0, config.labels_seed)
    some = torch.full_like(labels, UNKNOWN)
    for one in classes:
        places = order[labels[order] == one]
        if len(places) < each:
            raise HvaeError(f"data.labels: expected {each} images of each class, got {len(places)} of class {one}")
        some[places[:each]] = one
    return some


def _repeated(train: Split, labels: Tensor, share: float) -> Split:
    """Those with a label so many times that they are about this share of all."""
    places = (labels >= 0).nonzero()[:, 0]
    if not len(places):
        raise HvaeError("data.labelled: no image has a label; leave it at 0")
    times = round(share * (len(labels) - len(places)) / ((1 - share) * len(places)))
    return train.some(torch.cat([torch.arange(len(labels)), places.repeat(max(0, times - 1))]))
