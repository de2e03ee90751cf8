"""The published weights of VDVAE (openai/vdvae): tensors by name, without a configuration.

Child 2021, arXiv 2011.10650.  Blocks, widths, kernels and sizes of the learned starts are inferred from the tensors.
The resolution of each block is not, so published sizes are compared first, and any other model needs its two
architecture strings.

Shapes: `W` channels of the state, `M` inside a block, `D` latent channels; `1 1` the kernel of a 1x1 convolution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from hvae.checkpoints.mapping import bare, compare, count, fit, shapes, tensor
from hvae.config.vdvae import PUBLISHED, VDVAEConfig
from hvae.config.vdvae_blocks import decoder_blocks, encoder_blocks
from hvae.errors import HvaeError
from hvae.zoo.vdvae import build, level_names

WHAT = "openai/vdvae"
BITS = 8
"""All published models read eight bits, also the one whose likelihood scores five."""
_COLOURS, _PER_COMPONENT = 3, 10
_PARTS = {"c2": "tail.second", "c3": "tail.third", "c4": "tail.last"}
# Of tensors that agree in name and shape: above it a file is a damaged copy of a published one rather than another.
_ALIKE = 0.75

Shape = tuple[int, ...]


def infer(
    state: Mapping[str, Tensor], like: VDVAEConfig | None = None
) -> tuple[VDVAEConfig, tuple[int, int, int], int]:
    """The configuration, the shape (C, H, W) of the images and their bits, of weights under their published names.

    Names may begin with "module.", as data-parallel training leaves them.  `like` is needed for what is not a
    published size: its strings, input constants and likelihood are taken; widths, latents, mixtures and biases are
    read from the weights.  Raises HvaeError, in one line, where anything is missing, surplus or of another shape.
    """
    state = bare(state)
    tensor(state, "decoder.gain", 4, WHAT)
    config = _nearest(state) if like is None else _measured(state, like)
    expected = published_shapes(config)
    compare(state, expected, f"the weights do not fit those of {WHAT}")
    shapes(state, expected, f"the weights do not fit those of {WHAT}")
    side = config.resolutions[0]
    return config, (_COLOURS, side, side), BITS


def convert(state: Mapping[str, Tensor], config: VDVAEConfig) -> dict[str, Tensor]:
    """The weights under our names: exactly the `state_dict()` of the model that `config` describes.

    Every tensor must be there, none may be left over, each must have its shape and be finite: else HvaeError.
    """
    state = bare(state)
    fit(state, published_shapes(config), f"the weights of {WHAT}")
    side = config.resolutions[0]
    with torch.device("meta"):
        model = build(config, (_COLOURS, side, side), BITS).state_dict()
    plain = {name: value.contiguous() for name, value in _translated(state, config)}
    # A recomputed network stands one name deeper.
    weights = {name: plain[name.replace(".network.", ".")] for name in model}
    assert len(weights) == len(plain), sorted(set(plain) - {name.replace(".network.", ".") for name in model})
    return weights


def published_shapes(config: VDVAEConfig) -> dict[str, Shape]:
    """Name and shape of every tensor that the published code would save for a configuration.

    >>> len(published_shapes(PUBLISHED["cifar10"]))
    1393
    """
    if not config.likelihood.startswith("dmol"):
        raise HvaeError(f"expected model.likelihood dmol for weights of {WHAT}, got {config.likelihood}")
    w = config.width
    result: dict[str, Shape] = {"encoder.in_conv.weight": (w, _COLOURS, 3, 3), "encoder.in_conv.bias": (w,)}
    for i, climb in enumerate(encoder_blocks(config.encoder)):
        width = config.widths[climb.resolution]
        result |= _block_shapes(config, f"encoder.enc_blocks.{i}", climb.resolution, width, width)
    for i, block in enumerate(decoder_blocks(config.decoder)):
        result |= _level_shapes(config, f"decoder.dec_blocks.{i}", block.resolution)
    for i, r in enumerate(_started(config)):
        result[f"decoder.bias_xs.{i}"] = (1, config.widths[r], r, r)
    numbers = _PER_COMPONENT * config.mixtures
    result |= {"decoder.out_net.out_conv.weight": (numbers, w, 1, 1), "decoder.out_net.out_conv.bias": (numbers,)}
    return result | {"decoder.gain": (1, w, 1, 1), "decoder.bias": (1, w, 1, 1)}


def _started(config: VDVAEConfig) -> list[int]:
    """The resolutions with a learned start, coarsest first, as published."""
    at = sorted({block.resolution for block in decoder_blocks(config.decoder)})
    return [r for r in at if r <= config.no_bias_above]


def _block_shapes(config: VDVAEConfig, name: str, resolution: int, a: int, b: int) -> dict[str, Shape]:
    m, k = config.middle(resolution), 3 if resolution > 2 else 1
    weights = {"c1": (m, a, 1, 1), "c2": (m, m, k, k), "c3": (m, m, k, k), "c4": (b, m, 1, 1)}
    result: dict[str, Shape] = {f"{name}.{part}.weight": shape for part, shape in weights.items()}
    return result | {f"{name}.{part}.bias": shape[:1] for part, shape in weights.items()}


def _level_shapes(config: VDVAEConfig, name: str, resolution: int) -> dict[str, Shape]:
    w, d = config.widths[resolution], config.latent
    return {
        **_block_shapes(config, f"{name}.enc", resolution, 2 * w, 2 * d),
        **_block_shapes(config, f"{name}.prior", resolution, w, 2 * d + w),
        **_block_shapes(config, f"{name}.resnet", resolution, w, w),
        f"{name}.z_proj.weight": (w, d, 1, 1),
        f"{name}.z_proj.bias": (w,),
    }


def _nearest(state: Mapping[str, Tensor]) -> VDVAEConfig:
    """The published size that most of the tensors are of; raises HvaeError where they are of none."""
    tensors = {(name, tuple(value.shape)) for name, value in state.items()}
    alike = {name: len(tensors & set(published_shapes(size).items())) for name, size in PUBLISHED.items()}
    name = max(alike, key=lambda n: alike[n])
    if alike[name] > _ALIKE * len(tensors):
        return PUBLISHED[name]
    up, down = count(state, "encoder.enc_blocks."), count(state, "decoder.dec_blocks.")
    raise HvaeError(
        f"the weights hold {up} encoder and {down} decoder blocks around {state['decoder.gain'].shape[1]} channels, "
        f"which is no published size ({', '.join(PUBLISHED)}); weights do not carry their resolutions: tell "
        "model.encoder and model.decoder"
    )


def _measured(state: Mapping[str, Tensor], like: VDVAEConfig) -> VDVAEConfig:
    """The caller's strings and constants with the sizes that the weights have."""
    down = decoder_blocks(like.decoder)
    blocks = len(encoder_blocks(like.encoder)), len(down)
    blocks_held = count(state, "encoder.enc_blocks."), count(state, "decoder.dec_blocks.")
    if blocks != blocks_held:
        raise HvaeError(f"model.encoder and model.decoder tell {blocks} blocks, the weights hold {blocks_held}")
    width = tensor(state, "encoder.in_conv.weight", 4, WHAT).shape[0]
    injected = {b.resolution: _shape(state, f"decoder.dec_blocks.{i}.z_proj.weight") for i, b in enumerate(down)}
    custom = _climbed(state, like) | {r: shape[0] for r, shape in injected.items()}
    middle, outer = _shape(state, "decoder.dec_blocks.0.prior.c1.weight")[:2]
    biases = [_shape(state, f"decoder.bias_xs.{i}")[2] for i in range(count(state, "decoder.bias_xs."))]
    return replace(
        like,
        width=width,
        latent=next(iter(injected.values()))[1],
        mixtures=_shape(state, "decoder.out_net.out_conv.weight")[0] // _PER_COMPONENT,
        custom_widths=",".join(f"{r}:{w}" for r, w in custom.items() if w != width),
        bottleneck=like.bottleneck if int(outer * like.bottleneck) == middle else middle / outer,
        no_bias_above=like.no_bias_above if len(_started(like)) == len(biases) else max(biases, default=1),
    )


