"""Conditions at chosen levels: the promises of every family that takes one, and exactness where all is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from alike import check_trained_alike
from conditional_gaussian import DIMS, S, T, W, linear_gaussian, log_evidence, means
from families import FAMILIES, SHAPE
from torch import Tensor, nn

from hvae.config.condition import ConditionConfig
from hvae.config.model import LadderConfig, ModelConfig, VAEConfig
from hvae.config.pixels import PixelCNNConfig
from hvae.datum import Datum
from hvae.distributions import Denoising, Keep, Normal
from hvae.distributions.denoising import alpha, sigma
from hvae.draw import Draw, dropping, given, guided, mode, posterior, prior, replay, solver
from hvae.draw.choices import trained
from hvae.errors import HvaeError
from hvae.explore.swap import swap
from hvae.models.conditioning import KEPT, Entry
from hvae.models.diffusion import Diffusion
from hvae.nn.film import ENTRIES, VectorCode
from hvae.site import Site
from hvae.walk import Evidence, Model, names, run
from hvae.zoo import build

TAKERS = list(FAMILIES)
CLASS = ConditionConfig(kind="class", classes=3, drop=0.2)
VECTOR = ConditionConfig(kind="vector", numbers=2, drop=0.2)
TEXT = ConditionConfig(kind="text", classes=5, numbers=4, width=8, layers=1, heads=2, drop=0.2)
KNOWN = {
    "class": {"label": torch.tensor([0, 2])},
    "vector": {"attributes": torch.tensor([[0.5, -1.0], [2.0, 0.1]]).double()},
    "text": {"text": torch.tensor([[2, 3, 0, 0], [4, 4, 4, 0]])},
}


def conditional(config: ModelConfig, condition: ConditionConfig) -> Model:
    torch.manual_seed(1)
    return awake(build(replace(config, condition=condition), shape=SHAPE, bits=1)).double().eval()


def plain(config: ModelConfig) -> Model:
    torch.manual_seed(1)
    return awake(build(config, shape=SHAPE, bits=1)).double().eval()


def awake(model: Model) -> Model:
    """A denoiser that starts at zero, as published, hears nothing: here every layer of it says something."""
    if isinstance(model, Diffusion):
        torch.manual_seed(2)
        for weight in model.network.parameters():
            nn.init.normal_(weight, std=0.1)
    return model


def data(n: int, **context: Tensor) -> Datum:
    torch.manual_seed(0)
    return Datum(torch.bernoulli(torch.full((n, *SHAPE), 0.4, dtype=torch.float64)), context)


def elbo(model: Model, datum: Datum) -> Tensor:
    torch.manual_seed(3)
    return model(datum).elbo()


@pytest.mark.parametrize("name", TAKERS)
def test_each_row_hears_its_own_condition_and_every_weight_of_it_learns(name: str) -> None:
    model = conditional(FAMILIES[name], CLASS)
    datum = data(4, label=torch.tensor([0, 1, 2, -1]))
    with_label, without = elbo(model, datum), elbo(model, Datum(datum.x))
    assert (with_label[:3] - without[:3]).abs().min() > 1e-6
    assert torch.allclose(with_label[3], without[3], rtol=1e-12)  # unknown is as left out
    torch.manual_seed(3)
    trace = model(datum)
    (trace.elbo() - trace.penalty()).sum().backward()  # commitments are what pulls the lower of residual codes
    weights = model.get_submodule("condition").named_parameters()
    assert not [at for at, p in weights if p.grad is None or not bool(p.grad.abs().sum() > 0)]


@pytest.mark.parametrize("how", ENTRIES)
@pytest.mark.parametrize("name", TAKERS)
def test_nothing_known_is_the_model_without_a_condition(name: str, how: str) -> None:
    model, other = conditional(FAMILIES[name], replace(CLASS, how=how)), plain(FAMILIES[name])
    shared = model.state_dict()
    for at, weight in other.state_dict().items():
        # Flows are made last, so that the networks before them start alike.
        assert at.startswith(("spectral.", "flows.")) or torch.equal(weight, shared[at]), at
    other.load_state_dict({at: weight for at, weight in shared.items() if at.startswith("flows.")}, strict=False)
    torch.testing.assert_close(elbo(model, data(3)), elbo(other, data(3)), rtol=1e-13, atol=0)


@pytest.mark.parametrize("how", ENTRIES)
@pytest.mark.parametrize("name", TAKERS)
def test_before_training_a_silent_start_says_nothing(name: str, how: str) -> None:
    torch.manual_seed(1)
    condition = replace(CLASS, how=how, drop=0.0, start=0.0)
    model = build(replace(FAMILIES[name], condition=condition), shape=SHAPE, bits=1).double().eval()
    other = build(FAMILIES[name], shape=SHAPE, bits=1).double().eval()
    shared = model.state_dict()
    other.load_state_dict({at: shared[at] for at in other.state_dict()})
    torch.testing.assert_close(elbo(model, data(3, label=torch.arange(3))), elbo(other, data(3)), rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    "name", ["vae-mlp", "lvae-mlp-precision", "vlae-conv", "markov-mlp", "ladder-residual", "vdvae"]
)
def test_it_enters_the_levels_that_are_named(name: str) -> None:
    every = names(plain(FAMILIES[name]))
    model = conditional(FAMILIES[name], replace(CLASS, levels=(every[-1],)))
    entered = {at.split(".")[3] for at, _ in model.named_parameters() if at.startswith("condition.networks")}
    assert entered == {every[-1]}
    datum, first = data(2, label=torch.tensor([0, 1])), every[0]
    torch.manual_seed(2)
    trace = model(datum)
    torch.manual_seed(2)
    blind = model(Datum(datum.x))
    if len(every) > 1 and not name.startswith("markov"):  # Markov inference begins at the bottom
        assert torch.equal(trace[first].rate(), blind[first].rate())
    assert not torch.equal(trace.elbo(), blind.elbo())


@pytest.mark.parametrize("name", ["vae-mlp", "vae-conv", "lvae-mlp-precision", "vlae-conv"])
def test_it_enters_the_last_state_where_that_is_named(name: str) -> None:
    every = names(plain(FAMILIES[name]))
    model = conditional(FAMILIES[name], replace(CLASS, levels=("x",)))
    datum = data(3, label=torch.tensor([0, 1, -1]))
    torch.manual_seed(2)
    trace = model(datum)
    torch.manual_seed(2)
    blind = model(Datum(datum.x))
    for level in every:
        assert torch.equal(trace[level].rate(), blind[level].rate())
    moves = (trace.log_likelihood() - blind.log_likelihood()).abs()
    assert moves[:2].min() > 1e-6 and moves[2] == 0
    before = conditional(FAMILIES[name], CLASS).state_dict()
    assert not any(at.startswith("condition.networks.state.x") for at in before), "all means all latents, as ever"


def test_a_family_whose_last_state_hears_every_level_has_no_place_there() -> None:
    with pytest.raises(HvaeError, match=r"model.condition.levels: .*'x'"):
        conditional(FAMILIES["ladder-residual"], replace(CLASS, levels=("z1", "x")))


@pytest.mark.parametrize("config", [CLASS, VECTOR, TEXT], ids=["class", "vector", "text"])
@pytest.mark.parametrize("name", ["vae-mlp", "markov-conv", "ladder-precision", "nvae", "vdm"])
def test_both_orders_of_a_walk_and_replays_agree(name: str, config: ConditionConfig) -> None:
    model = conditional(FAMILIES[name], config)
    context = KNOWN[config.kind]
    trace = model(data(2, **context))
    again = run(model, replay(trace.values()), model.evidence(data(2, **context)))
    torch.testing.assert_close(trace.log_weight(), again.log_weight())
    assert run(model, prior(), context=context).x is not None
    assert KEPT not in trace.rates() and KEPT not in names(model)


def test_bit_swap_visits_the_same_laws() -> None:
    model = conditional(FAMILIES["markov-mlp"], CLASS)
    evidence = model.evidence(data(2, label=torch.tensor([0, 2])))
    trace = run(model, mode, evidence)
    seen: dict[tuple[str, str], Normal] = {}

    def visit(site: Site) -> Tensor:
        for side, law in (("p", site.p), ("q", site.q)):
            if isinstance(law, Normal):
                seen[site.name, side] = law
        return trace[site.name].value

    model.swap(visit, evidence)
    for record in trace.latents:
        for side, law in (("p", record.p), ("q", record.q)):
            assert isinstance(law, Normal)
            torch.testing.assert_close(seen[record.name, side].loc, law.loc)


# Dropping


def test_a_dropped_condition_is_drawn_at_its_site_and_only_by_training() -> None:
    model = conditional(FAMILIES["ladder-residual"], replace(CLASS, drop=0.5))
    evidence = model.evidence(data(64, label=torch.zeros(64, dtype=torch.long)))
    assert bool((run(model, posterior, evidence)[KEPT].value == 1).all())
    torch.manual_seed(0)
    trace = run(model, dropping(), evidence)
    kept = trace[KEPT].value
    assert 16 < float(kept.sum()) < 48 and bool(((kept == 0) | (kept == 1)).all())
    assert float(trace[KEPT].log_weight().abs().max()) == 0.0


def test_always_dropped_is_trained_as_the_model_without_a_condition() -> None:
    config = LadderConfig(groups=(1, 1), width=8, latent=2)
    told, other = conditional(config, replace(CLASS, drop=1.0)), plain(config)
    check_trained_alike(told, other, data(8, label=torch.arange(8) % 3))


def test_a_condition_that_is_never_dropped_must_be_known() -> None:
    model = conditional(FAMILIES["ladder-residual"], replace(CLASS, drop=0.0))
    with pytest.raises(HvaeError, match="this model is conditional: 'label' is a class from 0 to 2"):
        model(data(2))
    with pytest.raises(HvaeError, match="expected a class from 0 to 2, got -1 to 1"):
        model(data(2, label=torch.tensor([1, -1])))
    assert KEPT not in {record.name for record in model(data(1, label=torch.tensor([1]))).records.values()}


def test_the_law_of_keeping() -> None:
    law = Keep(torch.zeros(20_000), 0.3)
    torch.manual_seed(0)
    share = float(law.hiding(0.3).sample().mean())
    assert abs(share - 0.7) < 4 * math.sqrt(0.3 * 0.7 / 20_000)
    assert float(law.sample().min()) == 1.0 and float(law.mean().min()) == 1.0


# Diffusions: one denoiser hears it at every level


@pytest.mark.parametrize("name", ["vdm", "vdm-continuous"])
def test_a_step_of_training_drops_the_condition_of_a_diffusion(name: str) -> None:
    model = conditional(FAMILIES[name], replace(CLASS, drop=0.5))
    evidence = model.evidence(data(32, label=torch.arange(32) % 3))
    torch.manual_seed(0)
    trace = run(model, dropping(trained(posterior)), evidence)
    assert 4 < float(trace[KEPT].value.sum()) < 28
    (-trace.elbo().mean()).backward()
    weights = model.get_submodule("condition").named_parameters()
    assert not [at for at, p in weights if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    dropped = run(model, replay(trace.values()), evidence)
    label = torch.where(trace[KEPT].value > 0, torch.arange(32) % 3, -1)
    values = {**trace.values(), KEPT: torch.ones(32)}
    hidden = run(model, replay(values), model.evidence(data(32, label=label)))
    torch.testing.assert_close(dropped.log_weight(), hidden.log_weight(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("draw", [prior(), solver("second-order:11")], ids=["ancestral", "solver"])
def test_the_swap_of_a_diffusion_keeps_every_level_and_so_the_picture(draw: Draw) -> None:
    """The likelihood hears the last level alone: nothing is left for another class to say."""
    model = conditional(FAMILIES["vdm-many"], CLASS)
    own, other = swap(model, 4, {"label": 0}, {"label": 2}, draw=draw, seed=1)
    fresh = swap(model, 4, {"label": 0}, {"label": 2}, draw=draw, seed=2).own
    assert (own == other).double().mean() > 0.9 > (own == fresh).double().mean()


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0, 2.5])
def test_guidance_of_a_diffusion_moves_its_noise_as_published(weight: float) -> None:
    """eps = (1 + w) eps(z, y) - w eps(z), Ho and Salimans, eq. (6), of ancestral steps, whose w is one less."""
    model = conditional(FAMILIES["vdm"], CLASS)
    both = Evidence(4, context={"label": torch.tensor([0, 2, -1, -1])})
    steered = run(model, guided(dict.fromkeys(names(model), weight)), both)
    for record in steered.latents[1:]:
        p, law = record.p, record.proposal
        assert isinstance(p, Denoising) and isinstance(law, Normal)
        known, free = p.noise().chunk(2)
        noise = weight * known + (1 - weight) * free
        guess = (p.z[:2] - sigma(p.far) * noise) / alpha(p.far)
        ours = Denoising(p.z[:2], guess, p.far, p.near)
        torch.testing.assert_close(law.loc, torch.cat([ours.loc, ours.loc]), rtol=1e-10, atol=1e-10)
        assert torch.equal(law.scale[:2], ours.scale)


@pytest.mark.parametrize("name", ["ddim", "second-order"])
def test_solvers_follow_the_guided_denoiser(name: str) -> None:
    """Of one weight for all levels they are the solver of a model whose denoiser is the guided one."""
    model = conditional(replace(FAMILIES["vdm"], steps=6), CLASS)
    label, every = torch.tensor([0, 2]), names(model)
    both = Evidence(4, context={"label": torch.cat([label, torch.full_like(label, -1)])})
    torch.manual_seed(0)
    ours = run(model, guided(dict.fromkeys(every, 2.5), solver(f"{name}:6")), both)
    top = ours.latents[0].value[:2]

    class Steered(Diffusion):
        """The same weights; at each level it asks them twice."""

        def denoised(self, z: Tensor, gamma: Tensor, entry: Entry) -> Tensor:
            twice = model.condition(lambda site: site.p.mode(), both)
            known, free = Diffusion.denoised(model, torch.cat([z, z]), gamma, twice).chunk(2)
            return free + 2.5 * (known - free)

    other = plain(replace(FAMILIES["vdm"], steps=6))
    other.__class__ = Steered
    other.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("condition.")})
    theirs = run(other, given({every[0]: top}, solver(f"{name}:6")), n=2)
    for record in theirs.latents:
        torch.testing.assert_close(ours[record.name].value[:2], record.value, rtol=1e-9, atol=1e-9)


# Vectors


def test_a_vector_may_be_known_in_part() -> None:
    model = conditional(FAMILIES["ladder-residual"], VECTOR)
    y = torch.tensor([[1.0, 2.0], [1.0, math.nan], [math.nan, math.nan]], dtype=torch.float64)
    x = data(1).x.expand(3, *SHAPE)
    found, blind = elbo(model, Datum(x, {"attributes": y})), elbo(model, Datum(x))
    assert bool(found.isfinite().all()) and torch.equal(found[2], blind[2])
    assert found[0] != blind[0] and found[1] != blind[1]
    found.sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_a_vector_is_brought_to_zero_mean_and_unit_scale_by_what_is_known() -> None:
    code = VectorCode(3, 4).double()
    y = torch.tensor([[10.0, 5.0, math.nan], [30.0, 5.0, 1.0], [math.nan, 5.0, math.nan]], dtype=torch.float64)
    code.prepare(y)
    assert torch.equal(code.mean, torch.tensor([20.0, 5.0, 1.0]).double())
    assert torch.equal(code.deviation, torch.tensor([10.0, 1.0, 1.0]).double())  # what does not vary keeps its unit
    moved = VectorCode(3, 4).double()
    moved.load_state_dict({**code.state_dict(), "mean": code.mean + 7, "deviation": 2 * code.deviation})
    torch.testing.assert_close(code(y), moved(2 * (y - code.mean) + code.mean + 7))


# Texts


def test_a_text_says_something_and_an_unknown_one_nothing() -> None:
    model = conditional(FAMILIES["ladder-residual"], TEXT)
    x = data(1).x.expand(3, *SHAPE)
    y = torch.tensor([[2, 3, 0, 0], [3, 2, 0, 0], [-1, -1, -1, -1]])
    values, blind = elbo(model, Datum(x, {"text": y})), elbo(model, Datum(x))
    assert torch.equal(values[2], blind[2]) and values[0] != values[1] and values[0] != blind[0]
    (values.sum()).backward()
    weights = model.get_submodule("condition").named_parameters()
    assert not [at for at, p in weights if p.grad is None or not bool(p.grad.abs().sum() > 0)]


def test_a_text_must_be_one_of_its_tokens_and_length() -> None:
    model = conditional(FAMILIES["ladder-residual"], replace(TEXT, drop=0.0))
    for y, line in (
        (torch.tensor([[2, 5, 0, 0]]), "a text of 4 tokens from 0 to 4, got 0 to 5"),
        (torch.full((1, 4), -1), "a text of 4 tokens from 0 to 4, got -1"),
        (torch.tensor([[2, 0]]), r"expected shape \(1, 4\)"),
        (torch.zeros(1, 4), "got values of torch.float32"),
    ):
        with pytest.raises(HvaeError, match=line):
            model(data(1, text=y))


# What is wrong


@pytest.mark.parametrize(
    ("config", "condition", "line"),
    [
        (PixelCNNConfig(width=4), CLASS, "pixelcnn takes no condition"),
        (VAEConfig(), ConditionConfig(kind="class"), "model.condition.classes: expected how many classes"),
        (VAEConfig(), ConditionConfig(kind="vector"), "model.condition.numbers: expected how many numbers"),
        (VAEConfig(), ConditionConfig(kind="text"), "model.condition.classes: expected how many classes"),
        (VAEConfig(), ConditionConfig(kind="text", classes=9), "model.condition.numbers: expected how many numbers"),
        (VAEConfig(), replace(TEXT, heads=3), "model.condition.width: expected a multiple of model.condition.heads"),
        (FAMILIES["vdm"], replace(CLASS, drop=0.0, classifier=(8,)), "guesses no class"),
        (FAMILIES["vdm"], replace(CLASS, enters="priors"), "model.condition.enters: expected levels"),
        (LadderConfig(groups=(1, 2)), replace(CLASS, levels=("z4",)), "no level named 'z4'; did you mean"),
    ],
)
def test_what_cannot_be_built_is_said(config: ModelConfig, condition: ConditionConfig, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        build(replace(config, condition=condition), shape=SHAPE, bits=1)


def test_a_norm_that_would_hide_it_is_refused() -> None:
    with pytest.raises(HvaeError, match=r"model\.norm: expected group with a condition and model\.widths 16,32"):
        replace(FAMILIES["vdm"], widths=(16, 32), condition=CLASS)
    replace(FAMILIES["vdm"], widths=(16, 48), condition=CLASS)


def test_one_denoiser_hears_it_at_every_level_or_at_none() -> None:
    with pytest.raises(HvaeError, match=r"model\.condition\.levels: expected all for vdm, .*, got z3"):
        replace(FAMILIES["vdm"], condition=replace(CLASS, levels=("z3",)))


@pytest.mark.parametrize("keys", [{"drop": 0.1}, {"kind": "class", "levels": "all,z1"}, {"kind": "class", "drop": 1.5}])
def test_what_cannot_be_meant_is_said(keys: dict[str, object]) -> None:
    with pytest.raises(HvaeError, match=r"model\.condition\."):
        ConditionConfig(**keys)  # type: ignore[arg-type]


# A linear-Gaussian model given its class


def cases() -> tuple[Tensor, Tensor]:
    torch.manual_seed(4)
    return torch.rand(4, DIMS).double(), torch.tensor([0, 1, 2, -1])


def test_with_the_exact_posterior_every_bound_is_the_evidence_given_the_class() -> None:
    model, (x, label) = linear_gaussian(), cases()
    evidence = model.evidence(Datum(x, {"label": label}))
    expected = log_evidence(model, x, label)
    for _ in range(3):
        torch.testing.assert_close(run(model, posterior, evidence).log_weight(), expected)
    weights = run(model, posterior, evidence.repeat(5)).log_weight().view(4, 5)
    torch.testing.assert_close(weights.logsumexp(1) - math.log(5), expected)


def test_with_another_posterior_the_elbo_lacks_its_divergence_and_the_iwae_bound_less() -> None:
    model, (x, label) = linear_gaussian(shift=0.3), cases()
    evidence, k, repeats = model.evidence(Datum(x, {"label": label})), 10, 20_000
    torch.manual_seed(0)
    weights = run(model, posterior, evidence.repeat(repeats)).log_weight().view(4, repeats).detach()
    lost = DIMS * 0.3**2 / (2 / (1 / T**2 + W**2 / S**2))  # KL of two Gaussians of one width
    error = 4 * weights.std(1).max() / math.sqrt(repeats)
    expected = log_evidence(model, x, label).detach()
    assert float((weights.mean(1) - (expected - lost)).abs().max()) < error
    bound = (weights.view(4, -1, k).logsumexp(2) - math.log(k)).mean(1)
    assert bool((bound > expected - lost + error).all()) and bool((bound < expected + error).all())


def test_samples_have_the_moments_of_their_class() -> None:
    model, n = linear_gaussian(), 40_000
    for label in (0, 2, -1):
        torch.manual_seed(1)
        with torch.no_grad():
            z = run(model, prior(), Evidence(n, context={"label": torch.full((n,), label)}))["z1"].value
        torch.testing.assert_close(z.mean(0), means(model, torch.tensor(label)), atol=5 * T / math.sqrt(n), rtol=0)
        torch.testing.assert_close(z.std(0), torch.full((DIMS,), T).double(), atol=0.02, rtol=0)
