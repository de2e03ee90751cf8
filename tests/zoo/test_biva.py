"""BIVA against numbers that the authors' PyTorch release computed, and its published sizes.

The fixtures hold a tiny model's random weights under the release's names, one binary batch, and what the release made
of it: the value, both conditionals and the one-sample KL of every latent, and the raw output.  To record them again,
build the release's `DeepVae(BivaStage)` with these stages, in evaluation mode with every `initialized` flag set, and
feed it 2x - 1.  What it made of the same in float64, double/..., is added by benchmarks/record_biva.py.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hvae.config.biva import CIFAR10, MNIST, BIVAConfig
from hvae.datum import Datum
from hvae.distributions import Normal
from hvae.draw import given
from hvae.errors import HvaeError
from hvae.models.bidirectional import Bidirectional
from hvae.nn.weightnorm import Normed
from hvae.walk import names, run
from hvae.zoo import biva

FIXTURES = Path(__file__).parents[1] / "fixtures"
TINY = {"strides": (2, 1, 2), "kernels": (5, 3, 3), "width": 4, "blocks": 2, "variance": "above-one"}
VECTORS = BIVAConfig(latents=(3, 2, 2), **TINY)
MAPS = BIVAConfig(latents=(3, 2, 2), maps=(6, 6, 3), likelihood="logistic-pixel", **TINY)
# The pixels of maps that are recorded in float64.
PARTS = slice(1, None, 3)
CASES = {"biva_vectors": (VECTORS, (1, 12, 12), 1), "biva_maps": (MAPS, (3, 12, 12), 8)}

# The release's module names to ours, and its names of a weight's three parts.
PLACES = [
    (r"stages\.(\d)\.q_bu_convs\.layers\.(\d)", r"stages.\1.climb.up.blocks.\2"),
    (r"stages\.(\d)\.q_td_convs\.layers\.(\d)", r"stages.\1.climb.across.blocks.\2"),
    (r"stages\.(\d)\.p_convs\.layers\.(\d)", r"stages.\1.descend.blocks.\2"),
    (r"stages\.(\d)\.(?:merge|q_top)", r"stages.\1.merge.blocks.0"),
    (r"stages\.2\.stochastic\.(q|p)x2z\.(?:linear|conv)", r"latents.z3.\1.network.-1"),
    (r"stages\.2\.z_proj\.linear\.linear", r"latents.z3.inject.0"),
    (r"stages\.(\d)\.z_proj\.linear\.linear", r"stages.\1.join.0"),
    (r"stages\.(\d)\.bu_proj\.linear\.linear", lambda m: f"latents.z{int(m[1]) + 1}-up.inject.0"),
    (r"stages\.(\d)\.bu_stochastic\.(q|p)x2z\.\w+", lambda m: f"latents.z{int(m[1]) + 1}-up.{m[2]}.network.-1"),
    (r"stages\.(\d)\.td_stochastic\.(q|p)x2z\.\w+", lambda m: f"latents.z{int(m[1]) + 1}-down.{m[2]}.network.-1"),
    (r"projection\.1\.conv", "leave.1"),
    (r"\.conv1\.conv", ".inner"),
    (r"\.conv2\.conv", ".outer"),
    (r"\.aux_op\.conv", ".side"),
    (r"\.weight_v$", ".direction"),
    (r"\.weight_g$", ".gain"),
]


def ours(name: str) -> str:
    for pattern, place in PLACES:
        name = re.sub(pattern, place, name)
    return name


def filled(model: Bidirectional, recorded: dict[str, Tensor]) -> Bidirectional:
    """The model with the release's weights; every parameter must be met exactly once."""
    missing = dict(model.named_parameters())
    for name, value in recorded.items():
        if not name.startswith("param/"):
            continue
        path, part = ours(name.removeprefix("param/")).rsplit(".", 1)
        *outer, last = path.split(".")
        module = model.get_submodule(".".join(outer))[-1] if last == "-1" else model.get_submodule(path)
        weight = getattr(module, part)
        found = next(key for key, parameter in missing.items() if parameter is weight)
        # A transposed convolution keeps its input channels first there.
        value = value if value.shape == weight.shape and "Transposed" not in repr(type(module)) else _turned(value)
        with torch.no_grad():
            missing.pop(found).copy_(value)
    assert not missing, list(missing)
    return model


def _turned(value: Tensor) -> Tensor:
    return value.transpose(0, 1) if value.ndim > 1 else value


