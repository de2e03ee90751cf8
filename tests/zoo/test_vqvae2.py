"""VQ-VAE-2: the recorded case of rosinality/vq-vae-2-pytorch, hierarchies, and the top alone."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hvae.config.vqvae import VQVAE2Config
from hvae.datum import Datum
from hvae.distributions.codebook import codes_at
from hvae.draw import given, mode, posterior, prior
from hvae.explore import from_top, reconstruct
from hvae.models import Coded
from hvae.walk import names, run
from hvae.zoo import build

CASE = Path(__file__).parents[3] / "shared/parity/next/vqvae2/vqvae2.npz"
PARTS = {  # what the released code calls the parts of ours
    "bottom_up.blocks.z1.2": "enc_b.blocks",
    "bottom_up.blocks.z2": "enc_t.blocks",
    "levels.z2.read.network.0": "quantize_conv_t",
    "levels.z1.read.above": "dec_t.blocks",
    "levels.z1.read.network.0": "quantize_conv_b",
    "levels.z1.absorb.enlarge.0": "upsample_t",
    "leave.0": "dec.blocks",
}
BOOKS = {"z2": "top", "z1": "bottom"}
BUFFERS = {"codes": "embed", "count": "cluster_size", "total": "embed_avg"}


def theirs(name: str) -> str:
    part = next(part for part in PARTS if name.startswith(f"{part}."))
    rest = name.removeprefix(part).replace(".first.", ".conv.1.").replace(".last.", ".conv.3.")
    return PARTS[part] + rest


@pytest.fixture(scope="module")
def case() -> dict[str, Tensor]:
    if not CASE.is_file():
        pytest.skip("the recorded case of rosinality/vq-vae-2-pytorch ef5f67c4 is not here")
    return {name: torch.as_tensor(array) for name, array in np.load(CASE).items()}


@pytest.fixture
def model(case: dict[str, Tensor]) -> Coded:
    """Its weights, in double precision; sigma such that -log p(x | z) is their mean squared error times the values."""
    config = VQVAE2Config(
        codes=12, dims=6, width=16, hidden=8, blocks=2, strides=(4, 2), codebook="released", sigma=math.sqrt(1 / 8)
    )
    model = build(config, (3, 32, 32)).double()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(case[f"param/{theirs(name)}"])
        for level, letter in (("z2", "t"), ("z1", "b")):
            for own, other in BUFFERS.items():
                recorded = case[f"param/quantize_{letter}.{other}"]
                getattr(model.levels[level].book, own).copy_(recorded.t() if recorded.ndim == 2 else recorded)
    return model.eval()


def in_unit(x: Tensor) -> Tensor:
    """Their data lie around [-1, 1], ours in [0, 1]."""
    return (x + 1) / 2


def loss_of(model: Coded, x: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Mean squared error and 0.25 times the latent loss, in their unit, and what the walk has chosen."""
    trace = model(in_unit(x), check=False)
    values = x[0].numel()
    constant = values * 0.5 * math.log(2 * math.pi / 8)
    error = -trace.log_likelihood() - constant
    found = {f"code_{BOOKS[r.name]}": r.q.index for r in trace.latents}
    found |= {f"quant_{BOOKS[r.name]}": r.value for r in trace.latents}
    found |= {f"diff_{BOOKS[r.name]}": r.q.penalty().sum() / len(x) / values / 0.25 for r in trace.latents}
    return error.mean() / values, trace.penalty().mean() / values, {**found, "recon": 2 * trace["x"].p.mean() - 1}


def check(found: dict[str, Tensor], mse: Tensor, penalty: Tensor, case: dict[str, Tensor], at: str) -> None:
    for name, value in found.items():
        if name.startswith("code"):
            assert torch.equal(value, case[f"{at}/{name}"]), name
        else:
            torch.testing.assert_close(value, case[f"{at}/{name}"], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(mse, case[f"{at}/mse"], rtol=1e-9, atol=0)
    torch.testing.assert_close(mse + penalty, case[f"{at}/loss"], rtol=1e-9, atol=0)


def test_evaluation(model: Coded, case: dict[str, Tensor]) -> None:
    mse, penalty, found = loss_of(model, case["x"])
    check(found, mse, penalty, case, "eval")


def test_decoding_from_codes_alone(model: Coded, case: dict[str, Tensor]) -> None:
    values = {
        name: codes_at(model.levels[name].book.codes, case[f"eval/code_{level}"]) for name, level in BOOKS.items()
    }
    trace = run(model, given(values, mode), n=len(case["x"]))
    torch.testing.assert_close(2 * trace["x"].p.mean() - 1, case["eval/decode_code"], rtol=1e-9, atol=1e-9)


def test_three_steps_with_every_buffer_after_each(model: Coded, case: dict[str, Tensor]) -> None:
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-4)
    model.train()
    for s in range(3):
        optimiser.zero_grad()
        model.before_step()
        mse, penalty, found = loss_of(model, case[f"train/{s}/x"])
        (mse + penalty).backward()
        check(found, mse.detach(), penalty.detach(), case, f"train/{s}")
        for name, weight in model.named_parameters() if s == 0 else ():
            torch.testing.assert_close(weight.grad, case[f"train/0/grad/{theirs(name)}"], rtol=1e-9, atol=1e-12)
        optimiser.step()
        model.after_step()
        for level, place in BOOKS.items():
            for own, other in BUFFERS.items():
                buffer, recorded = getattr(model.levels[level].book, own), case[f"train/{s}/after/{place}/{other}"]
                wanted = recorded.t() if recorded.ndim == 2 else recorded
                torch.testing.assert_close(buffer, wanted, rtol=1e-9, atol=1e-9)
    mse, penalty, found = loss_of(model.eval(), case["x"])
    check(found, mse, penalty, case, "eval_after3")


