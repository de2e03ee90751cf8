"""A prior over codes as a second stage: exact sums, cheaper codes, and everything else as it was."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from zoo.test_vqvae import fitted, shades

from hvae.config.condition import ConditionConfig
from hvae.config.model import LadderConfig, LVAEConfig, ModelConfig
from hvae.config.pixels import PixelCNNConfig
from hvae.config.vqvae import RQVAEConfig, VQVAE2Config, VQVAEConfig
from hvae.datum import Datum
from hvae.distributions.codebook import ChosenCodes, codes_at
from hvae.distributions.ranked import Among, AutoregressiveCodes
from hvae.draw import each, given, mode, narrowed, posterior, prior
from hvae.errors import HvaeError
from hvae.explore import from_top, sample
from hvae.metrics import bounds
from hvae.metrics.codebook import codebook
from hvae.models import Coded
from hvae.objectives import ELBO
from hvae.training.loss import Batch, LossStep
from hvae.walk import Evidence, run
from hvae.zoo import build

TINY = {"codes": 6, "dims": 2, "width": 8, "hidden": 4, "blocks": 1, "prior_width": 16, "prior_layers": 1}
PRIORS = ("transformer", "pixelsnail")


def tiny(strides: tuple[int, ...] = (4, 2), shape: tuple[int, ...] = (1, 8, 8), **changed: object) -> Coded:
    torch.manual_seed(0)
    config = VQVAE2Config(strides=strides, **{**TINY, "prior": "transformer", **changed})
    model = build(config, shape, bits=1)
    for level in model.levels.values():
        for weight in level.prior.parameters():  # away from the uniform prior that it starts as
            nn.init.normal_(weight, std=0.5)
    return model.double().eval()


@pytest.mark.parametrize("kind", PRIORS)
def test_all_maps_of_both_levels_sum_to_one(kind: str) -> None:
    """Three codes, one position at the top and four at the bottom: 3^5 maps, the bottom under each top."""
    model = tiny((1, 2), shape=(1, 2, 2), codes=3, prior=kind)
    top = torch.tensor(list(itertools.product(range(3), repeat=1))).view(-1, 1, 1)
    bottom = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    pairs = torch.cartesian_prod(torch.arange(len(top)), torch.arange(len(bottom)))
    books = {name: level.book.codes for name, level in model.levels.items()}
    values = {
        "z2": codes_at(books["z2"], top[pairs[:, 0]]),
        "z1": codes_at(books["z1"], bottom[pairs[:, 1]]),
    }
    with torch.no_grad():
        trace = run(model, given(values, mode), n=len(pairs))
        total = sum(r.law.log_prob(r.value).flatten(1).sum(1) for r in trace.latents).exp()
    torch.testing.assert_close(total.sum(), torch.ones((), dtype=torch.float64), atol=1e-12, rtol=0)
    assert total.max() > 10 * total.min(), "and they are no longer alike"


@pytest.mark.parametrize("kind", PRIORS)
def test_samples_have_the_probability_that_they_are_scored_with(kind: str) -> None:
    model = tiny((1,), shape=(1, 1, 2), codes=3, prior=kind)
    with torch.no_grad():
        trace = run(model, prior(), n=20_000)
        record = trace["z1"]
        index = record.law.maps.search(record.value).flatten(1)
        mass = record.law.log_prob(record.value).flatten(1).sum(1).exp()
    for pair in itertools.product(range(3), repeat=2):
        rows = (index == torch.tensor(pair)).all(1)
        share = float(rows.double().mean())
        wanted = float(mass[rows][0]) if rows.any() else 0.0
        assert share == pytest.approx(wanted, abs=5 * math.sqrt(0.25 / 20_000))


def test_temperature_and_mode() -> None:
    model = tiny()
    torch.manual_seed(1)
    best = run(model, prior(0.0), n=2)["z2"].value
    assert torch.equal(best[0], best[1])
    record = run(model, prior(), n=400)["z2"]
    with torch.no_grad():
        surprise = {
            t: -run(model, each({"z2": prior(t)}, prior()), n=400)["z2"]
            .law.log_prob(run(model, each({"z2": prior(t)}, prior()), n=400)["z2"].value)
            .mean()
            for t in (0.5, 1.0)
        }
    assert surprise[0.5] < surprise[1.0]
    assert isinstance(record.law.tempered(0.0), ChosenCodes)


def test_the_rate_is_what_the_value_costs() -> None:
    """KL by the index that q has chosen, and by the search for the value: the same nats; the weight is their sum."""
    model, x = tiny(), torch.rand(4, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        trace = model(x)
        for record in trace.latents:
            assert isinstance(record.p, AutoregressiveCodes)
            assert record.divergence()[1] == "analytic"
            torch.testing.assert_close(record.rate(), -record.law.log_prob(record.value).flatten(1).sum(1))
        torch.testing.assert_close(trace.log_weight(), trace.elbo())


@pytest.mark.parametrize(("k", "p"), [(2, 1.0), (None, 0.7), (3, 0.5), (1, 1.0)])
def test_top_k_and_top_p_leave_the_improbable_out_and_sum_to_one(k: int | None, p: float) -> None:
    """By enumeration: the codes of the second of two positions given the first, at a temperature."""
    model = tiny((1,), shape=(1, 1, 2), codes=5)
    draw = narrowed({"z1": Among(k, p)}, prior(1.5))
    with torch.no_grad():
        law = run(model, prior(), n=5)["z1"].law.tempered(1.5)
        index = torch.tensor([[[2, code]] for code in range(5)])
        whole, some = law.log_mass(index)[:, 0, 0, 1].exp(), law.narrowed(Among(k, p)).log_mass(index)[:, 0, 0, 1].exp()
        drawn = run(model, draw, n=2_000)["z1"]
        assert bool(drawn.proposal.log_prob(drawn.value).isfinite().all())
    ranked = whole.sort(descending=True).values[: k or 5]
    count = int((ranked.cumsum(0) / ranked.sum() < p - 1e-9).sum()) + 1
    assert int((some > 0).sum()) == count
    chosen = torch.where(some > 0, whole, 0.0)
    torch.testing.assert_close(some, chosen / chosen.sum())
    assert chosen.sum() >= whole.sort(descending=True).values[:count].sum() - 1e-12


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"top_k": 7}, "z2: top-k: expected 1 to 6, the codes of the book, got 7"),
        ({"top_k": {"z1": 0}}, "top-k: expected at least 1, got 0"),
        ({"top_p": 0.0}, "top-p: expected a share above 0 and at most 1, got 0.0"),
        ({"top_p": {"z3": 0.5}}, "no level named 'z3'"),
    ],
)
def test_impossible_choices_of_codes_are_one_line(keys: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        sample(tiny(), 2, **keys)  # type: ignore[arg-type]


def test_choices_of_codes_need_a_trained_prior() -> None:
    with pytest.raises(HvaeError, match="z2: top-k and top-p need a trained prior over its codes, and all 6 are alike"):
        sample(build(VQVAE2Config(strides=(4, 2), **TINY), (1, 8, 8)), 2, top_k=3)
    with pytest.raises(HvaeError, match="z2: top-k and top-p are for levels of codes"):
        sample(build(LVAEConfig(latents=(2, 2), widths=(4, 4)), (1, 4, 4), bits=1), 2, top_p=0.5)
    with pytest.raises(HvaeError, match="this model has no latents"):
        sample(build(PixelCNNConfig(width=4), (1, 4, 4), bits=1), 2, top_k=3)


def test_the_most_probable_code_alone_is_the_mode() -> None:
    model = tiny()
    torch.testing.assert_close(sample(model, 3, top_k=1, seed=1), sample(model, 3, temperature=0.0, seed=1))


HEARD = ConditionConfig(kind="class", classes=3, drop=0.2, enters="priors")


@pytest.mark.parametrize("kind", [*PRIORS, "parallel"])
def test_a_class_that_enters_the_priors_changes_nothing_but_what_codes_cost(kind: str) -> None:
    model, x = tiny(prior=kind, condition=HEARD), torch.rand(4, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        under, free = model(Datum(x, {"label": torch.tensor([0, 1, 2, -1])})), model(x)
        torch.testing.assert_close(under["x"].log_likelihood(), free["x"].log_likelihood(), rtol=0, atol=0)
        for name in ("z2", "z1"):
            assert torch.equal(under[name].q.index, free[name].q.index)
            change = under.rates()[name] - free.rates()[name]
            assert change[:3].abs().min() > 1e-6 and abs(float(change[3])) < 1e-9, "an unknown class is none"


@pytest.mark.parametrize("kind", [*PRIORS, "parallel"])
def test_all_maps_sum_to_one_under_every_class(kind: str) -> None:
    model = tiny((1,), shape=(1, 2, 2), codes=3, prior=kind, condition=HEARD)
    maps = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    value = codes_at(model.levels["z1"].book.codes, maps)
    masses = []
    for label in (0, 1, 2, -1):
        evidence = Evidence(len(maps), context={"label": torch.full((len(maps),), label)})
        with torch.no_grad():
            record = run(model, given({"z1": value}, mode), evidence)["z1"]
        masses.append(record.law.log_prob(record.value).flatten(1).sum(1).exp())
    torch.testing.assert_close(torch.stack(masses).sum(1), torch.ones(4, dtype=torch.float64), atol=1e-12, rtol=0)
    assert (masses[0] - masses[1]).abs().max() > 1e-3, "and each class has masses of its own"


@pytest.mark.parametrize("kind", PRIORS)
def test_codes_of_a_class_are_drawn_with_the_probability_that_they_are_scored_with(kind: str) -> None:
    model = tiny((1,), shape=(1, 1, 2), codes=3, prior=kind, condition=HEARD)
    evidence = Evidence(20_000, context={"label": torch.full((20_000,), 1)})
    with torch.no_grad():
        record = run(model, prior(), evidence)["z1"]
        index = record.law.maps.search(record.value).flatten(1)
        mass = record.law.log_prob(record.value).flatten(1).sum(1).exp()
    for pair in itertools.product(range(3), repeat=2):
        rows = (index == torch.tensor(pair)).all(1)
        wanted = float(mass[rows][0]) if rows.any() else 0.0
        assert float(rows.double().mean()) == pytest.approx(wanted, abs=5 * math.sqrt(0.25 / 20_000))


def test_a_class_is_learnt_by_the_prior_of_a_second_stage() -> None:
    """Black pictures of class 0 and white ones of class 1 of a first stage that knows no classes."""
    label = torch.arange(64) % 2
    x = label.float().view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous()
    first = tiny((4,), prior="uniform", codebook="gradient").float()
    first.prepare(Datum(x))
    told = ConditionConfig(kind="class", classes=2, enters="priors")
    second = tiny((4,), codebook="gradient", condition=told).float()
    second.load_state_dict(first.state_dict(), strict=False)
    with torch.no_grad():
        index = second(Datum(x, {"label": label}))["z1"].q.index
    assert not torch.equal(index[0], index[1])
    learner = LossStep(second, ELBO())
    optimiser = torch.optim.Adam([w for n, w in second.named_parameters() if ".prior." in n], lr=1e-2)
    for step in range(60):
        optimiser.zero_grad()
        learner(Batch(Datum(x, {"label": label})), step)[0].backward()
        optimiser.step()
    for kind in (0, 1):
        drawn = run(second, prior(), Evidence(50, context={"label": torch.full((50,), kind)}))["z1"]
        same = drawn.law.maps.search(drawn.value) == index[kind]
        assert float(same.float().mean()) > 0.9


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (VQVAEConfig(condition=HEARD), "expected levels where no prior can hear a condition, got priors"),
        (RQVAEConfig(condition=HEARD), "expected levels where no prior can hear"),
        (LadderConfig(groups=(1, 1), condition=HEARD), "expected levels where no prior can hear"),
        (PixelCNNConfig(width=4, condition=HEARD), "pixelcnn takes no condition"),
        (VQVAE2Config(prior="transformer", condition=ConditionConfig(**{**vars(HEARD), "levels": ("z3",)})), "z3"),
    ],
)
def test_a_condition_needs_a_prior_that_can_hear_it(config: ModelConfig, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        build(config, (1, 8, 8), bits=1)


@pytest.fixture(scope="module", params=PRIORS)
def stages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Coded, Coded]:
    """A model trained with the uniform prior, and the same with its prior trained and nothing else."""
    folder = tmp_path_factory.mktemp("stages")
    config = VQVAE2Config(strides=(4, 2), **TINY)
    torch.manual_seed(0)
    first = build(config, (1, 8, 8), bits=2)
    fitted(first, shades(), folder / "first", lr=1e-2, ema=0.9)
    second = build(VQVAE2Config(strides=(4, 2), **TINY, prior=request.param), (1, 8, 8), bits=2)
    fitted(second, shades(), folder / "second", lr=1e-2, ema=0.9, init=str(folder / "first"), only=("prior",))
    return first, second


def test_the_second_stage_moves_the_prior_alone(stages: tuple[Coded, Coded]) -> None:
    first, second = stages
    before, after = first.state_dict(), second.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {name for name in after if name not in before} == {name for name in after if ".prior." in name}


def test_codes_become_cheaper_than_their_shares_and_pictures_stay(stages: tuple[Coded, Coded]) -> None:
    first, second = stages
    batches = list(shades().split(32))
    uniform, trained = codebook(first, batches), codebook(second, batches)
    assert trained.mse_over_variance == uniform.mse_over_variance
    for name, level in trained.levels.items():
        assert uniform.levels[name].is_uniform and not level.is_uniform
        assert uniform.levels[name].bits.mean == pytest.approx(math.log2(6))
        assert level.perplexity == pytest.approx(uniform.levels[name].perplexity)
    top, bottom = trained.levels["z2"], trained.levels["z1"]
    assert top.bits.mean < math.log2(6)
    assert bottom.bits.mean < 0.85 * max(bottom.order0_bits, top.order0_bits), "the top says much of the bottom"
    elbo = [bounds(model, batches, samples=1).negative_elbo_nats.mean for model in stages]
    saved = (uniform.bits_per_dim.mean - trained.bits_per_dim.mean) * 64 * math.log(2)
    assert elbo[0] - elbo[1] == pytest.approx(saved, rel=1e-5), "the bound is better by exactly what codes cost less"


def test_samples_and_top_levels_use_the_prior(stages: tuple[Coded, Coded]) -> None:
    _, second = stages
    assert sample(second, 3, temperature={"z2": 0.7}, seed=1).shape == (3, 1, 8, 8)
    rows = from_top(second, shades(), rest=mode)
    error = [float((row - shades()).square().mean()) for row in rows]
    assert error[2] < error[1] < error[0], "each level adds to what is known"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"prior_width": 10}, r"expected a multiple of 4 \(model.prior_heads 4\), got 10; e.g. 128"),
        ({"prior_width": 12, "prior": "pixelsnail"}, r"expected a multiple of 8 \(model.prior_heads 4\), got 12"),
        ({"prior_heads": 0, "prior": "transformer"}, "expected at least 1 with model.prior transformer, got 0"),
        ({"prior": "pixelcnn"}, "model.prior"),
        ({"prior_layers": 0}, "model.prior_layers: expected at least 1"),
    ],
)
def test_impossible_priors_are_one_line(changed: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        VQVAE2Config(**changed)


@pytest.mark.parametrize("kind", ["uniform", "transformer"])
@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (2, 3, 1, 1), (3, 2, 1, 1), (2, 1, 1)])
def test_given_codes_of_another_shape_are_one_line(kind: str, shape: tuple[int, ...]) -> None:
    model = tiny(prior=kind) if kind == "transformer" else build(VQVAE2Config(strides=(4, 2), **TINY), (1, 8, 8))
    with pytest.raises(HvaeError, match=r"z2: expected a given value of shape \(2, 2, 1, 1\), got "):
        run(model, given({"z2": torch.zeros(shape)}, prior()), n=2)


def test_posterior_draws_never_draw_from_the_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of training must not walk through the positions one by one."""
    model = tiny()
    monkeypatch.setattr(AutoregressiveCodes, "_drawn", lambda *_: pytest.fail("it drew"))
    trace = run(model, posterior, model.evidence(torch.rand(2, 1, 8, 8)))
    (trace.penalty() - trace.elbo()).mean().backward()
