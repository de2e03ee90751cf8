"""Conditions of walks in time: the promises of every family of sequences that takes one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from alike import check_trained_alike
from families import SEQUENCE, TIMED
from torch import Tensor

from hvae.config.condition import ConditionConfig
from hvae.config.model import ModelConfig
from hvae.config.sequences import VRNNConfig
from hvae.datum import Datum
from hvae.distributions import Distribution, Flowed
from hvae.draw import dropping, given, guided, posterior, prior, replay
from hvae.errors import HvaeError
from hvae.models.conditioning import KEPT
from hvae.nn.film import ENTRIES
from hvae.objectives import FIVO
from hvae.particles import ParticleFilter
from hvae.site import pin
from hvae.training.loss import Batch, LossStep
from hvae.walk import Evidence, Model, Stepwise, names, run, run_step
from hvae.zoo import build

CLASS = ConditionConfig(kind="class", classes=3, drop=0.2)
VECTOR = ConditionConfig(kind="vector", numbers=2, drop=0.2)
STEPS = [name for name in TIMED if name.startswith(("vrnn", "storn", "srnn", "dmm"))]
TAKERS = list(TIMED)


def conditional(name: str, condition: ConditionConfig = CLASS) -> Model:
    torch.manual_seed(1)
    return build(replace(TIMED[name], condition=condition), shape=SEQUENCE, bits=1).double().eval()


def plain(config: ModelConfig) -> Model:
    torch.manual_seed(1)
    return build(config, shape=SEQUENCE, bits=1).double().eval()


def data(n: int, **context: Tensor) -> Datum:
    torch.manual_seed(0)
    x = torch.bernoulli(torch.full((n, *SEQUENCE), 0.4, dtype=torch.float64))
    lengths = torch.arange(n) % 3 + SEQUENCE[0] - 2
    within = torch.arange(SEQUENCE[0]) < lengths[:, None]
    return Datum(x * within[:, :, None], context, lengths=lengths)


def bare(law: Distribution | None) -> Distribution:
    """The law before a flow moves it, which is what a network says."""
    assert law is not None
    return law.base if isinstance(law, Flowed) else law


def elbo(model: Model, datum: Datum) -> Tensor:
    torch.manual_seed(3)
    return model(datum).elbo()


@pytest.mark.parametrize("condition", [CLASS, VECTOR], ids=["class", "vector"])
@pytest.mark.parametrize("name", TAKERS)
def test_each_row_hears_its_own_and_every_weight_of_it_learns(name: str, condition: ConditionConfig) -> None:
    model = conditional(name, condition)
    values = {
        "class": torch.tensor([0, 1, 2, -1]),
        "vector": torch.tensor([[0.5, 1.0], [torch.nan, 2.0], [-1.0, -1.0], [torch.nan, torch.nan]]).double(),
    }[condition.kind]
    datum = data(4, **{condition.context: values})
    with_it, without = elbo(model, datum), elbo(model, replace(datum, context={}))
    assert (with_it[:3] - without[:3]).abs().min() > 1e-6
    assert torch.allclose(with_it[3], without[3], rtol=1e-12)  # unknown is as left out
    elbo(model, datum).sum().backward()
    weights = model.get_submodule("condition").named_parameters()
    assert not [at for at, p in weights if p.grad is None or not bool(p.grad.abs().sum() > 0)]


@pytest.mark.parametrize("how", ENTRIES)
@pytest.mark.parametrize("name", TAKERS)
def test_nothing_known_is_the_model_without_a_condition(name: str, how: str) -> None:
    model, other = conditional(name, replace(CLASS, how=how)), plain(TIMED[name])
    shared = model.state_dict()
    assert all(torch.equal(weight, shared[at]) for at, weight in other.state_dict().items())
    torch.testing.assert_close(elbo(model, data(3)), elbo(other, data(3)), rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", TAKERS)
def test_before_training_a_silent_start_says_nothing(name: str) -> None:
    model, other = conditional(name, replace(CLASS, drop=0.0, start=0.0)), plain(TIMED[name])
    torch.testing.assert_close(elbo(model, data(3, label=torch.arange(3))), elbo(other, data(3)), rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", TAKERS)
def test_reading_generating_and_replaying_agree(name: str) -> None:
    """The laws of a walk without data are those of one with them, under the same condition."""
    model, context = conditional(name), {"label": torch.tensor([0, 2, -1])}
    torch.manual_seed(0)
    made = run(model, prior(), model.nothing(3, context, steps=SEQUENCE[0]))
    assert made.x is not None
    read = run(model, given({pin(one.key): one.value for one in made.latents}), model.evidence(made.x, context))
    for one in made.latents:
        before, after = (bare(law) for law in (one.p, read.records[one.key].p))
        torch.testing.assert_close(after.loc, before.loc)
    torch.testing.assert_close(read.log_likelihood(), made.log_likelihood())
    again = run(model, replay(read.values()), model.evidence(made.x, context))
    torch.testing.assert_close(again.log_weight(), read.log_weight())
    assert KEPT not in read.rates() and KEPT not in names(model)


@pytest.mark.parametrize("name", TAKERS)
def test_it_enters_the_levels_that_are_named(name: str) -> None:
    every = names(plain(TIMED[name]))
    model = conditional(name, replace(CLASS, levels=(every[-1],)))
    entered = {at.split(".")[3] for at, _ in model.named_parameters() if at.startswith("condition.networks")}
    assert entered == {every[-1]}
    datum = data(3, label=torch.tensor([0, 1, 2]))
    assert not torch.equal(elbo(model, datum), elbo(model, replace(datum, context={})))
    with pytest.raises(HvaeError, match=r"model.condition.levels: no level named 'z9'"):
        conditional(name, replace(CLASS, levels=("z9",)))


@pytest.mark.parametrize("name", TAKERS)
def test_it_enters_what_the_likelihood_reads_where_that_is_named(name: str) -> None:
    model, datum = conditional(name, replace(CLASS, levels=("x",))), data(3, label=torch.tensor([0, 1, -1]))
    torch.manual_seed(3)
    trace = model(datum)
    torch.manual_seed(3)
    blind = model(replace(datum, context={}))
    for level in names(model):
        assert torch.equal(trace.rates()[level], blind.rates()[level])
    moves = (trace.log_likelihood() - blind.log_likelihood()).abs()
    assert moves[:2].min() > 1e-6 and moves[2] == 0


def test_always_dropped_is_trained_as_the_model_without_a_condition() -> None:
    told, other = conditional("vrnn", replace(CLASS, drop=1.0)), plain(TIMED["vrnn"])
    check_trained_alike(told, other, data(8, label=torch.arange(8) % 3))


# Step by step


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_the_walk(name: str) -> None:
    model, datum = conditional(name), data(3, label=torch.tensor([0, 1, -1]))
    assert isinstance(model, Stepwise)
    evidence = model.evidence(datum)
    torch.manual_seed(3)
    whole = run(model, posterior, evidence)
    state, total = model.before(evidence), torch.zeros(3, dtype=torch.float64)
    for t in range(SEQUENCE[0]):
        trace, state = run_step(model, replay(whole.values()), evidence, state, t)
        total += trace.log_weight()
    torch.testing.assert_close(total, whole.log_weight())


def test_a_particle_keeps_its_condition_or_loses_it_once() -> None:
    model, datum = conditional("vrnn", replace(CLASS, drop=0.5)), data(4, label=torch.tensor([0, 1, 2, 0]))
    evidence = model.evidence(datum).repeat(32)
    torch.manual_seed(0)
    walk = ParticleFilter(32, 0.0)(model, dropping(posterior), evidence)
    assert [key for key in walk.records if key[0] == KEPT] == [(KEPT, None)]
    kept = walk[KEPT].value
    again = Evidence(
        evidence.n,
        evidence.x,
        {"label": torch.where(kept > 0, evidence.context["label"], -1)},
        evidence.features,
        lengths=evidence.lengths,
    )
    torch.manual_seed(0)
    known = ParticleFilter(32, 0.0)(model, dropping(replay(walk.values())), again)
    torch.testing.assert_close(known.log_evidence, walk.log_evidence)


@pytest.mark.parametrize("name", ["vrnn", "srnn", "dmm"])
def test_particle_filters_train_it(name: str) -> None:
    model, datum = conditional(name), data(4, label=torch.tensor([0, 1, 2, -1]))
    torch.manual_seed(0)
    LossStep(model, FIVO(3))(Batch(datum), 0)[0].backward()
    weights = model.get_submodule("condition").named_parameters()
    assert not [at for at, p in weights if p.grad is None or not bool(p.grad.abs().sum() > 0)]


# Guidance


@pytest.mark.parametrize("name", [name for name in TAKERS if name != "dmm-flow"])  # no flow of a prior is guided
def test_both_walks_of_guidance_share_latents_and_data(name: str) -> None:
    model, steps = conditional(name), SEQUENCE[0]
    both = Evidence(8, context={"label": torch.tensor([1] * 4 + [-1] * 4)}, horizon=steps)
    weights = dict.fromkeys(names(model), 1.0)
    torch.manual_seed(0)
    trace = run(model, guided(weights), both)
    for record in trace.latents:
        assert torch.equal(record.value[:4], record.value[4:])
    for record in trace.observed:
        assert record.step is None or torch.equal(record.value[:4], record.value[4:])
    pins = {key: record.value[:4] for key, record in trace.records.items() if not record.auxiliary}
    alone = run(model, given(pins), model.nothing(4, {"label": 1}, steps=steps))
    for key, record in alone.records.items():  # at weight 1 the laws are those of the condition
        if not record.auxiliary:
            torch.testing.assert_close(bare(record.p).mean(), bare(trace.records[key].p).mean()[:4])


def test_guidance_goes_on_from_the_laws_of_both() -> None:
    config = VRNNConfig(latent=2, state=4, width=4, condition=CLASS)
    torch.manual_seed(0)
    model = build(config, shape=(3, 2), bits=1).double().eval()
    both = Evidence(2, context={"label": torch.tensor([1, -1])}, horizon=3)
    torch.manual_seed(0)
    trace = run(model, guided({"z": 3.0}, prior(0.0)), both)
    law = trace.records["z", 2].p
    loc, free = law.mean().chunk(2)
    torch.testing.assert_close(trace.records["z", 2].value[:1], free + 3 * (loc - free))