TINY = {"dims": 2, "width": 6, "hidden": 3, "blocks": 1}


def tiny(strides: tuple[int, ...], codes: int = 7, shape: tuple[int, ...] = (1, 8, 8), **changed: object) -> Coded:
    torch.manual_seed(0)
    config = VQVAE2Config(codes=codes, strides=strides, **{**TINY, **changed})
    return build(config, shape, bits=1).double().eval()


@pytest.mark.parametrize("strides", [(4,), (4, 2), (2, 2, 2), (1, 4, 1)])
def test_levels_come_from_the_coarsest_down(strides: tuple[int, ...]) -> None:
    model = tiny(strides)
    trace = model(torch.rand(2, 1, 8, 8))
    scales = list(itertools.accumulate(strides, lambda a, b: a * b))
    assert names(model) == [f"z{l}" for l in range(len(strides), 0, -1)]
    for l, scale in enumerate(scales, 1):
        assert trace[f"z{l}"].value.shape == (2, 2, 8 // scale, 8 // scale)
        assert trace.rates()[f"z{l}"].tolist() == pytest.approx([(8 // scale) ** 2 * math.log(7)] * 2, rel=1e-12)


def test_each_finer_level_reads_the_coarser_ones() -> None:
    """Other codes at the top move the encoder output of the bottom, and with it the distance to its codes."""
    model, x = tiny((2, 2)), torch.rand(3, 1, 8, 8, dtype=torch.float64)
    model.prepare(Datum(x))  # codes that tell these data apart
    evidence = model.evidence(x)
    first = run(model, posterior, evidence)
    other = run(model, given({"z2": first["z2"].value.roll(1, 0)}), evidence)
    assert (first["z1"].q.penalty().sum((1, 2, 3)) != other["z1"].q.penalty().sum((1, 2, 3))).all()


def test_all_codes_of_a_hierarchy_and_all_data_sum_to_one() -> None:
    """One code at the top, four at the bottom, three of each: 3^5 maps, times every binary picture of 2 x 2."""
    model = tiny((1, 2), codes=3, shape=(1, 2, 2), likelihood="bernoulli")
    books = [model.levels[name].book.codes for name in ("z2", "z1")]
    top = torch.tensor(list(itertools.product(range(3), repeat=1))).view(-1, 1, 1)
    bottom = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    pairs = torch.cartesian_prod(torch.arange(len(top)), torch.arange(len(bottom)))
    values = {"z2": codes_at(books[0], top[pairs[:, 0]]), "z1": codes_at(books[1], bottom[pairs[:, 1]])}
    pictures = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64).view(-1, 1, 2, 2)
    total = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for picture in pictures:
            x = picture.expand(len(pairs), -1, -1, -1)
            trace = run(model, given({**values, "x": x}), n=len(pairs))
            total += (
                sum(r.law.log_prob(r.value).flatten(1).sum(1) for r in trace.latents)
                .exp()
                .mul(trace["x"].law.log_prob(x).flatten(1).sum(1).exp())
                .sum()
            )
    torch.testing.assert_close(total, torch.ones((), dtype=torch.float64), atol=1e-12, rtol=0)


def test_the_top_alone_shows_a_picture() -> None:
    """Through the draws that every model has: the rest at the mode, one code everywhere, or drawn."""
    model, x = tiny((2, 2)), torch.rand(3, 1, 8, 8, dtype=torch.float64)
    model.prepare(Datum(x))  # codes that tell these data apart
    rows = from_top(model, x, rest=mode)
    assert rows.shape == (3, 3, 1, 8, 8)
    assert torch.equal(rows[0], rows[0][:1].expand(3, -1, -1, -1)), "nothing is known"
    assert not torch.equal(rows[1][0], rows[1][1])
    assert torch.equal(rows[2], reconstruct(model, x))
    assert torch.equal(from_top(model, x, rest=prior(0.0)), rows), "temperature 0 is the mode"
