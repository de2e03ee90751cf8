"""Levels that were added to a trained model: nothing of the old one changes until they have faded in."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from hvae.config.model import GrowingConfig, LadderConfig, LVAEConfig, VLAEConfig
from hvae.config.pixels import PixelVAEConfig
from hvae.draw import Draw, given, mode, posterior
from hvae.errors import HvaeError
from hvae.models import Grown
from hvae.walk import Model, names, run
from hvae.zoo import build

SHAPE = (1, 6, 5)
CONFIGS = {
    "ladder": LadderConfig(groups=(1, 2), width=8, latent=2),
    "ladder-flat-top": LadderConfig(groups=(2, 0), width=8, latent=2, start="everywhere"),
    "ladder-softplus": LadderConfig(groups=(1, 1), width=8, latent=2, variance="softplus"),
    "lvae": LVAEConfig(latents=(4, 3, 2), widths=(12, 10, 8)),
    "lvae-conv": LVAEConfig(network="conv", latents=(2, 2), widths=(6, 8), posterior="residual"),
    "vlae": VLAEConfig(latents=(3, 2), widths=(12, 10)),
    "vlae-conv": VLAEConfig(network="conv", latents=(3, 2), widths=(6, 8)),
}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> GrowingConfig:
    return CONFIGS[request.param]


def grown(model: Model, config: GrowingConfig) -> Model:
    """A model of the configuration with all the weights of another."""
    torch.manual_seed(7)
    bigger = build(config, shape=SHAPE, bits=1).eval()
    missing = bigger.load_state_dict(model.state_dict(), strict=False)
    assert not missing.unexpected_keys
    return bigger


def trained(config: GrowingConfig) -> Model:
    """A model whose weights are anywhere but where they start."""
    torch.manual_seed(1)
    model = build(config, shape=SHAPE, bits=1)
    for w in model.parameters():
        w.data += 0.1 * torch.randn_like(w)
    return model.eval()


def pictures(n: int = 5) -> Tensor:
    return torch.bernoulli(torch.full((n, *SHAPE), 0.4), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sizes", [(2,), (2, 3)])
def test_a_grown_model_is_the_old_one_to_the_last_bit(config: GrowingConfig, sizes: tuple[int, ...]) -> None:
    old = trained(config)
    new = grown(old, replace(config, grown=sizes))
    before = run(old, posterior, old.evidence(pictures()))
    after = run(new, given(before.values(), posterior), new.evidence(pictures()))
    added = names(new)[: len(sizes)]
    assert names(new)[len(sizes) :] == names(old)
    assert all(not after.rates()[name].any() for name in added)  # KL = 0, not nearly so
    assert torch.equal(after.log_likelihood(), before.log_likelihood())
    for name in names(old):
        assert torch.equal(after[name].p.loc, before[name].p.loc)
        assert torch.equal(after[name].p.scale, before[name].p.scale)
        assert torch.equal(after[name].q.loc, before[name].q.loc)
        assert torch.equal(after[name].q.scale, before[name].q.scale)
    assert torch.equal(run(new, mode, new.evidence(pictures())).elbo(), run(old, mode, old.evidence(pictures())).elbo())


def test_a_model_that_has_grown_grows_again(config: GrowingConfig) -> None:
    """Its first added level has faded in by then, and its weights are anywhere."""
    once = grown(trained(config), replace(config, grown=(2,)))
    assert isinstance(once, Grown)
    for w in once.parameters():
        w.data += 0.1 * torch.randn_like(w)
    for _ in range(2 * config.fade):
        once.after_step()
    twice = grown(once, replace(config, grown=(2, 3)))
    before, after = (run(model, mode, model.evidence(pictures())) for model in (once, twice))
    assert before.rates()[names(once)[0]].any()
    assert torch.equal(before.elbo(), after.elbo())


def test_it_fades_in_as_it_grows_older(config: GrowingConfig) -> None:
    model = grown(trained(config), replace(config, grown=(2,), fade=4))
    assert isinstance(model, Grown)
    bounds = []
    for _ in range(6):
        bounds.append(run(model, mode, model.evidence(pictures())).elbo())
        model.after_step()
    steps = [not torch.equal(a, b) for a, b in pairwise(bounds)]
    assert steps == [True] * 4 + [False]  # 0, 1/4 ... 1, 1
    assert [float(level.fade) for level in model.young] == [1.0]


FINER = {
    "one scale": ((0, 2), (2,)),
    "two scales": ((0, 0, 2, 1), (1, 2)),
    "all but the coarser one": ((0, 0, 1), (0, 1)),
    "pixels one after the other": ((0, 1), (1,)),
}


def finer_config(case: str) -> LadderConfig:
    """A ladder that grew below, of this case."""
    groups, finer = FINER[case]
    family = PixelVAEConfig if case.startswith("pixels") else LadderConfig
    return family(groups=groups, finer=finer, width=8, latent=2, fade=4)


@pytest.mark.parametrize("case", FINER)
def test_levels_below_change_nothing_to_the_last_bit(case: str) -> None:
    """Wherever their own weights are; they are drawn last, so that the same seed draws the same old latents."""
    config = finer_config(case)
    old = trained(replace(config, finer=()))
    new = grown(old, config)
    for w in new.finer.parameters():
        w.data += 0.1 * torch.randn_like(w)
    before, after = (run(model, seeded(), model.evidence(pictures())) for model in (old, new))
    below = names(new)[len(names(old)) :]
    assert names(new)[: len(names(old))] == names(old)
    assert below == [f"z{-i}" for i in range(sum(config.finer))]
    assert all(not after.rates()[name].any() for name in below)  # KL = 0, not nearly so
    assert torch.equal(after.log_likelihood(), before.log_likelihood())
    assert torch.equal(after.elbo(), before.elbo())


def seeded() -> Draw:
    """The posterior, from the same random numbers each time."""
    torch.manual_seed(3)
    return posterior


@pytest.mark.parametrize("case", FINER)
def test_levels_below_fade_in_and_learn(case: str) -> None:
    """Every weight of theirs hears of the data once they have begun to."""
    new = grown(trained(replace(finer_config(case), finer=())), finer_config(case))
    for _ in range(2):
        new.after_step()
    for w in new.finer.parameters():
        w.data += 0.1 * torch.randn_like(w)
    trace = run(new, posterior, new.evidence(pictures()))
    assert all(trace.rates()[name].all() for name in names(new) if int(name[1:]) < 1)
    trace.elbo().mean().backward()
    assert all(w.grad is not None and w.grad.any() for w in new.finer.parameters())


def test_a_ladder_grows_below_twice() -> None:
    """The levels of the first growth have faded in; those of the second come below them and change nothing."""
    config = LadderConfig(groups=(0, 0, 1), width=8, latent=2, fade=4)
    once = grown(trained(config), replace(config, finer=(0, 2)))
    for w in once.parameters():
        w.data += 0.1 * torch.randn_like(w)
    for _ in range(4):
        once.after_step()
    twice = grown(once, replace(config, finer=(1, 2)))
    before, after = (run(model, seeded(), model.evidence(pictures())) for model in (once, twice))
    assert before.rates()["z-1"].any() and names(twice) == ["z1", "z0", "z-1", "z-2"]
    assert torch.equal(before.elbo(), after.elbo())


@pytest.mark.parametrize(("groups", "finer"), [((1, 1), (1,)), ((0, 1), (1, 1)), ((0, 0, 1), (1,))])
def test_scales_that_have_levels_or_that_there_are_not_do_not_grow_below(
    groups: tuple[int, ...], finer: tuple[int, ...]
) -> None:
    with pytest.raises(HvaeError, match=r"model\.finer: expected a number of levels for each of the"):
        build(LadderConfig(groups=groups, finer=finer, width=8, latent=2), shape=SHAPE, bits=1)


def test_fading_goes_on_where_it_stopped() -> None:
    config = replace(CONFIGS["ladder"], grown=(2,), fade=4)
    one, other = build(config, shape=SHAPE, bits=1), build(config, shape=SHAPE, bits=1)
    one.after_step()
    other.load_state_dict(one.state_dict())
    assert [float(level.fade) for level in other.young] == [0.25]