def load(name: str) -> dict[str, Tensor]:
    with np.load(FIXTURES / f"{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def computed(name: str, recorded: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """What we make of the recorded weights, data and values of the latents, under the names of the fixtures."""
    model = filled(biva.build(*CASES[name]), recorded).to(dtype).eval()
    found: dict[str, Tensor] = {}
    model.leave.register_forward_hook(lambda module, args, out: found.update(logits=out))
    values = {level: recorded[f"z/{level}"].to(dtype) for level in names(model)}
    x = (recorded["x"].to(dtype) * 255).round() / 255
    with torch.no_grad():
        trace = run(model, given(values), model.evidence(x))
    for level in values:
        record = trace[level]
        for side, law in (("q", record.q), ("p", record.p)):
            assert isinstance(law, Normal)
            found |= {f"{side}/{level}/loc": law.loc, f"{side}/{level}/scale": law.scale}
        found[f"kl/{level}"] = -record.log_weight()
    return found


@pytest.mark.parametrize("name", list(CASES))
def test_the_release_computes_the_same(name: str) -> None:
    recorded = load(name)
    for key, value in computed(name, recorded, torch.float32).items():
        atol = 1e-4 if key.startswith("kl/") else 1e-5
        torch.testing.assert_close(value, recorded[key].expand_as(value), rtol=1e-5, atol=atol)


@pytest.mark.parametrize("name", list(CASES))
def test_the_same_function_in_float64(name: str) -> None:
    """Each number to 1e-10 of itself.  Types are compared too."""
    recorded = load(name)
    for key, value in computed(name, recorded, torch.float64).items():
        value = value[..., PARTS, PARTS] if value.ndim > 2 else value
        told = partial("{}: {}".format, key)
        torch.testing.assert_close(value, recorded[f"double/{key}"], rtol=1e-10, atol=0, msg=told)


@pytest.mark.parametrize(
    ("config", "shape", "bits", "parameters", "latents"),
    [(MNIST, (1, 28, 28), 1, 31_550_946, 11), (CIFAR10, (3, 32, 32), 8, 102_948_560, 29)],
)
def test_published_sizes(config: BIVAConfig, shape: tuple[int, ...], bits: int, parameters: int, latents: int) -> None:
    """The counts of the release's own models, built from its two configurations."""
    with torch.device("meta"):
        model = biva.build(config, shape, bits)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.latents) == latents == 2 * config.depth - 1


def test_layers_start_from_the_first_batch() -> None:
    model = biva.build(VECTORS, (1, 12, 12), 1).eval()
    x = torch.bernoulli(torch.full((64, 1, 12, 12), 0.4))
    torch.manual_seed(7)
    model.prepare(Datum(x))
    outputs: dict[Normed, Tensor] = {}
    for module in model.modules():
        if isinstance(module, Normed):
            module.register_forward_hook(lambda layer, args, out: outputs.setdefault(layer, out))
    torch.manual_seed(7)
    model(x)
    assert len(outputs) == sum(isinstance(module, Normed) for module in model.modules())
    for layer, out in outputs.items():
        channels = out.transpose(0, 1).flatten(1)
        torch.testing.assert_close(channels.mean(1), torch.zeros(len(channels)), atol=1e-4, rtol=0)
        torch.testing.assert_close(channels.std(1), torch.full((len(channels),), biva.STD), rtol=0.02, atol=0), layer


def test_dropout_is_where_it_was_published() -> None:
    model = biva.build(BIVAConfig(**{**TINY, "latents": (3, 2, 2)}, dropout_q=0.4, dropout_p=0.1), (1, 12, 12), 1)
    found = {name: module.p for name, module in model.named_modules() if isinstance(module, nn.Dropout)}
    down = {name for name in found if ".descend." in name or re.match(r"stages\.[01]\.merge", name)}
    assert found and all(p == (0.1 if name in down else 0.4) for name, p in found.items())


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"strides": (2, 1)}, r"model.strides: expected one number for each of the 3 stages"),
        ({"strides": (2, 3, 1)}, r"model.strides\[1\]: expected 1 or 2, got 3"),
        ({"kernels": (5, 4, 3)}, "model.kernels: expected odd sizes"),
        ({"maps": (3, 3)}, "model.maps: expected one number for each of the 3 stages"),
        ({"dropout_p": 1.0}, "model.dropout_p: expected a probability"),
        ({"latents": ()}, "model.latents"),
    ],
)
def test_impossible_sizes(change: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        BIVAConfig(**{**TINY, "latents": (3, 2, 2), **change})


def test_vectors_are_refused() -> None:
    with pytest.raises(HvaeError, match="biva needs images"):
        biva.build(VECTORS, (12,), 1)
