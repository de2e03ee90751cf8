"""Every family x every promise."""

from __future__ import annotations

import io
import math
import re

import pytest
import torch
from families import BARE, EACH_KIND, FAMILIES, KINDS, MODELS, data, family
from torch import Tensor, nn

from hvae.distributions import Distribution, Flowed, GridGaussian, Normal
from hvae.distributions.codebook import ChosenCodes, Codes
from hvae.distributions.independent import IndependentCodes
from hvae.distributions.quantised import BlurredNormal
from hvae.draw import each, given, masked, mode, posterior, prior, replay
from hvae.errors import HvaeError
from hvae.models import TopDown
from hvae.models.narrator import Narrator
from hvae.site import pin
from hvae.trace import Record
from hvae.walk import Evidence, Model, names, run

pytestmark = pytest.mark.filterwarnings("ignore")


LATENT = (
    "temperature_narrows",
    "temperature_of_one",
    "pinned_levels",
    "resampling_one",
    "redrawn_from_its_prior",
    "masked_draws",
)
"""What promises of latents are called: a family without any has nothing to keep there."""


@pytest.fixture(params=[*MODELS, *BARE])
def model(request: pytest.FixtureRequest) -> Model:
    if request.param in BARE and any(what in request.node.name for what in LATENT):
        pytest.skip("a family without latents")
    return family(request.param)


def test_gradients_reach_each_parameter(model: Model) -> None:
    for w in model.parameters():
        if not w.any():  # a layer that starts silent, as published, hides those below it until it has moved
            nn.init.normal_(w, std=0.1)
    trace = model(data(4, model.shape))
    (trace.penalty() - trace.elbo()).mean().backward()
    silent = [name for name, w in model.named_parameters() if w.grad is None or not w.grad.abs().max() > 0]
    assert not silent


@pytest.mark.parametrize("model", list(FAMILIES), indirect=True)
def test_top_level_comes_first(model: Model) -> None:
    walk = names(model)
    # A stage of bidirectional inference has two latents, "z2-down" and "z2-up"; every other level is "z2", and below z1
    # comes what was grown there, z0, z-1 and so on.
    parts = [re.fullmatch(r"([uz]-?\d*)(?:-(down|up))?", name).groups("") for name in walk]
    stages = list(dict.fromkeys(stage for stage, _ in parts))
    levels = [name for name in stages if not name.startswith("u")]  # a context and its diffusion are above all levels
    below = len(model.finer.levels) if isinstance(model, TopDown) else 0
    numbers = range(len(levels) - below, -below, -1)
    assert levels == [f"z{l}" for l in numbers] and stages[len(stages) - len(levels) :] == levels
    assert {part for _, part in parts} in ({""}, {"", "down", "up"})


def test_samples_have_the_shape_of_the_data(model: Model) -> None:
    trace = run(model, prior(), n=3)
    assert trace.x.shape == (3, *model.shape)
    assert set(trace.x.unique().tolist()) <= {0.0, 1.0}


def test_temperature_narrows_each_level(model: Model) -> None:
    torch.manual_seed(3)
    cold = run(model, prior(0.5), n=2)
    torch.manual_seed(3)
    warm = run(model, prior(1.0), n=2)
    if isinstance(cold.latents[0].p, Codes):
        pytest.skip("codes have no scale: what temperature does to them is tested with their laws")
    (first, mean), (other, _) = (_below(trace.latents[0]) for trace in (cold, warm))
    torch.testing.assert_close(first - mean, 0.5 * (other - mean))
    for record in cold.latents:
        torch.testing.assert_close(_scale(record.proposal), 0.5 * _scale(record.p))


def _scale(law: Distribution) -> Tensor:
    """Its own, or that of what a flow pushes."""
    return law.base.scale if isinstance(law, Flowed) else law.scale


def _below(record: Record) -> tuple[Tensor, Tensor]:
    """A value and the mean of its prior, both where no flow has moved them yet."""
    p = record.p
    return (p.inverse(record.value)[0], p.base.mean()) if isinstance(p, Flowed) else (record.value, p.mean())


def test_temperature_of_one_level_spares_the_others(model: Model) -> None:
    low = names(model)[-1]
    trace = run(model, each({low: prior(0.1)}, prior()), n=2)
    if isinstance(trace.latents[0].p, Codes):
        pytest.skip("codes have no scale")
    for record in trace.latents:
        t = 0.1 if record.name == low else 1.0
        torch.testing.assert_close(_scale(record.proposal), t * _scale(record.p))


def test_data_are_never_tempered(model: Model) -> None:
    assert all(record.proposal is record.p for record in run(model, prior(0.1), n=2).observed)


