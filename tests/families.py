"""Every family at toy size: what the promise tests run over."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from toys import StateSpace

from hvae.config.biva import BIVAConfig
from hvae.config.clockwork import CWVAEConfig
from hvae.config.context import ContextConfig
from hvae.config.diffusion import VDMConfig
from hvae.config.flow import FlowConfig
from hvae.config.iafvae import IAFVAEConfig
from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.pixels import PixelCNNConfig, PixelVAEConfig
from hvae.config.qresvae import QResVAEConfig
from hvae.config.seqladder import SeqLadderConfig
from hvae.config.sequences import DMMConfig, SRNNConfig, STCNConfig, VRAEConfig, VRNNConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.config.vqvae import RQVAEConfig, VQVAE2Config, VQVAEConfig
from hvae.distributions import Bernoulli
from hvae.walk import Model
from hvae.zoo import build

SHAPE = (1, 6, 5)

FLOW = {"transforms": 2, "hidden": (6,), "bins": 3}
NVAE = {"encoder_width": 2, "decoder_width": 2, "latent": 2, "block_cells": 1, "encoder_cells": 1, "decoder_cells": 1}
CODED = {"codes": 7, "dims": 3, "width": 8, "hidden": 6, "blocks": 1, "likelihood": "bernoulli"}
VDVAE = {"encoder": "6x1,6d2,3d2,1x1", "decoder": "1x1,3m1,6m3,6x1", "width": 8, "latent": 2, "likelihood": "bernoulli"}
CONTEXT = ContextConfig(size=2, bits=2, steps=3, width=6, blocks=1)
VDM = {"steps": 4, "widths": (4, 6), "blocks": 1, "fourier": (0,), "gamma_min": -3.0, "gamma_max": 3.0}

FAMILIES: dict[str, ModelConfig] = {
    "vae-mlp": VAEConfig(latent=3, widths=(12, 10)),
    "vae-tanh": VAEConfig(network="mlp-tanh", latent=3, widths=(12,)),
    "vae-conv": VAEConfig(network="conv", latent=2, widths=(6, 8)),
    "markov-mlp": MarkovConfig(latents=(4, 3, 2), widths=(12, 10, 8)),
    "markov-conv": MarkovConfig(network="conv", latents=(2, 2), widths=(6, 8)),
    **{
        f"lvae-mlp-{merge}": LVAEConfig(latents=(4, 3, 2), widths=(12, 10, 8), posterior=merge)
        for merge in ("precision", "concat", "linear", "residual")
    },
    "vae-flow": VAEConfig(latent=3, widths=(12,), flow=FlowConfig(prior="spline-coupling", posterior="affine", **FLOW)),
    "vae-conv-flow": VAEConfig(
        network="conv", latent=2, widths=(6, 8), flow=FlowConfig(prior="affine", posterior="spline", **FLOW)
    ),
    "lvae-flow": LVAEConfig(
        latents=(4, 3), widths=(12, 10), flow=FlowConfig(posterior="affine-coupling", levels=("z1",), **FLOW)
    ),
    "vlae-flow": VLAEConfig(
        network="conv", latents=(1, 2), widths=(6, 8), flow=FlowConfig(prior="affine", posterior="spline", **FLOW)
    ),
    "ladder-flow": LadderConfig(
        groups=(1, 1), width=8, latent=2, flow=FlowConfig(prior="affine", posterior="affine-coupling", **FLOW)
    ),
    "lvae-conv": LVAEConfig(network="conv", latents=(2, 2), widths=(6, 8)),
    "vlae-mlp": VLAEConfig(latents=(3, 3, 2), widths=(12, 10, 8)),
    "vlae-conv": VLAEConfig(network="conv", latents=(3, 2), widths=(6, 8)),
    **{
        f"ladder-{merge}": LadderConfig(groups=(1, 2), width=8, latent=2, posterior=merge)
        for merge in ("residual", "residual-bounded", "concat", "precision", "linear")
    },
    "ladder-recomputed": LadderConfig(groups=(0, 2, 1), width=8, latent=2, checkpoint=True, dropout=0.3),
    "ladder-everywhere": LadderConfig(groups=(0, 1, 1), width=8, latent=2, start="everywhere"),
    "ladder-widths": LadderConfig(groups=(1, 0, 2), widths=(4, 6, 8), latent=2),
    "ladder-latents": LadderConfig(
        groups=(1, 0, 2), width=8, latents=(1, 7, 3), flow=FlowConfig(posterior="affine", levels=("z2",), **FLOW)
    ),
    **{
        f"ladder-shared-{share}": LadderConfig(
            groups=(1, 2), width=8, latent=2, share=share, checkpoint=share == "both"
        )
        for share in ("levels", "ways", "both")
    },
    "ladder-widths-bare": LadderConfig(groups=(0, 1, 1), widths=(5, 6, 4), latent=2, start="everywhere"),
    "ladder-clamp": LadderConfig(groups=(2,), width=8, latent=2, variance="clamp"),
    "ladder-softplus": LadderConfig(groups=(2,), width=8, latent=2, variance="softplus"),
    "ladder-clamp-sigma": LadderConfig(groups=(2,), width=8, latent=2, variance="clamp-sigma"),
    "ladder-grouped": LadderConfig(groups=(1, 1), width=32, latent=2, norm="group"),
    "lvae-grouped": LVAEConfig(network="conv", latents=(2, 2), widths=(16, 32), norm="group"),
    "ladder-attention": LadderConfig(groups=(0, 1, 2), width=8, latent=2, attention=(0, 1, 2)),
    "lvae-attention": LVAEConfig(network="conv", latents=(2, 2), widths=(6, 8), attention=(0, 2)),
    "nvae-attention": NVAEConfig(**NVAE, groups=(1, 1), attention=(2, 1)),
    "qresvae-attention": QResVAEConfig(
        patch=2, groups=(2, 1), widths=(6, 8), latent=2, likelihood="bernoulli", attention=(0, 4)
    ),
    "vdvae-attention": VDVAEConfig(**VDVAE, attention="3:2,1:1"),
    "ladder-context": LadderConfig(groups=(1, 2), width=8, latent=2, context=CONTEXT),
    "ladder-aggregate": LadderConfig(groups=(1, 0, 2), width=8, latents=(1, 7, 3), aggregate=True),
    "vdvae-context": VDVAEConfig(**VDVAE, context=CONTEXT, aggregate=True),
    "ladder-grown": LadderConfig(groups=(0, 1, 1), width=8, latent=2, grown=(2, 1), fade=0),
    "ladder-finer": LadderConfig(groups=(0, 0, 1), width=8, latent=2, finer=(1, 2), fade=0),
    "lvae-grown": LVAEConfig(latents=(4, 3), widths=(12, 10), grown=(2,), fade=0),
    "vlae-grown": VLAEConfig(network="conv", latents=(3, 2), widths=(6, 8), grown=(2, 1), fade=0),
    "biva": BIVAConfig(latents=(3, 2, 2), strides=(2, 1, 2), kernels=(5, 3, 3), width=4, blocks=2),
    "biva-keys": BIVAConfig(
        latents=(2, 2, 2, 2),
        strides=(1, 2, 1, 1),
        kernels=(3, 3, 3, 3),
        width=4,
        blocks=1,
        attention=(0, 2, 1, 4),
        up="sub-pixel",
        share="levels",
    ),
    "biva-maps-keys": BIVAConfig(
        latents=(2, 2), strides=(2, 1), kernels=(3, 3), maps=(3, 2), width=4, blocks=1, attention=(2, 0), up="nearest"
    ),
    "biva-maps": BIVAConfig(latents=(2, 2), strides=(2, 1), kernels=(3, 3), maps=(3, 2), width=6),
    "biva-flat": BIVAConfig(latents=(4,), strides=(2,), kernels=(3,), width=6),
    "iafvae": IAFVAEConfig(blocks=(2, 1), width=8, latent=2, likelihood="bernoulli"),
    "iafvae-gaussian": IAFVAEConfig(blocks=(1, 1), width=6, latent=2, likelihood="bernoulli", posterior="gaussian"),
    "iafvae-keys": IAFVAEConfig(
        blocks=(3, 2),
        width=6,
        latents=(2, 3),
        likelihood="bernoulli",
        attention=(2, 1),
        up="sub-pixel",
        skip="gated",
        share="levels",
    ),
    "iafvae-added": IAFVAEConfig(blocks=(1, 1), width=6, latent=2, likelihood="bernoulli", up="nearest", skip="add"),
    "nvae-keys": NVAEConfig(**NVAE, groups=(2, 3), latents=(3, 2), norm="group", skip="gated", share="levels"),
    "nvae-added": NVAEConfig(**NVAE, groups=(1, 2), norm="group", skip="add", attention=(0, 1), checkpoint=True),
    "nvae": NVAEConfig(**NVAE, groups=(1, 1)),
    "nvae-flow": NVAEConfig(**NVAE, groups=(2,), flows=1, residual=False, gates=False, checkpoint=True),
    "pixelvae": PixelVAEConfig(groups=(0, 1, 1), width=8, latent=2, pixel_width=6, receptive=2),
    "pixelvae-plusplus": PixelVAEConfig(
        groups=(0, 1), width=8, latent=2, pixel_width=4, decoder="plusplus", pixel_blocks=1, pixel_scales=2
    ),
    "qresvae": QResVAEConfig(patch=2, groups=(2, 1), widths=(6, 8), latent=2, likelihood="bernoulli"),
    "qresvae-keys": QResVAEConfig(
        patch=2,
        groups=(2, 2),
        widths=(6, 8),
        latents=(1, 3),
        likelihood="bernoulli",
        norm="group",
        up="transposed",
        skip="concat",
        share="both",
    ),
    "qresvae-gated": QResVAEConfig(
        patch=1,
        groups=(0, 1, 1),
        widths=(4, 6, 8),
        latent=2,
        likelihood="bernoulli",
        up="nearest",
        skip="gated",
        share="levels",
    ),
    "vdm": VDMConfig(**VDM),
    "vdm-v": VDMConfig(
        **{**VDM, "steps": 3, "widths": (4,), "attention": "all", "norm": "group"}, predict="v", schedule="network"
    ),
    "vdm-many": VDMConfig(**{**VDM, "steps": 12, "attention": "none", "fourier": ()}, predict="x0", schedule="linear"),
    "vdm-continuous": VDMConfig(**{**VDM, "steps": 0}, walked=3),
    "vdvae": VDVAEConfig(**VDVAE),
    "vdvae-keys": VDVAEConfig(
        encoder="6x2,6d2,3d2,1x1",
        decoder="1x1,3m1,3x1,6m3,6x1",
        width=8,
        latent=2,
        likelihood="bernoulli",
        norm="group",
        skip="gated",
        share="both",
        up="transposed",
        custom_latents="3:3",
        attention="3:2",
    ),
    "vdvae-concat": VDVAEConfig(**VDVAE, skip="concat", share="ways", up="sub-pixel", checkpoint=True),
    "vqvae": VQVAEConfig(**CODED, stride=2),
    "vqvae-gradient": VQVAEConfig(**CODED, stride=4, codebook="gradient", gradient="rotation", unit=True),
    "vqvae-lattice": VQVAEConfig(**CODED, stride=1, codebook="lattice", levels=(4, 3)),
    "vqvae-stochastic": VQVAEConfig(**CODED, stride=2, codebook="stochastic"),
    "vqvae-transformer": VQVAEConfig(**CODED, stride=2, network="transformer", heads=2),
    "rqvae": RQVAEConfig(**CODED, stride=2, depth=3),
    "rqvae-shared": RQVAEConfig(**CODED, stride=2, depth=3, shared=True),
    "rqvae-scales": RQVAEConfig(
        **CODED, stride=2, depth=2, scales="doubling", prior="parallel", prior_width=8, prior_layers=1, prior_heads=2
    ),
    "rqvae-stochastic": RQVAEConfig(**CODED, stride=4, depth=2, codebook="stochastic"),
    "vqvae2": VQVAE2Config(**CODED, strides=(2, 2)),
    "vqvae2-three": VQVAE2Config(**CODED, strides=(1, 2, 2), codebook="gradient"),
    "vqvae2-prior": VQVAE2Config(**CODED, strides=(2, 2), prior="transformer", prior_width=8, prior_layers=1),
    "vqvae2-snail": VQVAE2Config(
        **CODED, strides=(2, 2), prior="pixelsnail", prior_width=8, prior_layers=1, prior_heads=2, prior_repeats=1
    ),
    "vdvae-recomputed": VDVAEConfig(**VDVAE, custom_widths="3:16,1:16", no_bias_above=1, checkpoint=True),
}

BARE: dict[str, ModelConfig] = {
    "pixelcnn": PixelCNNConfig(width=6, receptive=4),
    "pixelcnn-plusplus": PixelCNNConfig(width=4, decoder="plusplus", pixel_blocks=1, likelihood="dmol"),
    "pixelcnn-categorical": PixelCNNConfig(width=4, receptive=2, likelihood="categorical"),
}
"""Families without latents: they keep every promise that speaks of none."""

SEQUENCE = (4, 5)
RECURRENT = {"latent": 3, "state": 6, "width": 5}
TIERS = {"latents": (3, 2), "strides": (2, 4), "width": 8, "heads": 2}
CHAIN = {"latent": 6, "transition": 8, "state": 6, "width": 5}

TIMED: dict[str, ModelConfig] = {
    **{
        f"vrnn-{merge}": VRNNConfig(**RECURRENT, posterior=merge)
        for merge in ("concat", "residual", "precision", "linear")
    },
    "vrnn": VRNNConfig(**RECURRENT),
    "vrnn-lstm": VRNNConfig(**RECURRENT, cell="lstm", layers=2, variance="exp"),
    "vrnn-i": VRNNConfig(**RECURRENT, prior="standard", variance="clamp"),
    "storn": VRNNConfig(**RECURRENT, prior="standard", recurrence="storn", variance="softclamp"),
    "storn-lstm": VRNNConfig(**RECURRENT, recurrence="storn", cell="lstm"),
    **{
        f"srnn-{merge}": SRNNConfig(**RECURRENT, posterior=merge)
        for merge in ("concat", "residual", "precision", "linear")
    },
    "srnn": SRNNConfig(**RECURRENT),
    "srnn-released": SRNNConfig(**RECURRENT, timing="released", cell="lstm", layers=2),
    **{
        f"dmm-{merge}": DMMConfig(**CHAIN, posterior=merge)
        for merge in ("residual-mean", "residual", "precision", "linear")
    },
    "dmm": DMMConfig(**CHAIN),
    "dmm-flow": DMMConfig(**CHAIN, flow=FlowConfig(prior="affine-coupling", posterior="affine", **FLOW)),
    "dmm-both": DMMConfig(**CHAIN, reader="both", cell="lstm"),
    "dmm-rectifier": DMMConfig(**CHAIN, reader="both", cell="rectifier"),
    "vrae": VRAEConfig(latents=(3,), state=6, width=5),
    "vrae-ladder": VRAEConfig(latents=(4, 3, 2), state=6, width=5, cell="lstm"),
    "vrae-bars": VRAEConfig(latents=(3, 4), state=6, width=5, bar=3),
    "vrae-bars-ladder": VRAEConfig(latents=(3, 4, 2), state=6, width=5, cell="lstm", bar=2),
    "vrae-transformer": VRAEConfig(
        latents=(3,), state=8, width=5, encoder="transformer", decoder="transformer", heads=2, memory=2, chunk=3
    ),
    "vrae-bars-transformer": VRAEConfig(
        latents=(3, 2), state=8, width=5, bar=3, decoder="transformer", blocks=1, heads=2, memory=5
    ),
    "vrae-precision": VRAEConfig(latents=(4, 2), state=6, width=5, posterior="precision"),
    **{
        f"cwvae-{merge}": CWVAEConfig(latents=(3, 2), strides=(1, 2), state=6, width=5, posterior=merge)
        for merge in ("concat", "residual", "residual-mean", "linear")
    },
    "cwvae": CWVAEConfig(latents=(3, 2), strides=(1, 3), state=6, width=5),
    "cwvae-lstm": CWVAEConfig(latents=(3, 2), strides=(1, 2), state=6, width=5, cell="lstm"),
    "cwvae-dense": CWVAEConfig(latents=(3, 2), strides=(1, 2), state=6, width=5, cell="lstm", dense=True),
    **{
        f"stcn-{merge}": STCNConfig(latents=(3, 2), width=5, dilations=(1, 2), posterior=merge)
        for merge in ("concat", "residual", "residual-mean", "linear")
    },
    "stcn": STCNConfig(latents=(3, 2, 2), width=5, dilations=(1, 2)),
    "stcn-plain": STCNConfig(latents=(3, 2), width=5, dilations=(2,), kernel=3, layers=2, dense=False),
    **{
        f"seqladder-{merge}": SeqLadderConfig(**TIERS, posterior=merge)
        for merge in ("concat", "residual-mean", "precision", "linear")
    },
    "seqladder": SeqLadderConfig(**TIERS, dropout=0.3),
    "seqladder-steps": SeqLadderConfig(latents=(2, 3), strides=(1, 3), width=8, heads=2, layers=2),
    "seqladder-recurrent": SeqLadderConfig(**TIERS, decoder="recurrent", cell="lstm", state=6),
    "seqladder-transformer": SeqLadderConfig(**TIERS, decoder="transformer", state=8, memory=2, chunk=3),
    "cwvae-frames": CWVAEConfig(latents=(3,), strides=(2,), state=6, width=5, posterior="concat"),
}
"""Families of sequences."""

# The quickest family of each kind of walk, and of what a graph may trip over: recomputed networks, flows.  What
# takes seconds a family (compile, export) is tested on these by `make test` and on all by `make test-all`.
IN_TIME = "in-time"
"""Not a family of the library: a walk whose names recur in time, so that each promise is tested on one."""
MODELS = [*FAMILIES, IN_TIME, *TIMED]
KINDS = (
    "vae-tanh",
    "ladder-recomputed",
    "iafvae",
    "markov-conv",
    "biva-flat",
    "nvae",
    "vdm",
    IN_TIME,
    "vrnn",
    "vrae",
    "cwvae",
    "stcn",
    "seqladder",
)
EACH_KIND = [name if name in KINDS else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]


def family(name: str) -> Model:
    """The named model in float64, in evaluation mode."""
    torch.manual_seed(1)
    if name == IN_TIME:
        return StateSpace(SHAPE, Bernoulli).eval()
    if name in TIMED:
        return build(TIMED[name], shape=SEQUENCE, bits=1).double().eval()
    return build({**FAMILIES, **BARE}[name], shape=SHAPE, bits=1).double().eval()


def data(n: int = 4, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.bernoulli(torch.full((n, *shape), 0.4, dtype=torch.float64))
