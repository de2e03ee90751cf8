"""Files of images whose likelihood goes from pixel to pixel: lossless, at minus the ELBO, and never shown damaged."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from forgery import mutation, mutations
from torch import nn

from hvae.coding import Codec, Picture, read
from hvae.coding.entropy.pixels import Part
from hvae.coding.entropy.registry import symbolic
from hvae.coding.entropy.stack import Stack
from hvae.coding.entropy.symbols import Cumulative
from hvae.coding.files.classic import Levels
from hvae.coding.lossless.book import calibrate
from hvae.coding.lossless.coder import ORDERS, Coder, with_enough_noise
from hvae.config.model import ModelConfig
from hvae.config.pixels import PixelCNNConfig, PixelVAEConfig
from hvae.distributions import DiscretizedLogistic
from hvae.draw import prior
from hvae.errors import HvaeError
from hvae.walk import Model, run
from hvae.weights import load_weights
from hvae.zoo import build

GOLDEN = Path(__file__).parents[1] / "fixtures" / "coding"
SHAPE = (3, 8, 8)
SMALL = {"groups": (1, 1), "width": 8, "latent": 1, "pixel_width": 6, "receptive": 3}
KINDS: dict[str, tuple[ModelConfig, int]] = {
    "gated": (PixelVAEConfig(**SMALL, likelihood="logistic"), 8),
    "gated-categorical": (PixelVAEConfig(**SMALL, likelihood="categorical"), 3),
    "plusplus": (PixelVAEConfig(**SMALL, decoder="plusplus", pixel_blocks=1, likelihood="dmol", mixtures=2), 8),
    "alone": (PixelCNNConfig(width=6, receptive=3, likelihood="categorical"), 3),
}


def model_of(kind: str, seed: int = 1) -> Model:
    """A model whose pixels depend on their neighbours, and none of which is far from what it expects."""
    torch.manual_seed(seed)
    config, bits = KINDS[kind]
    model = build(config, SHAPE, bits).eval()
    head = model.get_submodule("head")
    for name, weights in head.named_parameters():
        if name.startswith("network"):
            nn.init.normal_(weights, std=0.15)
        elif name == "each.log_scale":
            nn.init.constant_(weights, -3.0)
    return model


@cache
def codec(kind: str) -> Codec:
    return Codec(model_of(kind), bits=KINDS[kind][1], run="tiny")


@cache
def drawn(kind: str, count: int = 48) -> Levels:
    """Images that the model itself draws: no classic format codes them as well."""
    bits = KINDS[kind][1]
    torch.manual_seed(5)
    with torch.no_grad():
        x = run(codec(kind).model, prior(), n=count).x
    assert x is not None
    return (x * (2**bits - 1)).round().to(torch.uint8).numpy()


def pictures(kind: str, count: int = 48) -> list[Picture]:
    return [Picture(f"{i}", one, 0) for i, one in enumerate(drawn(kind)[:count])]


@pytest.mark.parametrize("kind", KINDS)
def test_files_come_back_at_the_size_of_the_bound(kind: str) -> None:
    """Whole or one picture of them, under the model and not in a classic format; 2 % of slack for the bins."""
    made = codec(kind).compress(pictures(kind))
    assert made.order == "bb-ans" and made.account.seeds < 16
    back = codec(kind).decompress(read(made.content))
    assert np.array_equal(np.stack([p.levels for p in back]), drawn(kind))
    assert np.array_equal(codec(kind).decompress(read(made.content), only=40)[0].levels, drawn(kind)[40])
    assert made.account.net == pytest.approx(made.account.elbo, rel=0.02, abs=4 * made.account.spread)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 5])
def test_steps_of_any_number_of_rows_return_to_the_start(kind: str, rows: int) -> None:
    own = codec(kind)
    x = torch.from_numpy(drawn(kind)[:rows]).double() / (2**own.bits - 1)
    coder = Coder(own.model, ORDERS[0], calibrate(own.model, own.model.evidence(x)), own.bits)
    stack = with_enough_noise(lambda stack: coder.encode(stack, drawn(kind)[:rows]))
    assert np.array_equal(coder.decode(Stack.resume(stack.words()), rows), drawn(kind)[:rows])


@pytest.mark.parametrize("kind", ["gated", "plusplus"])
def test_damaged_files_are_refused_or_right(kind: str) -> None:
    """Bytes changed or cut, and headers forged with their checksums made right."""
    content = codec(kind).compress(pictures(kind, 12)).content
    rng = np.random.default_rng(0)
    right = {one.tobytes() for one in drawn(kind)}
    for wrong in [*mutations(content, 60), *(mutation(rng, content) for _ in range(40))]:
        try:
            back = codec(kind).decompress(read(wrong))
        except HvaeError as fault:
            assert "\n" not in str(fault)
        else:
            # A forged size cuts the same pixels to other pictures.
            assert all(p.levels.tobytes() in right for p in back if p.levels.shape == SHAPE)


def test_other_weights_are_refused() -> None:
    file = read(codec("gated").compress(pictures("gated", 20)).content)
    with pytest.raises(HvaeError, match="another model"):
        Codec(model_of("gated", seed=2), bits=8).decompress(file)


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian-pixel"])
def test_densities_are_one_line(likelihood: str) -> None:
    config = PixelVAEConfig(**SMALL, likelihood=likelihood)
    with pytest.raises(HvaeError, match="codes nothing losslessly; train with") as told:
        Codec(build(config, SHAPE, 8), bits=8).compress(pictures("gated", 4))
    assert "\n" not in str(told.value)


def test_a_part_of_a_code_has_the_masses_of_the_whole() -> None:
    """Of all colours of a pixel one is coded after the other, each as if all were at once."""
    law = DiscretizedLogistic(torch.randn(2, 3, 1, 1).double(), torch.full((2, 3, 1, 1), -2.0).double(), 256)
    whole = symbolic(law).data()
    assert isinstance(whole, Cumulative)
    index = np.arange(1, 256)[None].repeat(6, 0)
    for rows in (np.array([1, 4]), np.array([5])):
        part = Part(whole, rows)
        assert np.array_equal(part.cumulative(index[: len(rows)]), whole.cumulative(index)[rows])
        assert np.array_equal(part.total, whole.total[rows]) and part.size == 256


@pytest.mark.parametrize("kind", ["gated", "plusplus"])
def test_golden_files_decode(kind: str) -> None:
    """Written once, they must decode for ever, on every machine."""
    model = model_of(kind)
    model.load_state_dict(load_weights(GOLDEN / f"pixels-{kind}.safetensors")[0])
    back = Codec(model, bits=8).decompress(read((GOLDEN / f"pixels-{kind}-v2.hvz").read_bytes()))
    assert np.array_equal(np.stack([p.levels for p in back]), np.load(GOLDEN / f"pixels-{kind}.npy"))