def test_pinned_levels_stay_pinned(model: Model) -> None:
    top = run(model, prior(), n=4).latents[0]
    pinned = run(model, given({pin(top.key): top.value}, prior()), n=4)
    assert torch.equal(pinned.latents[0].value, top.value)


def test_resampling_one_level_keeps_the_rest(model: Model) -> None:
    x = data(4, model.shape)
    trace = model(x)
    low = names(model)[-1]
    others = {pin(record.key): record.value for record in trace.latents if record.name != low}
    mixed = run(model, each({low: prior()}, given(others)), model.evidence(x))
    assert all(torch.equal(mixed[name].value, value) for name, value in others.items())
    redrawn = [record.key for record in trace.latents if record.name == low]
    assert not any(torch.equal(mixed[key].value, trace[key].value) for key in redrawn)


def test_a_level_redrawn_from_its_prior_costs_zero(model: Model) -> None:
    top = names(model)[0]
    trace = run(model, each({top: prior()}, posterior), model.evidence(data(4, model.shape)))
    for record in (record for record in trace.latents if record.name == top):
        assert record.divergence()[1] == "prior"
        assert torch.equal(record.rate(), torch.zeros(4, dtype=torch.float64))
        assert torch.equal(record.log_weight(), torch.zeros(4, dtype=torch.float64))


def test_mode_is_deterministic(model: Model) -> None:
    x = data(4, model.shape)
    a, b = model(x, mode), model(x, mode)
    assert torch.equal(a.elbo(), b.elbo())


def test_masked_draws_meet_in_one_value(model: Model) -> None:
    record = run(model, prior(), n=4).latents[0]
    top, first = pin(record.key), record.value
    mask = torch.zeros_like(first, dtype=torch.bool)
    axis = -1 if first.shape[-1] > 1 else 1  # whole columns where there are some: a code is one for all its channels
    mask.select(axis, 0).fill_(True)
    trace = run(model, each({top: masked(mask, given({top: first}, prior()), prior())}, prior()), n=4)
    assert torch.equal(trace[top].value.select(axis, 0), first.select(axis, 0))
    assert not torch.equal(trace[top].value.select(axis, 1), first.select(axis, 1))
    assert torch.isfinite(trace.log_weight()).all()


def test_replay_gives_the_same_log_weight(model: Model) -> None:
    x = data(4, model.shape)
    trace = model(x)
    evidence = model.evidence(x)
    torch.testing.assert_close(run(model, given(trace.values()), evidence).log_weight(), trace.log_weight())
    torch.testing.assert_close(run(model, replay(trace.values()), evidence).log_weight(), trace.log_weight())


def test_log_weight_is_the_sum_of_its_sites(model: Model) -> None:
    trace = model(data(4, model.shape))
    by_hand = sum(r.p.log_prob(r.value).flatten(1).sum(1) for r in trace.records.values())
    by_hand = by_hand - sum(r.q.log_prob(r.value).flatten(1).sum(1) for r in trace.latents)
    torch.testing.assert_close(trace.log_weight(), by_hand)


def test_what_a_level_spends_is_its_rate_and_its_log_weight(model: Model) -> None:
    trace = model(data(4, model.shape))
    spent, rates = trace.spent(), trace.rates()
    assert list(spent) == list(rates)
    for name, (rate, cost) in spent.items():
        torch.testing.assert_close(rate, rates[name])
        by_hand = sum(record.log_weight() for record in trace.latents if record.name == name)
        torch.testing.assert_close(cost, -by_hand, rtol=1e-5, atol=1e-5)


def test_rates_are_closed_form_where_that_holds(model: Model) -> None:
    """Top-down levels know p before they draw; a bottom-up level's p depends on its value, so it must be sampled."""
    trace = model(data(4, model.shape))
    order = [key for key, _ in trace.visits]
    for record in trace.latents:
        first = order.index((record.name, record.step))
        at_once = order[first + 1] == (record.name, record.step)
        closed = at_once and isinstance(record.q, Normal | ChosenCodes | IndependentCodes)  # a flow has no closed form
        assert trace.estimators()[record.name] == ("analytic" if closed else "sampled")


def test_the_elbo_is_the_mean_log_weight(model: Model) -> None:
    evidence = model.evidence(data(1, model.shape)).repeat(8000)
    with torch.no_grad():
        trace = run(model, posterior, evidence)
    difference = trace.log_weight() - trace.elbo()
    assert difference.mean().abs() < 5 * difference.std() / 8000**0.5 + 1e-9