def _shape(state: Mapping[str, Tensor], name: str) -> Shape:
    return tuple(tensor(state, name, 4, WHAT).shape)


def _climbed(state: Mapping[str, Tensor], like: VDVAEConfig) -> dict[int, int]:
    """Channels at each resolution with a block of the encoder."""
    blocks = enumerate(encoder_blocks(like.encoder))
    return {b.resolution: _shape(state, f"encoder.enc_blocks.{i}.c4.weight")[0] for i, b in blocks}


Named = Iterator[tuple[str, Tensor]]


def _translated(state: Mapping[str, Tensor], config: VDVAEConfig) -> Named:
    """Every tensor of ours that has no network of its own to be recomputed in its name."""
    first = config.resolutions[0]
    for kind in ("weight", "bias"):
        yield f"bottom_up.up.blocks.{first}.enter.1.{kind}", state[f"encoder.in_conv.{kind}"]
    for i, climb in enumerate(encoder_blocks(config.encoder)):
        yield from _block(state, f"encoder.enc_blocks.{i}", f"bottom_up.up.blocks.{climb.above}.block{i}")
    for i, name in enumerate(level_names(config)):
        yield from _level(state, f"decoder.dec_blocks.{i}", f"levels.{name}")
    yield from _fans(state, config)
    yield from _starts(state, config)
    yield "leave.0.gain", state["decoder.gain"][0]  # (1, W, 1, 1) -> (W, 1, 1)
    yield "leave.0.bias", state["decoder.bias"][0]
    order = _mixture_order(config.mixtures)
    yield "leave.1.weight", state["decoder.out_net.out_conv.weight"].flatten(1)[order]
    yield "leave.1.bias", state["decoder.out_net.out_conv.bias"][order]


