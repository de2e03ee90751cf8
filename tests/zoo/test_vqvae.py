"""The vector-quantised VAE: what it costs, what pulls at what, how it trains, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from hvae.config.train import TrainConfig
from hvae.config.vqvae import VQVAEConfig
from hvae.data.sources import Source
from hvae.draw import given, mode, prior
from hvae.errors import HvaeError
from hvae.models import Coded
from hvae.objectives import ELBO
from hvae.training import fit
from hvae.walk import run
from hvae.zoo import build

TINY = {"codes": 12, "dims": 4, "width": 8, "hidden": 4, "blocks": 1}


def tiny(shape: tuple[int, ...] = (3, 8, 8), **changed: object) -> Coded:
    torch.manual_seed(0)
    return build(VQVAEConfig(**{**TINY, **changed}), shape).double()


def shades(n: int = 64) -> torch.Tensor:
    """Pictures (n, 1, 8, 8) of four squares of one grey value each."""
    torch.manual_seed(1)
    return torch.randint(0, 4, (n, 1, 2, 2)).repeat_interleave(4, 2).repeat_interleave(4, 3) / 3


@pytest.mark.parametrize("network", ["conv", "transformer"])
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 28, 28), (2, 5, 9), (1, 1, 1)])
def test_a_code_costs_log_k_at_every_size(stride: int, shape: tuple[int, int, int], network: str) -> None:
    model = tiny(shape, stride=stride, network=network)
    trace = model(torch.rand(2, *shape))
    places = math.prod(-(-side // stride) for side in shape[1:])
    assert trace["z1"].q.index.shape == (2, *(-(-side // stride) for side in shape[1:]))
    assert trace.rates()["z1"].tolist() == pytest.approx([places * math.log(12)] * 2, rel=1e-12)
    assert trace["x"].p.mean().shape == (2, *shape)


def test_the_loss_is_that_of_the_paper() -> None:
    """Squared error over 2 sigma^2, and both squares of eq. (3) as means times the values of a datum."""
    model, x = tiny(codebook="gradient", commitment=0.4), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    trace, level = model(x), model.levels["z1"]
    z = level.read.network(model.bottom_up(x)["z1"])
    code = level.book.codes[trace["z1"].q.index].movedim(-1, 1)
    square = (z - code).square().flatten(1).mean(1)
    torch.testing.assert_close(trace.penalty(), 1.4 * square * x[0].numel())
    error = (trace["x"].p.mean() - x).square().flatten(1).sum(1)
    sigma = VQVAEConfig().sigma
    constant = x[0].numel() * math.log(sigma * math.sqrt(2 * math.pi))
    torch.testing.assert_close(-trace.log_likelihood(), error / (2 * sigma**2) + constant)


def test_each_side_is_pulled_by_its_own_square() -> None:
    model, x = tiny(codebook="gradient", commitment=0.25), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    book, read = model.levels["z1"].book, model.levels["z1"].read.network[0]
    model(x).log_likelihood().sum().backward()
    assert book.codes.grad is None, "the reconstruction moves no code"
    assert read.weight.grad.abs().max() > 0, "and passes straight to the encoder"
    model.zero_grad()
    model(x).penalty().sum().backward()
    assert book.codes.grad.abs().max() > 0
    assert read.weight.grad.abs().max() > 0


def test_values_handed_to_the_decoder_are_codes() -> None:
    model = tiny()
    trace = model(torch.rand(2, 3, 8, 8))
    z = trace["z1"].value.detach()
    assert torch.equal(model.levels["z1"].book.search(z), trace["z1"].q.index)
    again = run(model, given({"z1": z}, mode), n=2)
    assert torch.equal(again["x"].p.mean(), trace["x"].p.mean()), "codes alone give the reconstruction"


def fitted(model: Coded, x: Source, folder: Path, **settings: object) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []

    def kept(step: int, terms: dict[str, torch.Tensor]) -> None:
        rows.append({name: float(term) for name, term in terms.items()})

    config = TrainConfig(**{"steps": 150, "batch": 16, "lr": 3e-3, "warmup": 5, "valid_every": 0, **settings})
    fit(model, ELBO(), x, config, folder, on_step=kept)
    return rows


@pytest.mark.parametrize(
    ("codebook", "network"),
    [("averages", "conv"), ("gradient", "conv"), ("lattice", "conv"), ("averages", "transformer")],
)
def test_it_learns_with_every_codebook(codebook: str, network: str, tmp_path: Path) -> None:
    levels = (4, 3) if codebook == "lattice" else ()
    model = tiny((1, 8, 8), codebook=codebook, levels=levels, network=network).float()
    rows = fitted(model, shades(), tmp_path / "run", lr=1e-2, ema=0.9)
    with torch.no_grad():
        error = (model(shades())["x"].p.mean() - shades()).square().mean() / shades().var()
    assert error < 0.3
    assert ("perplexity/z1" in rows[-1]) == (codebook == "averages"), "the use of codes is logged"


def test_a_run_in_micro_batches_moves_codes_as_a_whole_one_does(tmp_path: Path) -> None:
    """The start sees a micro-batch, so both runs begin from the same weights."""
    whole, parts = (tiny((1, 8, 8), stride=4).float() for _ in range(2))
    fitted(whole, shades(), tmp_path / "start", steps=1)
    parts.load_state_dict(whole.state_dict())
    for model, count in ((whole, 1), (parts, 4)):
        model.prepare = lambda datum: None  # type: ignore[method-assign]
        fitted(model, shades(), tmp_path / f"run{count}", steps=3, accumulate=count, ema=0.0)
    torch.testing.assert_close(whole.levels["z1"].book.codes, parts.levels["z1"].book.codes, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("codebook", ["averages", "gradient"])
def test_what_is_frozen_keeps_its_codes(codebook: str, tmp_path: Path) -> None:
    model = tiny((1, 8, 8), codebook=codebook, unit=True).float()
    fitted(model, shades(), tmp_path / "first", steps=20)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    init = str(tmp_path / "first")
    fitted(model, shades(), tmp_path / "second", steps=20, init=init, only=("leave",))
    changed = {name for name, t in before.items() if not torch.equal(t, model.state_dict()[name])}
    assert changed
    assert all(name.startswith("leave") for name in changed)


@pytest.mark.parametrize("codebook", ["averages", "gradient"])
def test_unit_codes_stay_on_the_sphere(codebook: str, tmp_path: Path) -> None:
    model = tiny((1, 8, 8), codebook=codebook, unit=True).float()
    fitted(model, shades(), tmp_path / "run", steps=5, ema=0.0)
    torch.testing.assert_close(model.levels["z1"].book.codes.norm(dim=1), torch.ones(12))
    assert torch.allclose(model(shades())["z1"].value.norm(dim=1), torch.ones(1))


def test_samples_are_of_codes() -> None:
    model = tiny()
    assert run(model, prior(), n=3).x.shape == (3, 3, 8, 8)
    cold = run(model, prior(0.0), n=2)["z1"].value
    assert len(cold.movedim(1, -1).reshape(-1, 4).unique(dim=0)) == 1, "at temperature 0 one code everywhere"


def test_a_first_batch_with_too_few_vectors_is_refused(tmp_path: Path) -> None:
    model = tiny((1, 8, 8), codes=65).float()
    with pytest.raises(HvaeError, match=r"65 codes start at vectors of the first batch, which has 64 \(16 data, 4 pos"):
        fitted(model, shades(), tmp_path / "run")
    assert not (tmp_path / "run").exists(), "nothing is left behind"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"codes": 0}, "model.codes: expected at least 1, got 0"),
        ({"dims": 0}, "model.dims: expected at least 1, got 0"),
        ({"levels": (4, 4)}, "expected the levels of a lattice with model.codebook lattice"),
        ({"codebook": "lattice"}, "expected the levels of a lattice with model.codebook lattice"),
        ({"codebook": "lattice", "levels": (4096, 4096, 2)}, "at most 262,144 codes, got 33554432"),
        ({"codebook": "lattice", "levels": (1, 4)}, "expected at least 2, got 1"),
        ({"codebook": "lattice", "levels": (3, 4), "unit": True}, "codes have every length"),
        ({"codebook": "released", "unit": True}, "codes have every length"),
        ({"stride": 3}, "model.stride"),
        ({"decay": 1.0}, "model.decay: expected a decay"),
        ({"network": "vit"}, "model.network"),
        ({"network": "transformer", "width": 10}, "expected a multiple of 4 with a transformer of 4 heads"),
        ({"network": "transformer", "heads": 3}, "model.width: expected a multiple of 12 .* of 3 heads"),
    ],
)
def test_impossible_settings_are_one_line(changed: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        VQVAEConfig(**changed)


def test_vectors_are_refused() -> None:
    with pytest.raises(HvaeError, match="vqvae needs images"):
        build(VQVAEConfig(**TINY), (7,))


def test_one_code_carries_nothing() -> None:
    trace = tiny(codes=1)(torch.rand(2, 3, 8, 8))
    assert torch.equal(trace.rates()["z1"], torch.zeros(2, dtype=torch.float64))


def test_the_published_sizes() -> None:
    model = build(VQVAEConfig(), (3, 32, 32))
    strided = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d) and m.stride == (2, 2)]
    assert [(m.in_channels, m.out_channels) for m in strided] == [(3, 64), (64, 128), (128, 64), (64, 3)]
    assert run(model, prior(), n=1)["z1"].value.shape == (1, 64, 8, 8)
