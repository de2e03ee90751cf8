"""The hall on its own: names that recur in time, context, weights, masks, thinned walks, sites known in two halves."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from hvae.condition import Condition
from hvae.config.model import VAEConfig
from hvae.datum import Datum
from hvae.distributions import Normal, Steps, standard_normal
from hvae.draw import Draw, Drawn, by_step, each, given, masked, mode, posterior, prior, replay, thin
from hvae.errors import HvaeError
from hvae.objectives import ELBO, IWAE, STL
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model, Trace, glimpse, names, run
from hvae.zoo import build


class InTime(Model):
    """Five steps of one latent and one datum each: z_t drifts from z_{t-1}, x_t looks at z_t."""

    def __init__(self) -> None:
        super().__init__()
        self.shape, self.steps = (5,), 5
        self.drift = nn.Parameter(torch.tensor(0.9, dtype=torch.float64))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"seen": datum.x}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        z, xs, seen = self.drift.new_zeros(evidence.n), [], evidence.feature("seen")
        for t in range(self.steps):
            mask = None if evidence.lengths is None else t < evidence.lengths
            p = Normal(self.drift * z, torch.ones_like(z))
            q = None if seen is None else Normal((seen[:, t] + p.loc) / 2, 0.5 * torch.ones_like(z))
            z = visit(Site("z", p, q, step=t, mask=mask))
            x = None if evidence.x is None else evidence.x[:, t]
            xs.append(visit(Site("x", Normal(z, torch.ones_like(z)), value=x, step=t, mask=mask, data=True)))
        return torch.stack(xs, 1)  # (n, T)


class Labelled(Model):
    """p(x | z, y): the mean of x is z plus the label; the label is a class of three, or unknown."""

    def __init__(self, optional: bool = False) -> None:
        super().__init__()
        self.shape, self.scale = (2,), nn.Parameter(torch.ones(()))
        self.conditions = {"label": Condition(classes=3, optional=optional)}

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"rest": datum.x - datum.context["label"][:, None]}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        rest, p = evidence.feature("rest"), standard_normal(self.scale.new_zeros(evidence.n), (2,))
        z = visit(Site("z1", p, None if rest is None else Normal(rest / 2, torch.full_like(rest, 0.5))))
        loc = z + evidence.context["label"][:, None]
        return visit(evidence.site(Normal(loc, self.scale.expand_as(loc))))


class Thinned(Model):
    """Eight levels in closed form, of which a walk visits those that it is told to; level t costs t + 1 nats."""

    def __init__(self) -> None:
        super().__init__()
        self.shape, self.off = (1,), nn.Parameter(torch.zeros((), dtype=torch.float64))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        like = self.off.new_zeros(evidence.n, 1)
        chosen = visit(Site("t", Steps(like, 8), auxiliary=True))  # (n, K)
        for k, t in enumerate(chosen.unbind(1)):
            loc = (2 * (t + 1)).sqrt()[:, None].to(like)
            p, q = Normal(like, like + 1), Normal(loc, like + 1)
            visit(Site("z", p, None if evidence.x is None else q, step=k, weight=8 / chosen.shape[1]))
        return visit(evidence.site(Normal(like + self.off, like + 1)))


def x(n: int = 4) -> Tensor:
    return torch.randn(n, 5, dtype=torch.float64)


def test_steps_of_one_name_are_kept_apart_and_summed() -> None:
    trace = InTime()(x())
    assert [key for key, side in trace.visits if side == "p"] == [(n, t) for t in range(5) for n in ("z", "x")]
    assert list(trace.rates()) == ["z"]
    torch.testing.assert_close(trace.rates()["z"], sum(record.rate() for record in trace.latents))
    torch.testing.assert_close(trace.elbo(), trace.log_likelihood() - trace.rates()["z"])
    assert names(InTime()) == ["z"]


@pytest.mark.parametrize("again", [replay, given])
def test_the_values_of_a_trace_give_its_weight_again(again: object) -> None:
    model, data = InTime(), x()
    trace = model(data)
    assert list(trace.values())[:2] == [("z", 0), ("x", 0)]
    repeated = run(model, again(trace.values()), model.evidence(data))  # type: ignore[operator]
    torch.testing.assert_close(repeated.log_weight(), trace.log_weight())


def test_a_series_and_its_steps() -> None:
    model, data = InTime(), x()
    trace = model(data)
    assert trace.series("z").shape == (4, 5) and trace["z", 3].value.equal(trace.series("z")[:, 3])
    latents = by_step("z", trace.series("z"))
    torch.testing.assert_close(run(model, given(latents), model.evidence(data)).log_weight(), trace.log_weight())
    with pytest.raises(HvaeError, match=r"z recurs at 5 steps: ask for trace\['z', step\]"):
        trace["z"]
    with pytest.raises(HvaeError, match="no variable with steps named 'y'"):
        trace.series("y")
    with pytest.raises(HvaeError, match="no variable named 'z\\[7\\]'; did you mean"):
        trace["z", 7]


@pytest.mark.parametrize(
    "hide", [lambda d: d, lambda d: each({"x": prior()}, d), lambda d: masked(torch.ones(2).bool(), d, d)]
)
def test_one_value_for_a_name_that_recurs_is_refused(hide: object) -> None:
    draw = hide(given({"z": torch.zeros(2, dtype=torch.float64)}, prior()))  # type: ignore[operator]
    with pytest.raises(HvaeError, match="z recurs in time, but one value was given for it; give each step"):
        run(InTime(), draw, n=2)


def test_one_step_can_be_pinned_or_drawn_by_itself() -> None:
    pinned = run(InTime(), given({("z", 2): torch.full((3,), 7.0, dtype=torch.float64)}, prior()), n=3)
    assert (pinned["z", 2].value == 7).all() and not (pinned["z", 1].value == 7).any()
    cold = run(InTime(), each({("z", 4): mode}, prior()), n=3)
    torch.testing.assert_close(cold["z", 4].value, cold["z", 4].law.mode())
    with pytest.raises(HvaeError, match="z is visited at steps 0 to 4, got step 9; choose one of these"):
        run(InTime(), each({("z", 9): mode}, prior()))


def test_keyed_values_is_a_deprecated_name() -> None:
    trace = InTime()(x())
    with pytest.warns(DeprecationWarning, match="Trace.values"):
        assert list(trace.keyed_values()) == list(trace.values())


def test_unused_names_raise_wherever_they_hide() -> None:
    model = InTime()
    hidden = each({"z": given({"y": torch.zeros(1)}, prior())}, prior())
    for draw in (given({"y": torch.zeros(1)}, prior()), each({"zz": prior()}, prior()), hidden):
        with pytest.raises(HvaeError, match=r"no level named '\w+'.*Known: z, x"):
            run(model, draw)


def test_given_without_evidence_costs_its_prior_alone() -> None:
    z = torch.full((1,), 0.5, dtype=torch.float64)
    trace = run(InTime(), given({("z", 0): z}, mode))
    record = trace.latents[0]
    assert record.proposal is None and record.divergence()[1] == "given"
    torch.testing.assert_close(record.log_weight(), record.p.log_prob(z))
    torch.testing.assert_close(record.rate(), -record.p.log_prob(z))


def test_a_site_learns_its_other_side_and_keeps_its_value() -> None:
    ones = torch.ones(1)
    q, p = standard_normal(ones, (1,)), Normal(ones[:, None], ones[:, None])
    first = Site("z", q=q, value=ones, proposal=q)
    second = Site("z", p=p).knowing(first)
    assert second.q is q and second.p is p and second.value is ones and second.late
    assert not Site("z", p=p, q=q).late


def test_a_draw_of_ones_own() -> None:
    class Zero(Draw):
        def __call__(self, site: Site) -> Drawn:
            assert site.p is not None
            return Drawn(torch.zeros_like(site.p.mode()), site.p)

    assert not run(InTime(), Zero(), n=3).x.any()


def test_posterior_without_evidence_is_the_prior() -> None:
    trace = run(InTime(), posterior, n=2)
    assert all(record.proposal is record.p for record in trace.latents)


# Context


def test_context_reaches_features_and_walk_and_is_repeated() -> None:
    model, y = Labelled(), torch.tensor([0, 2])
    evidence = model.evidence(torch.zeros(2, 2), {"label": y}).repeat(3)
    assert evidence.n == 6 and evidence.context["label"].tolist() == [0, 0, 0, 2, 2, 2]
    assert evidence.features["rest"][3:].eq(-2).all()
    assert model(Datum(torch.zeros(2, 2), {"label": y, "writer": y})).elbo().shape == (2,)


@pytest.mark.parametrize(("context", "labels"), [({"label": torch.tensor([1, 2])}, [1, 2]), ({"label": 2}, [2])])
def test_context_of_generation_says_how_many_rows(context: dict[str, object], labels: list[int]) -> None:
    trace = run(Labelled(), each({"z1": mode}, mode), context=context)  # type: ignore[arg-type]
    assert trace.x[:, 0].tolist() == labels
    assert len(run(Labelled(), prior(), n=4, context={"label": 1}).x) == 4


@pytest.mark.parametrize(
    ("context", "line"),
    [
        (None, "this model is conditional: 'label' is a class from 0 to 2; give it as context={'label': ...}"),
        ({"lable": 1}, "no condition named 'lable'; did you mean 'label'"),
        ({"label": 3}, r"context\['label'\]: expected a class from 0 to 2, got 3"),
        ({"label": [0, 1, 2, -1]}, r"context\['label'\]: expected a class from 0 to 2, got -1 to 2"),
        ({"label": 1.5}, r"context\['label'\]: expected a class from 0 to 2.*got values of torch.float32"),
        ({"label": torch.tensor([1, 2])}, r"context\['label'\]: expected shape \(4,\) \(or one row\), got \(2,\)"),
        ({"label": torch.ones(4, 2, dtype=torch.int64)}, r"expected shape \(4,\).*got \(4, 2\)"),
        ({"label": "three"}, r"context\['label'\]: expected a number, or a tensor or list of them, got 'three'"),
        (torch.ones(4, dtype=torch.int64), "context: expected values by name.*got Tensor"),
        ([1, 2, 0, 1], "context: expected values by name.*got list"),
        (3, "context: expected values by name.*got int"),
    ],
)
def test_a_context_that_does_not_fit_is_one_line(context: dict[str, object] | None, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        run(Labelled(), prior(), n=4, context=context)  # type: ignore[arg-type]
    with pytest.raises(HvaeError, match=line):
        Labelled().evidence(torch.zeros(4, 2), context)  # type: ignore[arg-type]


def test_a_model_without_conditions_takes_no_context() -> None:
    with pytest.raises(HvaeError, match=r"this model has no conditions, got context\['label'\]"):
        run(InTime(), prior(), context={"label": 1})
    assert InTime()(Datum(x(), {"label": torch.zeros(4, dtype=torch.int64)})).elbo().isfinite().all()


def test_evidence_by_hand_without_its_context_is_refused() -> None:
    with pytest.raises(HvaeError, match="this model is conditional"):
        run(Labelled(), prior(), Evidence(3))


def test_an_optional_condition_may_be_unknown() -> None:
    assert run(Labelled(optional=True), prior(), n=2).x.shape == (2, 2)
    assert Labelled(optional=True).nothing(2).context["label"].tolist() == [-1, -1]
    vector = Condition(shape=(2,), optional=True)
    assert vector.unknown(3, torch.device("cpu")).isnan().all()
    assert vector.rows("vector", [[0.0, torch.nan]], 1, torch.device("cpu")).isnan().any()
    assert Labelled(optional=True).nothing(2, {"label": [1, -1]}).context["label"].tolist() == [1, -1]


@pytest.mark.parametrize(("optional", "value"), [(False, torch.nan), (False, torch.inf), (True, torch.inf), (True, 1j)])
def test_numbers_of_a_condition_are_finite_or_unknown(optional: bool, value: complex) -> None:
    condition = Condition(shape=(2,), optional=optional)
    with pytest.raises(HvaeError, match="expected finite numbers"):
        condition.rows("vector", torch.tensor([[0.0, value]]), 1, torch.device("cpu"))


def test_names_of_a_conditional_model_need_no_context() -> None:
    assert names(Labelled()) == ["z1"] and glimpse(Labelled(), 3).x.shape == (3, 2)


# Masks, weights, what is observed


@pytest.mark.parametrize("objective", [ELBO(), IWAE(1), STL()])
def test_padding_enters_no_number(objective: ELBO | IWAE | STL) -> None:
    model, data = InTime(), x(6)
    lengths = torch.tensor([5, 3, 1, 0, 5, 2])
    exists = torch.arange(5) < lengths[:, None]
    numbers = []
    for filling in (0.0, 1e6):
        torch.manual_seed(0)
        evidence = model.evidence(Datum(torch.where(exists, data, filling), lengths=lengths))
        trace = run(model, objective.draw, evidence.repeat(objective.samples))
        loss = objective(trace, 0)
        (gradient,) = torch.autograd.grad(loss.total, [model.drift])
        numbers.append(torch.stack([loss.total.detach(), gradient, *(t.double() for t in loss.terms.values())]))
    torch.testing.assert_close(*numbers)


def test_a_masked_row_costs_what_its_steps_cost() -> None:
    model, data = InTime(), x(2)
    torch.manual_seed(0)
    trace = run(model, posterior, model.evidence(Datum(data, lengths=torch.tensor([2, 5]))))
    for score in ("log_likelihood", "log_weight", "rate"):
        parts = torch.stack([getattr(trace[name, t], score)() for name in ("z", "x") for t in range(5)], 1)
        assert not parts[0, 2:5].any() and parts[1, 2:5].all() and parts[0, :2].all()


def test_weights_scale_what_a_site_costs() -> None:
    one = torch.ones(2, dtype=torch.float64)
    p, q = Normal(one, one), Normal(0 * one, one)
    trace = Trace()
    for name, weight in (("a", 1.0), ("b", 3.0), ("c", torch.tensor([3.0, 0.0], dtype=torch.float64))):
        trace.note(Site(name, p, q, weight=weight), one, q)
    rates = trace.rates()
    torch.testing.assert_close(rates["b"], 3 * rates["a"])
    torch.testing.assert_close(rates["c"], torch.stack([3 * rates["a"][0], 0 * one[0]]))
    torch.testing.assert_close(trace["b"].log_weight(), 3 * trace["a"].log_weight())
    torch.testing.assert_close(trace["c"].log_weight()[0], 3 * trace["a"].log_weight()[0])


def test_a_weighted_likelihood_counts_alike_in_every_bound() -> None:
    one = torch.ones(3, 2, dtype=torch.float64)
    trace = Trace()
    trace.note(Site("x", Normal(0 * one, one), weight=5.0, data=True), one, None)
    torch.testing.assert_close(trace.elbo(), trace.log_weight())
    torch.testing.assert_close(trace.elbo(), 5 * trace["x"].log_prob())
    torch.testing.assert_close(-IWAE(1)(trace, 0).total, -ELBO()(trace, 0).total)


def test_thinned_walks_keep_every_sum_in_expectation() -> None:
    model, data = Thinned(), torch.zeros(4000, 1, dtype=torch.float64)
    whole = run(model, posterior, model.evidence(data[:1]))
    torch.testing.assert_close(whole.rates()["z"], torch.full((1,), 36.0, dtype=torch.float64))
    for count in (1, 2, 8):
        thinned = run(model, thin(count), model.evidence(data))
        assert len([key for key in thinned.records if key[0] == "z"]) == count
        assert thinned.rates()["z"].mean() == pytest.approx(36.0, rel=0.01)
    assert list(thinned.rates()) == ["z"] and thinned["t"].auxiliary
    with pytest.raises(HvaeError, match="expected 1 to 8 steps of a walk, got 9"):
        run(model, thin(9), model.evidence(data[:1]))


def test_steps_are_all_visited_equally_often_in_every_row() -> None:
    torch.manual_seed(0)
    chosen = torch.stack([Steps(torch.zeros(5, 1), 7, 3).sample() for _ in range(4000)])  # (4000, 5, 3)
    counts = torch.stack([(chosen == t).any(2).float().mean(0) for t in range(7)])  # (7, 5)
    torch.testing.assert_close(counts, torch.full((7, 5), 3 / 7), atol=0.04, rtol=0)


def test_what_is_not_observed_does_not_count() -> None:
    model, y = Labelled(), {"label": torch.tensor([1, 1])}
    data = torch.tensor([[0.3, torch.nan], [0.3, 0.4]])
    evidence = model.evidence(Datum(data, y, observed=~data.isnan()))
    assert evidence.data[0, 1] == 0
    trace = run(model, posterior, evidence)
    whole = trace["x"].law.log_prob(trace["x"].value)
    torch.testing.assert_close(trace["x"].log_prob(), torch.stack([whole[0, 0], whole[1].sum()]))
    (gradient,) = torch.autograd.grad(trace.elbo().sum(), [model.scale])
    assert gradient.isfinite()


def test_everything_observed_equals_no_mask() -> None:
    model, data, y = Labelled(), torch.randn(3, 2), {"label": torch.tensor([0, 1, 2])}
    elbos = []
    for observed in (None, torch.ones(3, 2, dtype=torch.bool)):
        torch.manual_seed(0)
        elbos.append(model(Datum(data, y, observed=observed)).elbo())
    assert torch.equal(*elbos)


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({"observed": torch.ones(4, 4, dtype=torch.bool)}, r"observed: expected bool of the shape of x, \(4, 5\)"),
        ({"observed": torch.ones(4, 5)}, "observed: expected bool"),
        ({"lengths": torch.ones(3, dtype=torch.int64)}, "lengths: expected 4 whole numbers"),
        ({"lengths": torch.tensor([1, 2, 3, 6])}, "lengths: expected 0 to 5 steps, got 1 to 6"),
        ({"observed": [True] * 4}, "observed: expected a tensor, got list"),
        ({"lengths": [5, 5, 5, 5]}, "lengths: expected a tensor, got list"),
        ({"context": [1, 2, 3, 4]}, "context: expected values by name.*got list"),
    ],
)
def test_parts_of_a_datum_that_do_not_fit(parts: dict[str, Tensor], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        InTime().evidence(Datum(x(), **parts))


def test_a_likelihood_over_channels_needs_whole_pixels() -> None:
    from hvae.config.model import LVAEConfig
    from hvae.zoo import build

    model = build(LVAEConfig(latents=(2,), widths=(4,), likelihood="dmol"), shape=(3, 2, 2), bits=8).eval()
    observed = torch.ones(1, 3, 2, 2, dtype=torch.bool)
    observed[0, :, 0, 0] = False
    assert model(Datum(torch.zeros(1, 3, 2, 2), observed=observed)).elbo().isfinite().all()
    observed[0, 0, 1, 1] = False
    with pytest.raises(HvaeError, match="one number for all channels"):
        model(Datum(torch.zeros(1, 3, 2, 2), observed=observed)).elbo()


class NoLatents(Model):
    """An autoregressive baseline has no latents: p(x_2 | x_1) p(x_1)."""

    def __init__(self) -> None:
        super().__init__()
        self.shape, self.pull = (2,), nn.Parameter(torch.tensor(0.5))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        known = (None, None) if evidence.x is None else evidence.x.unbind(1)
        one = self.pull.new_ones(evidence.n)
        first = visit(Site("x", Normal(0 * one, one), value=known[0], step=0, data=True))
        second = visit(Site("x", Normal(self.pull * first, one), value=known[1], step=1, data=True))
        return torch.stack([first, second], 1)


@pytest.mark.parametrize("objective", [ELBO(), IWAE(2), STL()])
def test_models_without_latents_train_and_sample(objective: ELBO | IWAE | STL) -> None:
    model = NoLatents()
    evidence = model.evidence(torch.randn(6, 2)).repeat(objective.samples)
    trace = run(model, objective.draw, evidence)
    assert names(model) == [] and trace.rates() == {} and not trace.penalty().any()
    torch.testing.assert_close(trace.elbo(), trace.log_weight())
    objective(trace, 0).total.backward()
    assert model.pull.grad is not None and run(model, prior(), n=3).x.shape == (3, 2)


def test_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(InTime(), given(InTime()(x(1)).values()), InTime().evidence(x(1)))


def test_given_values_have_the_shape_of_their_variable() -> None:
    model = Labelled()
    for value in (torch.zeros(1, 2), torch.zeros(()), torch.zeros(5, 2), torch.zeros(3, 1)):
        with pytest.raises(HvaeError, match=r"z1: expected a given value of shape \(3, .*got"):
            run(model, given({"z1": value}, prior()), n=3, context={"label": 1})


@pytest.mark.parametrize("t", [-1.0, math.nan, math.inf])
def test_temperatures_that_are_none(t: float) -> None:
    with pytest.raises(HvaeError, match="expected a temperature of 0 or more"):
        prior(t)


@pytest.mark.parametrize("count", [0, 7, 2.5])
def test_counts_of_steps_that_are_none(count: int) -> None:
    with pytest.raises(HvaeError, match="expected 1 to 6 steps of a walk"):
        Steps(torch.zeros(2, 1), 6).thinned(count)


def test_a_walk_that_counts_what_does_not_exist_is_refused() -> None:
    class Heedless(Labelled):
        def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
            return super().walk(visit, replace(evidence, observed=None, lengths=None))

    data, label = torch.zeros(2, 2), {"label": torch.tensor([0, 1])}
    with pytest.raises(HvaeError, match="does not heed `observed`"):
        Heedless()(Datum(data, label, observed=torch.zeros(2, 2).bool()))
    with pytest.raises(HvaeError, match="does not heed `lengths`"):
        Heedless()(Datum(data, label, lengths=torch.tensor([0, 1])))


@pytest.mark.parametrize(
    ("shape", "got", "advice"),
    [
        ((1, 8, 8), (5, 8, 8), "; give them an axis for the one channel: x[:, None]"),
        ((3, 8, 6), (5, 8, 6, 3), "; put the channels before height and width"),
        ((1, 8, 8), (5, 1, 9, 9), ""),
        ((64,), (5, 8, 8), ""),
    ],
)
def test_data_that_only_lack_an_axis_are_told_which(shape: tuple[int, ...], got: tuple[int, ...], advice: str) -> None:
    model = build(VAEConfig(latent=2, widths=(4,)), shape=shape, bits=1)
    with pytest.raises(HvaeError) as error:
        model(torch.zeros(got))
    assert str(error.value).endswith(f"got {got}{advice}")
