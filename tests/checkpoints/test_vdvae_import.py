"""Published VDVAE weights: recognised by their shapes, converted whole, refused in one line where anything is off."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from published_vdvae import CONFIG, TOLD, theirs
from torch import Tensor

from hvae.checkpoints.vdvae import convert, infer, published_shapes
from hvae.config.vdvae import PUBLISHED, VDVAEConfig
from hvae.errors import HvaeError
from hvae.zoo import build

State = dict[str, Tensor]


def hollow(config: VDVAEConfig) -> State:
    """Weights of a size that have shapes and no storage."""
    return {name: torch.empty(shape, device="meta") for name, shape in published_shapes(config).items()}


def without(state: State, *names: str) -> State:
    return {name: value for name, value in state.items() if name not in names}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_are_recognised(name: str) -> None:
    config, shape, bits = infer(hollow(PUBLISHED[name]))
    side = PUBLISHED[name].resolutions[0]
    assert (config, shape, bits) == (PUBLISHED[name], (3, side, side), 8)


def test_the_tensors_of_a_published_file_add_up() -> None:
    sizes = {name: sum(t.numel() for t in hollow(config).values()) for name, config in PUBLISHED.items()}
    assert sizes == {
        "cifar10": 39_145_700,
        "imagenet32": 119_280_868,
        "imagenet64": 125_005_860,
        "ffhq256": 114_874_852,
        "ffhq1024": 109_366_904,
    }


def test_other_sizes_are_measured_when_the_strings_are_told() -> None:
    assert infer(theirs(), TOLD) == (CONFIG, (3, 32, 32), 8)
    odd = replace(
        CONFIG, custom_widths="4:24,1:40", bottleneck=0.25, no_bias_above=4, latent=5, mixtures=2, likelihood="dmol"
    )
    assert infer(hollow(odd), TOLD)[0] == odd


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, checkpoint=True)], ids=["plain", "recomputed"])
def test_converted_weights_are_those_of_the_model(config: VDVAEConfig) -> None:
    model = build(config, (3, 32, 32))
    converted = convert(theirs(), config)
    assert list(converted) == list(model.state_dict())
    model.load_state_dict(converted, strict=True)
    assert sum(t.numel() for t in converted.values()) == sum(t.numel() for t in theirs().values())
    assert sum(t.double().sum() for t in converted.values()) == pytest.approx(
        sum(t.double().sum() for t in theirs().values())
    )


def test_the_data_parallel_form_is_the_same() -> None:
    wrapped = {f"module.{name}": value for name, value in theirs().items()}
    assert infer(wrapped, TOLD) == infer(theirs(), TOLD)
    expected = convert(theirs(), CONFIG)
    assert all(torch.equal(value, expected[name]) for name, value in convert(wrapped, CONFIG).items())


def test_nothing_of_the_state_is_changed() -> None:
    state = theirs()
    before = {name: value.clone() for name, value in state.items()}
    convert(state, CONFIG)
    assert all(torch.equal(state[name], value) for name, value in before.items())


def test_an_unpublished_size_needs_its_strings() -> None:
    line = (
        "the weights hold 9 encoder and 9 decoder blocks around 16 channels, .*no published size .*tell model.encoder"
    )
    with pytest.raises(HvaeError, match=line):
        infer(theirs())


@pytest.mark.parametrize(
    ("lost", "line"),
    [
        ("decoder.gain", "expected weights of openai/vdvae, found 1392 tensors without decoder.gain"),
        ("decoder.dec_blocks.7.z_proj.bias", "openai/vdvae: 1 missing .decoder.dec_blocks.7.z_proj.bias"),
        ("decoder.bias_xs.2", "openai/vdvae: 1 missing .decoder.bias_xs.2"),
    ],
)
def test_a_published_file_with_something_missing(lost: str, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        infer(without(hollow(PUBLISHED["cifar10"]), lost))


def test_surplus_and_misshapen_tensors() -> None:
    state = hollow(PUBLISHED["cifar10"])
    with pytest.raises(HvaeError, match="openai/vdvae: 1 .+decoder.extra"):
        infer({**state, "decoder.extra": torch.zeros(1)})
    wrong = torch.empty(7, device="meta")
    with pytest.raises(HvaeError, match=r"out_conv.bias has shape \(7,\), the model wants \(100,\)"):
        infer({**state, "decoder.out_net.out_conv.bias": wrong})
    for fault in (without(theirs(), "decoder.bias"), {**theirs(), "extra": torch.zeros(1)}):
        with pytest.raises(
            HvaeError, match="the weights of openai/vdvae does not fit its model: 1 .+(decoder.bias|extra)"
        ):
            convert(fault, CONFIG)


def test_values_that_are_not_finite() -> None:
    state = theirs()
    state["decoder.gain"] = state["decoder.gain"].clone().fill_(float("nan"))
    with pytest.raises(HvaeError, match="decoder.gain holds values that are not finite"):
        convert(state, CONFIG)


def test_weights_of_another_model() -> None:
    with pytest.raises(HvaeError, match="expected weights of openai/vdvae, found 2 tensors without decoder.gain"):
        infer({"stem.weight": torch.zeros(3), "stem.bias": torch.zeros(3)})
    with pytest.raises(HvaeError, match="expected weights of openai/vdvae, found 0 tensors without"):
        infer({})
    with pytest.raises(HvaeError, match="where decoder.gain has 4 axes; found shape"):
        infer({"decoder.gain": torch.zeros(3)})


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"encoder": "32x2,32d2,16d2,8x1,8d2,4x1,4d4,1x2"}, "tell .10, 9. blocks, the weights hold .9, 9."),
        (
            {"decoder": "1x1,4m1,8m4,8x1,16m8,16x2,32m16,32x1"},
            None,  # the same shapes: nothing in the weights says which of the two it is
        ),
        ({"decoder": "1x2,4m1,8m4,8x1,16m8,16x1,32m16,32x1"}, r"dec_blocks.1.enc.c2.weight has shape \(8, 8, 3, 3\)"),
        ({"likelihood": "bernoulli"}, "expected model.likelihood dmol for weights of openai/vdvae, got bernoulli"),
    ],
)
def test_strings_that_do_not_fit(told: dict[str, str], line: str | None) -> None:
    like = replace(TOLD, **told)
    if line is None:
        assert infer(theirs(), like)[0].decoder == like.decoder
        return
    with pytest.raises(HvaeError, match=line):
        infer(theirs(), like)


def test_weights_cut_short() -> None:
    state = without(theirs(), *(name for name in theirs() if name.startswith("decoder.dec_blocks.4.")))
    with pytest.raises(HvaeError, match="the weights hold decoder.dec_blocks.8 but not decoder.dec_blocks.4"):
        infer(state, TOLD)
