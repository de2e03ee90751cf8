"""The released code of NVAE (NVlabs/NVAE), made to run where it was not written for: a CPU, a present-day torch.

It is asked for by the folder it was cloned to and is no part of this project.  What stands in for what:

    .cuda()                  nothing: everything stays where it is
    tensorboardX             an empty module; nothing is logged
    synchronised batch norm  torch's batch norm, followed by SiLU where the released code fuses the two
    its swish                the same function, whose backward pass again computes the sigmoid anew
"""

from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from hvae.checkpoints.nvae import SETS
from hvae.config.nvae import NVAEConfig


class Swish(torch.autograd.Function):
    """x times its logistic function; only x is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * (s * (1 + x * (1 - s)))


class NormSwish(nn.BatchNorm2d):
    """Batch norm and swish, under the names that the released code gives its fused layer."""

    def forward(self, x: Tensor) -> Tensor:
        return Swish.apply(super().forward(x))


def load(folder: str | Path) -> tuple[ModuleType, ModuleType, ModuleType]:
    """The released modules `model`, `utils` and `thirdparty.adamax`, importable and on this machine's device."""
    nn.Module.cuda = lambda self, *_, **__: self  # type: ignore[assignment, method-assign]
    Tensor.cuda = lambda self, *_, **__: self  # type: ignore[assignment, method-assign]
    nn.SyncBatchNorm = nn.BatchNorm2d  # type: ignore[assignment, misc]
    for name, content in (
        ("tensorboardX", {"SummaryWriter": object}),
        ("thirdparty.swish", {"Swish": Swish}),
        ("thirdparty.inplaced_sync_batchnorm", {"SyncBatchNormSwish": NormSwish}),
    ):
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(content)
    sys.path.insert(0, str(folder))
    model, utils, adamax = (importlib.import_module(name) for name in ("model", "utils", "thirdparty.adamax"))
    return model, utils, adamax


def arguments(config: NVAEConfig, dataset: str, bits: int) -> Namespace:
    """What the released code calls the numbers of a configuration; levels a scale as they come from halving."""
    channels, _ = SETS[dataset]
    return Namespace(
        dataset=dataset,
        arch_instance="res_mbconv",
        num_x_bits=bits,
        num_mixture_dec=config.mixtures if channels > 1 else 10,
        num_latent_scales=len(config.groups),
        num_groups_per_scale=config.groups[0],
        ada_groups=len(config.groups) > 1,
        min_groups_per_scale=config.groups[-1],
        num_latent_per_group=config.latent,
        num_channels_enc=config.encoder_width,
        num_channels_dec=config.decoder_width,
        num_preprocess_blocks=config.blocks,
        num_postprocess_blocks=config.blocks,
        num_preprocess_cells=config.block_cells,
        num_postprocess_cells=config.block_cells,
        num_cell_per_cond_enc=config.encoder_cells,
        num_cell_per_cond_dec=config.decoder_cells,
        num_nf=config.flows,
        res_dist=config.residual,
        use_se=config.gates,
    )


def build(modules: tuple[ModuleType, ModuleType, ModuleType], args: Namespace) -> Any:
    """The released model."""
    model, utils, _ = modules
    return model.AutoEncoder(args, None, utils.get_arch_cells(args.arch_instance))
