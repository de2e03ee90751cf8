"""Residual and multi-scale codes, drawn codes, and all codes of a map at once: sums, gradients, bounds, files."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from zoo.test_vqvae import fitted, shades

from hvae.coding import LossyCodec, Picture, opened
from hvae.config.vqvae import RQVAEConfig, VQVAEConfig
from hvae.datum import Datum
from hvae.distributions import divergence
from hvae.distributions.codebook import ChosenCodes, UniformCodes, codes_at
from hvae.distributions.independent import IndependentCodes
from hvae.distributions.ranked import Among
from hvae.draw import given, mode, posterior, prior
from hvae.errors import HvaeError
from hvae.explore import sample
from hvae.metrics.codebook import codebook
from hvae.models import Coded
from hvae.walk import names, run
from hvae.zoo import build

TINY = {"codes": 5, "dims": 3, "width": 8, "hidden": 4, "blocks": 1, "prior_width": 8, "prior_layers": 1}
ATTENDING = {"network": "transformer", "heads": 2}
DOUBLING = {"scales": "doubling", "prior": "parallel", "prior_heads": 2}


def tiny(shape: tuple[int, ...] = (1, 8, 8), bits: int = 1, **changed: object) -> Coded:
    torch.manual_seed(0)
    model = build(RQVAEConfig(**{**TINY, "stride": 2, "depth": 3, **changed}), shape, bits)
    for name, weights in model.named_parameters():
        if ".prior." in name:  # away from the uniform prior that it starts as
            torch.nn.init.normal_(weights, std=0.5)
    return model.double().eval()


def all_maps(model: Coded, places: dict[str, tuple[int, int]]) -> dict[str, torch.Tensor]:
    """Values of every combination of codes at every level, {name: (N, D, h, w)}."""
    books = {name: level.book.codes for name, level in model.levels.items()}
    counts = {name: h * w for name, (h, w) in places.items()}
    every = torch.tensor(list(itertools.product(range(len(books["z1"])), repeat=sum(counts.values()))))
    parts = dict(zip(counts, every.split(list(counts.values()), 1), strict=True))
    return {name: codes_at(books[name], part.view(-1, *places[name])) for name, part in parts.items()}


@pytest.mark.parametrize(
    ("places", "changed"),
    [
        ({"z3": (1, 2), "z2": (1, 2), "z1": (1, 2)}, {"prior": "uniform"}),
        ({"z3": (1, 2), "z2": (1, 2), "z1": (1, 2)}, {"prior": "transformer", "prior_heads": 2}),
        ({"z2": (1, 1), "z1": (1, 2)}, {**DOUBLING, "depth": 2}),
        ({"z2": (1, 1), "z1": (2, 2)}, {**DOUBLING, "depth": 2}),
    ],
)
def test_all_codes_and_all_data_sum_to_one(places: dict[str, tuple[int, int]], changed: dict[str, object]) -> None:
    shape = (1, *places["z1"])
    model = tiny(shape, codes=3, stride=1, likelihood="bernoulli", **changed)
    values, total = all_maps(model, places), torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for bits in itertools.product([0.0, 1.0], repeat=math.prod(shape)):
            x = torch.tensor(bits, dtype=torch.float64).view(1, *shape).expand(len(values["z1"]), -1, -1, -1)
            trace = run(model, given({**values, "x": x}), n=len(x))
            total += sum(r.law.log_prob(r.value).flatten(1).sum(1) for r in trace.records.values()).exp().sum()
    torch.testing.assert_close(total, torch.ones((), dtype=torch.float64), atol=1e-12, rtol=0)


def test_each_level_codes_what_is_left() -> None:
    model, x = tiny(), torch.rand(4, 1, 8, 8, dtype=torch.float64)
    model.prepare(Datum(x))
    trace, left = model(x), model.bottom_up(x)["z1"]
    for name in names(model):
        book = model.levels[name].book
        index = (left[:, :, None] - book.codes.t()[None, :, :, None, None]).square().sum(1).argmin(1)
        assert torch.equal(trace[name].q.index, index)
        left = left - codes_at(book.codes, index)


def test_the_gradient_of_the_encoder_passes_once_and_each_commitment_pulls() -> None:
    model, x = tiny(commitment=0.25), torch.rand(4, 1, 8, 8, dtype=torch.float64)
    evidence = model.evidence(x)
    z = evidence.feature("z1").detach().requires_grad_()
    evidence.features.update({name: z for name in names(model)})
    trace = run(model, posterior, evidence)
    total = sum(r.value for r in trace.latents)
    torch.testing.assert_close(torch.autograd.grad(total.sum(), z, retain_graph=True)[0], torch.ones_like(z))
    parts = [total.new_zeros(()), *itertools.accumulate(r.value.detach() for r in trace.latents)][1:]
    numbers = z[0].numel()
    wanted = sum(0.25 * 64 * 2 * (z.detach() - part) / numbers for part in parts)
    torch.testing.assert_close(torch.autograd.grad(trace.penalty().sum(), z)[0], wanted)


def test_doubling_maps() -> None:
    model = tiny((3, 28, 20), stride=4, **DOUBLING)
    trace = run(model, prior(), n=2)
    assert {r.name: tuple(r.value.shape[2:]) for r in trace.latents} == {"z3": (2, 2), "z2": (4, 3), "z1": (7, 5)}


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"unit": True}, "whose remainders have every length"),
        ({"codebook": "lattice", "levels": (3, 3)}, "another than lattice for rqvae"),
        ({"depth": 0}, "model.depth: expected at least 1"),
        ({"scales": "doubling", "depth": 9}, r"model.depth: expected at most 3 doubling scales up to \(4, 4\) places"),
    ],
)
def test_impossible_depths_are_one_line(changed: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        tiny(**changed)


def test_divergences_of_independent_codes_by_enumeration() -> None:
    torch.manual_seed(0)
    book = torch.randn(4, 2).double()
    q, p = (IndependentCodes(book, torch.randn(3, 4, 2, 1).double(), lambda v: v.long()[:, 0]) for _ in range(2))
    every = torch.arange(4).view(4, 1, 1, 1).expand(4, 3, 2, 1)
    log_q, log_p = (torch.stack([law.log_mass(k) for k in every]) for law in (q, p))
    nats, how = divergence(q, p, q.sample())
    assert how == "analytic"
    torch.testing.assert_close(nats, (log_q.exp() * (log_q - log_p)).sum(0))
    torch.testing.assert_close(
        divergence(q, UniformCodes(book, (3, 2, 1)), q.sample())[0], (log_q.exp() * (log_q + math.log(4))).sum(0)
    )
    sure = ChosenCodes(book, every[2])
    torch.testing.assert_close(divergence(sure, p, sure.sample())[0], -log_p[2])
    assert torch.equal(q.tempered(0.0).mode(), q.mode())
    some = q.narrowed(Among(k=2))
    assert int(some.log_share.isfinite().sum()) == 2 * 6
    assert float(some.log_share.exp().sum()) == pytest.approx(6)


def test_gradients_of_the_rate_stay_finite_where_probabilities_underflow() -> None:
    logits = torch.tensor([0.0, -300.0, 3.0]).view(1, 3, 1).requires_grad_()
    q = IndependentCodes(torch.zeros(3, 1), logits, lambda v: v[:, 0].long())
    divergence(q, UniformCodes(torch.zeros(3, 1), (1, 1)), q.sample())[0].sum().backward()
    assert bool(logits.grad.isfinite().all()) and bool(logits.grad.any())


def test_draws_are_as_frequent_as_probable_and_are_codes() -> None:
    torch.manual_seed(0)
    book = torch.tensor([[0.0], [1.0], [5.0]]).double()
    logits = torch.tensor([0.0, 1.0, -1.0]).double().view(1, 3, 1).expand(1, 3, 40_000)
    value = IndependentCodes(book, logits, lambda v: v[:, 0].long(), relaxation=0.5).sample()
    share = torch.stack([(value == code).double().mean() for code in book[:, 0]])
    torch.testing.assert_close(share, logits[0, :, 0].softmax(0), atol=5 * 0.5 / 200, rtol=0)


def test_the_bound_of_drawn_codes_is_that_of_the_enumeration() -> None:
    """One position, three codes: E_q log p(x | k) - KL(q || p) and log p(x) by sums over codes."""
    torch.manual_seed(0)
    config = VQVAEConfig(**{**TINY, "codes": 3}, stride=2, codebook="stochastic", likelihood="bernoulli")
    model = build(config, (1, 2, 2), 1).double().eval()
    x = torch.bernoulli(torch.full((4, 1, 2, 2), 0.5)).double()
    with torch.no_grad():
        model.levels["z1"].quantiser.log_scale.fill_(1.0)  # wide, so that each code is drawn often
        evidence = model.evidence(x)
        q = run(model, posterior, evidence)["z1"].q
        assert isinstance(q, IndependentCodes)
        likelihood = []
        for k in range(3):
            z = codes_at(q.book, torch.full((4, 1, 1), k))
            likelihood.append(run(model, given({"z1": z}, mode), evidence).log_likelihood())
        log_p, share = torch.stack(likelihood), q.log_share[:, :, 0, 0].exp().t()
        bound = (share * (log_p - share.log() - math.log(3))).sum(0)
        exact = torch.logsumexp(log_p, 0) - math.log(3)
        drawn = run(model, posterior, evidence.repeat(4000)).elbo().view(4, 4000)
        weights = run(model, posterior, evidence.repeat(4000)).log_weight().view(4, 4000)
    assert (bound < exact + 1e-12).all()
    torch.testing.assert_close(drawn.mean(1), bound, atol=0.02, rtol=0)
    torch.testing.assert_close(weights.logsumexp(1) - math.log(4000), exact, atol=0.05, rtol=0)
    assert not model(x).penalty().any(), "no commitment"


@pytest.mark.parametrize("codebook", ["averages", "gradient", "stochastic"])
def test_one_codebook_for_all_levels(codebook: str) -> None:
    """It is stored once, starts at whole vectors, moves once a step, and by the vectors of every level."""
    model, x = tiny(shared=True, codebook=codebook), torch.rand(8, 1, 8, 8, dtype=torch.float64)
    owner = model.levels["z3"].book
    assert [name for name in model.state_dict() if name.endswith("codes")] == ["levels.z3.book.codes"]
    assert all(level.book.codes is owner.codes for level in model.levels.values())
    model.prepare(Datum(x))
    if codebook != "stochastic":
        vectors = model.bottom_up(x)["z1"].movedim(1, -1).reshape(-1, 3)
        assert bool(torch.cdist(owner.codes.detach(), vectors.detach()).amin(1).lt(1e-6).all())
    before = owner.codes.detach().clone()
    model.train().before_step()
    trace = model(x)
    (trace.penalty() - trace.elbo()).sum().backward()
    if codebook == "averages":
        counts = sum(torch.bincount(trace[name].q.index.flatten(), minlength=5) for name in names(model))
        model.after_step()
        torch.testing.assert_close(owner.count, 0.01 * counts.double())
        assert owner.steps == 1 and not torch.equal(before, owner.codes)
    else:
        assert owner.codes.grad.abs().sum() > 0


def test_one_codebook_saves_and_loads_as_one() -> None:
    model, other = tiny(shared=True), tiny(shared=True)
    torch.nn.init.normal_(model.levels["z3"].book.codes)
    other.load_state_dict(model.state_dict())
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    assert torch.equal(model(x)["x"].p.mean(), other(x)["x"].p.mean())
    own = tiny()
    assert sum(t.numel() for t in own.state_dict().values()) - sum(
        t.numel() for t in model.state_dict().values()
    ) == 2 * sum(t.numel() for t in own.levels["z1"].book.state_dict().values())


@pytest.mark.parametrize(
    "changed",
    [{"codebook": "stochastic"}, {}, {**DOUBLING, "depth": 2}, {"shared": True}, ATTENDING],
)
def test_it_learns(changed: dict[str, object], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(RQVAEConfig(**{**TINY, "stride": 4, "depth": 2, "sigma": 0.1, **changed}), (1, 8, 8), 2)
    fitted(model, shades(), tmp_path / "run", lr=1e-2, ema=0.9)
    result = codebook(model, [shades()])
    assert result.mse_over_variance < 0.3
    assert list(result.levels) == ["z2", "z1"] and all(level.perplexity > 1 for level in result.levels.values())


@pytest.mark.parametrize("changed", [{"codebook": "stochastic"}, DOUBLING, {"shared": True}, ATTENDING])
def test_files_and_samples(changed: dict[str, object]) -> None:
    """The most probable codes are sent, at the nats of the prior, and come back."""
    config = RQVAEConfig(**{**TINY, "stride": 2, "depth": 2, **changed})
    torch.manual_seed(0)
    model = build(config, (1, 16, 16), 8).eval()
    levels = np.random.default_rng(0).integers(0, 256, (6, 1, 16, 16), dtype=np.uint8)
    with torch.no_grad():
        model.prepare(Datum(torch.from_numpy(levels) / 255))
    codec = LossyCodec(model, build=lambda shape: build(config, shape, 8), bits=8)
    made = codec.compress([Picture(f"{i}", one, 0) for i, one in enumerate(levels)])
    for seen, shown in zip(made.pictures, codec.decompress(opened(made.content)), strict=True):
        assert np.array_equal(seen.levels, shown.levels)
    bits = 6 * sum(
        model.levels[n].prior(torch.zeros(1, 3, 8, 8), model.levels[n].book).size[-1] ** 2 for n in names(model)
    )
    assert abs(8 * sum(cost.bytes for cost in made.levels) - bits * math.log2(5)) < 0.005 * bits * math.log2(5) + 128
    if config.prior == "parallel":
        assert sample(model, 2, top_k=2).shape == (2, 1, 16, 16)


def test_attention_over_patches_takes_pictures_of_other_sizes() -> None:
    config = VQVAEConfig(**TINY, stride=4, **ATTENDING)
    codec = LossyCodec(build(config, (1, 16, 16), 8), build=lambda shape: build(config, shape, 8), bits=8)
    levels = np.random.default_rng(0).integers(0, 256, (1, 21, 10), dtype=np.uint8)
    made = codec.compress([Picture("odd", levels, 0)])
    [back] = codec.decompress(opened(made.content))
    assert back.levels.shape == (1, 21, 10) and np.array_equal(back.levels, made.pictures[0].levels)
