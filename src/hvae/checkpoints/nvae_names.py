"""What every tensor of a published NVAE is called here: two towers of cells, read side by side.

Each part of the table is a published prefix, ours, and what stands below both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hvae.config.nvae import NVAEConfig

Below = Mapping[str, str]
Part = tuple[str, str, Below]

_SAME = {name: name for name in ("weight", "bias")}
_PLAIN = {"weight": "weight"}
_BARE = {"weight": "weight", "log_weight_norm": "log_length"}
_LENGTH = {**_BARE, "bias": "bias"}
_NORM = {**_SAME, **{name: name for name in ("running_mean", "running_var", "num_batches_tracked")}}


def names(config: NVAEConfig) -> dict[str, str]:
    """Every tensor of a published checkpoint and what it is called here, {theirs: ours}.

    >>> names(NVAEConfig(groups=(1, 1)))["dec_sampler.0.1.log_weight_norm"]
    'levels.z1.prior.1.log_length'
    """
    ours_of = {"prior_ftr0": "start.state"}
    for parts in (_ends(config), _climb(config), _descent(config), _outwards(config), _samplers(config)):
        for theirs, ours, below in parts:
            ours_of |= {f"{theirs}.{a}": f"{ours}.{b}" for a, b in below.items()}
    return ours_of


def last(config: NVAEConfig) -> int:
    """The place of the layer that gives the raw likelihood parameters: after all cells and one nonlinearity."""
    return config.blocks * config.block_cells + 1


def _ends(config: NVAEConfig) -> Iterator[Part]:
    yield "stem", "bottom_up.blocks.z1.1", _LENGTH
    before = _before(config, len(config.groups) - 1, config.groups[-1] - 1)
    yield "enc0.1", f"bottom_up.blocks.z{config.levels}.{before + config.encoder_cells + 1}", _LENGTH
    yield "image_conditional.1", f"leave.{last(config)}", _LENGTH


def _before(config: NVAEConfig, scale: int, place: int) -> int:
    """What stands before the cells of a level on the way up: centring and stem, blocks, or one cell down."""
    if scale == place == 0:
        return 2 + config.blocks * config.block_cells
    return int(place == 0)


def _climb(config: NVAEConfig) -> Iterator[Part]:
    """The way up: cells before the first level, then those of each level, a combiner, and a cell to the next scale."""
    cells = config.block_cells
    for i in range(config.blocks * cells):
        yield from _two(config, f"pre_process.{i}", f"bottom_up.blocks.z1.{2 + i}", down=i % cells == cells - 1)
    i, level = 0, 0
    for scale, count in enumerate(config.groups):
        for place in range(count):
            level, first = level + 1, _before(config, scale, place)
            if scale and not place:
                yield from _two(config, f"enc_tower.{i}", f"bottom_up.blocks.z{level}.0", down=True)
                i += 1
            for cell in range(config.encoder_cells):
                yield from _two(config, f"enc_tower.{i}", f"bottom_up.blocks.z{level}.{first + cell}", down=False)
                i += 1
            if level < config.levels:
                yield f"enc_tower.{i}.conv", f"levels.z{level}.posterior.combine", _LENGTH
                i += 1


def _descent(config: NVAEConfig) -> Iterator[Part]:
    """The way down: for each level but the top its cells, and for each the layer that takes the latent in."""
    i, level = 0, config.levels
    for scale, count in reversed(list(enumerate(config.groups))):
        for place in range(count):
            crossing = place == 0 and scale < len(config.groups) - 1
            cells = 0 if level == config.levels else crossing + config.decoder_cells
            for cell in range(cells):
                up = crossing and cell == 0
                yield from _inverted(config, f"dec_tower.{i}", f"levels.z{level}.enter.{cell}", up=up)
                i += 1
            yield f"dec_tower.{i}.conv", f"levels.z{level}.absorb.network", _LENGTH
            i, level = i + 1, level - 1


def _outwards(config: NVAEConfig) -> Iterator[Part]:
    for i in range(config.blocks * config.block_cells):
        yield from _inverted(config, f"post_process.{i}", f"leave.{i}", up=i % config.block_cells == 0)


def _samplers(config: NVAEConfig) -> Iterator[Part]:
    for i in range(config.levels):
        level = f"levels.z{config.levels - i}"
        yield f"enc_sampler.{i}", f"{level}.posterior.read", _LENGTH
        if i:
            yield f"dec_sampler.{i - 1}.1", f"{level}.prior.1", _LENGTH
        for pair in range(config.flows):
            for side in range(2):
                theirs = f"nf_cells.{i * config.flows + pair}.cell{side + 1}"
                ours = f"{level}.posterior.flow.cells.{2 * pair + side}"
                yield f"{theirs}.conv.convz.0", f"{ours}.enter", _BARE
                yield f"{theirs}.conv.convz.2", f"{ours}.spread", _BARE
                yield f"{theirs}.mu.conv_0", f"{ours}.leave", _LENGTH


def _gate(config: NVAEConfig, theirs: str, ours: str) -> Iterator[Part]:
    if config.gates:
        yield f"{theirs}.se.se.0", f"{ours}.gate.squeeze", _SAME
        yield f"{theirs}.se.se.2", f"{ours}.gate.excite", _SAME


def _two(config: NVAEConfig, theirs: str, ours: str, *, down: bool) -> Iterator[Part]:
    """A cell of two convolutions."""
    for i, place in enumerate((0, 3)):
        yield f"{theirs}._ops.{i}.bn_act", f"{ours}.branch.{place}", _NORM
        yield f"{theirs}._ops.{i}.conv_0", f"{ours}.branch.{place + 2}", _LENGTH
    for grid in range(4 * down):
        yield f"{theirs}.skip.conv_{grid + 1}", f"{ours}.skip.grids.{grid}", _LENGTH
    yield from _gate(config, theirs, ours)


def _inverted(config: NVAEConfig, theirs: str, ours: str, *, up: bool) -> Iterator[Part]:
    """An inverted bottleneck; where it doubles the resolution, the copying of neighbours is its first layer."""
    layers = {
        0: {"bn": (0, _NORM)},
        1: {"conv.0": (1, _PLAIN), "conv.1": (2, _NORM)},
        2: {"conv.0": (4, _PLAIN), "conv.1": (5, _NORM)},
        3: {"": (7, _PLAIN)},
        4: {"bn": (8, _NORM)},
    }
    for layer, parts in layers.items():
        for part, (place, below) in parts.items():
            published = f"{theirs}._ops.0.conv.{layer + up}.{part}".rstrip(".")
            yield published, f"{ours}.branch.{place + up}", below
    if up:
        yield f"{theirs}.skip.1", f"{ours}.skip.0", _BARE
    yield from _gate(config, theirs, ours)
