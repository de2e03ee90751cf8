"""Published names to ours: everything accounted for, and one line where it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from published_nvae import CASES, case
from torch import Tensor

from hvae.checkpoints.nvae import convert, infer, names
from hvae.config import nvae
from hvae.config.nvae import NVAEConfig
from hvae.errors import HvaeError
from hvae.zoo.nvae import build


@pytest.mark.parametrize("name", CASES)
def test_the_weights_are_the_state_of_the_model(name: str) -> None:
    of = case(name)
    config, shape, bits = infer(of.state, of.args)
    weights = convert(of.state, config)
    build(config, shape, bits).load_state_dict(weights, strict=True)
    carried = [n for n in weights if not n.startswith("spectral.")]
    assert len(carried) == len(of.state) == len(names(config))
    assert int(weights["spectral.rounds"]) == 0


def test_what_is_inferred() -> None:
    of = case("nvae_flow")
    expected = NVAEConfig(
        likelihood="dmol-nvae",
        mixtures=2,
        groups=(2, 1),
        latent=2,
        encoder_width=4,
        decoder_width=4,
        encoder_cells=1,
        decoder_cells=1,
        flows=1,
    )
    assert infer(of.state, of.args) == (expected, (3, 32, 32), 8)
    binary = case("nvae_binary")
    config, shape, bits = infer(binary.state, binary.args)
    assert (config.likelihood, config.residual, config.gates, shape, bits) == (
        "bernoulli",
        False,
        False,
        (1, 28, 28),
        1,
    )


def test_the_published_likelihood_reads_the_same_weights_as_ours() -> None:
    of = case("nvae_flow")
    config = of.told[0]
    other = replace(config, likelihood="dmol")
    published, corrected = convert(of.state, config), convert(of.state, other)
    assert list(published) == list(corrected)
    assert all(torch.equal(published[n], corrected[n]) for n in published)


def test_recomputed_cells_have_the_same_weights() -> None:
    of = case("nvae_flow")
    config = replace(of.told[0], checkpoint=True)
    build(config, (3, 32, 32), 8).load_state_dict(convert(of.state, config), strict=True)


def test_files_older_than_an_argument() -> None:
    of = case("nvae_binary")
    since = ("ada_groups", "min_groups_per_scale", "num_mixture_dec", "num_x_bits")
    assert infer(of.state, {k: v for k, v in of.args.items() if k not in since}) == infer(of.state, of.args)


def test_second_names_of_plain_layers() -> None:
    of = case("nvae_flow")
    name = next(n for n in of.state if n.endswith("conv.3.weight"))
    alias = name.removesuffix("weight") + "weight_normalized"
    twice = {**of.state, alias: of.state[name]}
    assert infer(twice, of.args) == infer(of.state, of.args)
    assert list(convert(twice, of.told[0])) == list(convert(of.state, of.told[0]))
    with pytest.raises(HvaeError, match="hold .*weight_normalized but no"):
        infer({n: v for n, v in twice.items() if n != name}, of.args)


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {n: v for n, v in state.items() if n != name}


@pytest.mark.parametrize(
    ("change", "args", "line"),
    [
        (lambda s: without(s, "stem.bias"), {}, r"1 missing \(stem.bias\)"),
        (lambda s: {**s, "query.0": torch.zeros(1)}, {}, r"1 unknown \(query.0\)"),
        (lambda s: {**s, "stem.bias": torch.zeros(5)}, {}, r"stem.bias has shape \(5,\), the model wants \(4,\)"),
        (lambda s: s, {"num_nf": 0}, "unknown .*nf_cells"),
        (lambda s: s, {"num_channels_enc": 8}, "has shape"),
        (lambda s: s, {"arch_instance": "res_elu"}, "not part of hvae"),
        (lambda s: s, {"dataset": "stacked_mnist"}, "not part of hvae"),
        (lambda s: s, {"num_postprocess_cells": 3}, "num_postprocess_cells"),
        (lambda s: s, {"num_nf": "one"}, "expected a whole number for the argument num_nf"),
    ],
)
def test_faults_are_one_line(change: Any, args: dict[str, Any], line: str) -> None:
    of = case("nvae_flow")
    with pytest.raises(HvaeError, match=line) as fault:
        infer(change(of.state), {**of.args, **args})
    assert "\n" not in str(fault.value)


def test_missing_arguments() -> None:
    of = case("nvae_flow")
    with pytest.raises(HvaeError, match="found none named num_nf"):
        infer(of.state, without(of.args, "num_nf"))


def test_weights_that_are_not_finite() -> None:
    of = case("nvae_flow")
    with pytest.raises(HvaeError, match="stem.bias holds values that are not finite"):
        convert({**of.state, "stem.bias": torch.full((4,), torch.nan)}, of.told[0])


@pytest.mark.parametrize("config", [nvae.MNIST, replace(nvae.FACES256, groups=(2, 1, 1))])
def test_every_tensor_has_a_name(config: NVAEConfig) -> None:
    channels = 1 if config.likelihood == "bernoulli" else 3
    with torch.device("meta"):
        state = build(config, (channels, 32, 32), 1 if channels == 1 else 8).state_dict()
    ours = [n for n in state if not n.startswith("spectral.")]
    table = names(config)
    assert sorted(table.values()) == sorted(ours)