def _matrix(weight: Tensor) -> Tensor:
    """A 1x1 kernel as the matrix it is, (b, a, 1, 1) -> (b, a); larger ones as they are."""
    return weight.flatten(1) if weight.shape[-1] == 1 else weight


def _layer(state: Mapping[str, Tensor], theirs: str, ours: str) -> Named:
    yield f"{ours}.weight", _matrix(state[f"{theirs}.weight"])
    yield f"{ours}.bias", state[f"{theirs}.bias"]


def _tail(state: Mapping[str, Tensor], theirs: str, ours: str) -> Named:
    for part, name in _PARTS.items():
        yield from _layer(state, f"{theirs}.{part}", f"{ours}.{name.removeprefix('tail.')}")


def _block(state: Mapping[str, Tensor], theirs: str, ours: str) -> Named:
    yield from _layer(state, f"{theirs}.c1", f"{ours}.first")
    yield from _tail(state, theirs, f"{ours}.tail")


def _level(state: Mapping[str, Tensor], theirs: str, ours: str) -> Named:
    """The posterior's first product reads [h, e]: the half of h joins the prior's, that of e the fan."""
    prior, posterior = state[f"{theirs}.prior.c1.weight"], state[f"{theirs}.enc.c1.weight"]
    yield f"{ours}.twin.weight", torch.cat([prior, posterior[:, : prior.shape[1]]]).flatten(1)  # (2 M, W)
    yield f"{ours}.twin.bias", torch.cat([state[f"{theirs}.{part}.c1.bias"] for part in ("prior", "enc")])
    yield from _tail(state, f"{theirs}.prior", f"{ours}.twin.alone")
    yield from _tail(state, f"{theirs}.enc", f"{ours}.twin.joint")
    yield from _layer(state, f"{theirs}.z_proj", f"{ours}.inject")
    yield from _block(state, f"{theirs}.resnet", f"{ours}.block")


def _fans(state: Mapping[str, Tensor], config: VDVAEConfig) -> Named:
    halves: dict[int, list[Tensor]] = {}
    for i, block in enumerate(decoder_blocks(config.decoder)):
        both = state[f"decoder.dec_blocks.{i}.enc.c1.weight"].flatten(1)  # (M, 2 W)
        halves.setdefault(block.resolution, []).append(both[:, both.shape[1] // 2 :])
    for r, rows in halves.items():
        yield f"bottom_up.fans.{r}.weight", torch.cat(rows)


def _starts(state: Mapping[str, Tensor], config: VDVAEConfig) -> Named:
    blocks = decoder_blocks(config.decoder)
    begins = {block.resolution: name for name, block in zip(level_names(config), blocks, strict=True) if block.source}
    for i, r in enumerate(_started(config)):
        ours = f"levels.{begins[r]}.enter.start.bias" if r in begins else "start.state"
        yield ours, state[f"decoder.bias_xs.{i}"][0]  # (1, W, r, r) -> (W, r, r)


def _mixture_order(m: int) -> Tensor:
    """Where each raw number of our mixture stands in the published layer: see `MixtureHead`."""
    kinds = torch.arange(9 * m).view(_COLOURS, 3, m) + m  # (channel, location or log-scale or coefficient, component)
    return torch.cat([torch.arange(m), *(kinds[:, i].T.flatten() for i in range(3))])