def test_iwae_is_at_least_the_elbo_in_expectation(model: Model) -> None:
    x = data(3, model.shape)
    with torch.no_grad():
        log_w = run(model, posterior, model.evidence(x).repeat(512)).log_weight().view(3, 512)
    elbo = log_w.mean(1)
    iwae = log_w.view(3, 32, 16).logsumexp(2).mean(1) - math.log(16)
    assert (iwae >= elbo - 1e-9).all()


def test_evidence_repeats_rows_in_order(model: Model) -> None:
    evidence = model.evidence(data(2, model.shape)).repeat(3)
    assert len(evidence) == 6
    assert torch.equal(evidence.x[0], evidence.x[2])
    for name, feature in model.evidence(data(2, model.shape)).features.items():
        assert evidence.features[name].shape[1:] == feature.shape[1:]


def test_save_and_load_keep_the_model(model: Model, request: pytest.FixtureRequest) -> None:
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    other = family(request.node.callspec.params["model"])
    for w in other.parameters():
        nn.init.normal_(w)
    other.load_state_dict(torch.load(buffer, weights_only=True), strict=True)
    x = data(4, model.shape)
    assert torch.equal(model(x, mode).elbo(), other(x, mode).elbo())


@pytest.mark.parametrize("model", list(FAMILIES), indirect=True)
def test_repr_names_each_level(model: Model) -> None:
    assert all(name in repr(model) for name in names(model))


def test_wrong_shapes_and_unknown_levels_are_one_line(model: Model) -> None:
    with pytest.raises(HvaeError, match=r"expected (data|sequences) of shape \(B, .*5\), got \(2, 1, 5, 6\)"):
        model(torch.zeros(2, 1, 5, 6, dtype=torch.float64))
    with pytest.raises(HvaeError, match="no level named 'z99'"):
        run(model, each({"z99": prior()}, prior()))


def test_every_kind_of_walk_has_a_quick_family() -> None:
    walks = {name: type(family(name)).walk for name in MODELS}
    assert set(walks.values()) == {walks[name] for name in KINDS}, "add the quickest family of this walk to KINDS"


@pytest.mark.parametrize("model", EACH_KIND, indirect=True)
def test_compiles_as_one_graph(model: Model) -> None:
    torch.compiler.reset()  # each model is a graph of its own; the cache of one call site holds eight
    x = data(4, model.shape)
    loss = torch.compile(
        lambda x: -run(model, mode, model.evidence(x)).elbo().mean(),
        fullgraph=not isinstance(model, Narrator),  # which first asks whether it is to hear its own draws
        backend="aot_eager",
    )
    # By itself torch compiles what is around a recurrent network, not the network.
    with torch._dynamo.config.patch(allow_rnn=True):
        torch.testing.assert_close(loss(x), -model(x, mode).elbo().mean())


def test_any_size_and_channels() -> None:
    from hvae.config.model import LadderConfig
    from hvae.zoo import build

    for shape in [(1, 28, 28), (3, 13, 7), (4, 5, 64), (2, 1, 1)]:
        model = build(
            LadderConfig(groups=(1, 1, 1, 1), width=4, latent=2, likelihood="dmol", mixtures=2), shape, bits=8
        )
        x = torch.rand(2, *shape).mul(255).round() / 255
        assert torch.isfinite(model(x).elbo()).all()
        assert run(model, prior(), n=2).x.shape == (2, *shape)


def test_flat_vectors() -> None:
    from hvae.config.model import LVAEConfig
    from hvae.zoo import build

    model = build(LVAEConfig(latents=(4, 2), widths=(8, 8), likelihood="gaussian"), shape=(7,))
    assert torch.isfinite(model(torch.rand(3, 7)).elbo()).all()


def test_priors_and_posteriors_are_float32_under_autocast(model: Model) -> None:
    single = model.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trace = single(data(4, model.shape).float())
    for record in trace.latents:
        p, q = (law.base if isinstance(law, Flowed) else law for law in (record.p, record.q))
        assert isinstance(p, Normal | BlurredNormal | Codes | GridGaussian)
        # Location and scale, or codes; the width of a quantised latent is a plain number, the index of a code whole.
        held = [t for law in (p, q) for t in vars(law).values() if isinstance(t, Tensor)]
        parts = [t for t in held if t.is_floating_point()]
        assert {t.dtype for t in parts} == {torch.float32}
    assert trace.elbo().dtype == torch.float32


def test_evidence_holds_nothing_random(model: Model) -> None:
    x = data(4, model.shape)
    a, b = model.evidence(x), model.evidence(x)
    assert isinstance(a, Evidence)
    assert all(torch.equal(a.features[name], b.features[name]) for name in a.features)
