from __future__ import annotations

import json
import math

import pytest
import torch
from families import data, family
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian
from torch import Tensor, nn

from hvae.distributions import Normal
from hvae.draw import given, mode, posterior, prior
from hvae.errors import HvaeError
from hvae.metrics.mutual import MutualResult, mutual
from hvae.walk import names, run

WALKS = [TopDownGaussian, BottomUpGaussian]


def drawn_from(model: LinearGaussian, n: int) -> Tensor:
    torch.manual_seed(2)
    return run(model, prior(), n=n).x.detach()


class Joint:
    """Mean and covariance of (x, z first drawn, z drawn second) under q, x from the model: all is linear-Gaussian."""

    def __init__(self, model: LinearGaussian, order: tuple[str, str]) -> None:
        w = model.weight().detach()
        x = (w * model.variances()["z1"]) @ w.T + 0.25 * torch.eye(len(w), dtype=w.dtype)
        self.model, self.mean, self.cov = model, torch.zeros(len(w), dtype=w.dtype), x.detach()
        self.rows: dict[str, slice] = {"x": slice(0, len(w))}
        for name in order:
            self._append(name)

    def _append(self, name: str) -> None:
        size = len(self.mean)
        points = torch.cat([torch.zeros(1, size), torch.eye(size)]).double()
        known = {other: points[:, at] for other, at in self.rows.items() if other != "x"}
        evidence = self.model.evidence(points[:, self.rows["x"]])
        with torch.no_grad():
            q = run(self.model, given(known, mode), evidence)[name].q
        a, b, noise = (q.loc[1:] - q.loc[0]).T, q.loc[0], torch.diag(q.scale[0] ** 2)
        cross = a @ self.cov
        self.cov = torch.cat([torch.cat([self.cov, cross.T], 1), torch.cat([cross, cross @ a.T + noise], 1)], 0)
        self.mean = torch.cat([self.mean, a @ self.mean + b])
        self.rows[name] = slice(size, size + len(b))

    def entropy(self, name: str, known: tuple[str, ...]) -> float:
        """Of a variable given others, up to the constant that all Gaussians of its size share."""

        def log_det(names: tuple[str, ...]) -> Tensor:
            at = torch.cat([torch.arange(len(self.mean))[self.rows[n]] for n in names]) if names else torch.arange(0)
            return torch.logdet(self.cov[at][:, at]) if len(at) else torch.tensor(0.0)

        return 0.5 * float(log_det((name, *known)) - log_det(known))

    def information(self, name: str, known: tuple[str, ...] = ()) -> float:
        return self.entropy(name, known) - self.entropy(name, ("x", *known))


def order_of(model: LinearGaussian) -> tuple[str, str]:
    return ("z2", "z1") if isinstance(model, TopDownGaussian) else ("z1", "z2")


@pytest.fixture(params=WALKS, ids=lambda w: w.__name__)
def model(request: pytest.FixtureRequest) -> LinearGaussian:
    return request.param(2).loosened(shift=0.3, spread=-0.1)


@pytest.fixture
def found(model: LinearGaussian) -> MutualResult:
    # A population that is large against the batch: own weights vanish, and the sum is over the distribution of x.
    return mutual(model, drawn_from(model, 1500).split(500), population=10**7)


def near(value: float, within: float = 0.06) -> object:
    return pytest.approx(value, abs=within)


def test_each_level_says_what_theory_says(model: LinearGaussian, found: MutualResult) -> None:
    first, second = order_of(model)
    joint = Joint(model, (first, second))
    levels = found.levels
    assert list(levels) == ["z2", "z1"]
    assert levels[first].information_nats.stratified.mean == near(joint.information(first))
    assert levels[second].information_nats.stratified.mean == near(joint.information(second, (first,)))
    whole = joint.information(first) + joint.information(second, (first,))
    assert found.total.information_nats.stratified.mean == near(whole)


def test_the_bounds_enclose_it(model: LinearGaussian, found: MutualResult) -> None:
    first, second = order_of(model)
    joint = Joint(model, (first, second))
    for information, truth in (
        (found.levels[first].information_nats, joint.information(first)),
        (found.total.information_nats, joint.information(first) + joint.information(second, (first,))),
    ):
        error = 4 * information.at_least.standard_error
        assert information.at_least.mean - error < truth < information.at_most.mean + error
        assert information.at_least.mean < information.at_most.mean
        assert information.at_least.mean == near(truth, 0.15)


def test_the_marginal_kl_is_that_of_two_gaussians(model: LinearGaussian, found: MutualResult) -> None:
    joint = Joint(model, order_of(model))
    keep = torch.cat([torch.arange(len(joint.mean))[joint.rows[name]] for name in ("z2", "z1")])
    q = torch.distributions.MultivariateNormal(joint.mean[keep], joint.cov[keep][:, keep])
    v, gain = model.variances(), torch.diag(model.gain["z1"])
    p_cov = torch.cat([torch.cat([torch.eye(2), gain], 1), torch.cat([gain, torch.diag(v["z1"])], 1)]).detach()
    p = torch.distributions.MultivariateNormal(torch.zeros(4, dtype=q.loc.dtype), p_cov.double())
    exact = float(torch.distributions.kl_divergence(q, p))
    assert exact > 0.1
    assert found.total.marginal_kl_nats.mean == near(exact)
    if isinstance(model, TopDownGaussian):
        top = Normal(joint.mean[joint.rows["z2"]], joint.cov.diagonal()[joint.rows["z2"]].sqrt())
        exact_top = float(0.5 * (top.scale**2 + top.loc**2 - 1 - 2 * top.scale.log()).sum())
        assert found.levels["z2"].marginal_kl_nats.mean == near(exact_top)


def test_with_the_exact_posterior_the_aggregate_is_the_prior() -> None:
    model = TopDownGaussian(2)
    found = mutual(model, drawn_from(model, 1500).split(500), population=10**7)
    for level in (*found.levels.values(), found.total):
        # Below zero by the bias of 500 data a batch.
        assert level.marginal_kl_nats.mean == near(0.0)
        assert level.information_nats.stratified.mean == near(level.rate_nats.mean)


def test_the_rate_decomposes_exactly(found: MutualResult) -> None:
    for level in (*found.levels.values(), found.total):
        parts = level.information_nats.stratified.mean + level.marginal_kl_nats.mean
        assert level.rate_nats.mean == pytest.approx(parts)
    for of in ("rate_nats", "marginal_kl_nats"):
        total = sum(getattr(level, of).mean for level in found.levels.values())
        assert getattr(found.total, of).mean == pytest.approx(total)


def test_held_levels_are_compared_on_replayed_values() -> None:
    # q(z1 given x, z2) = N(a x + b z2, s): with z2 replayed and x' free, z1 is N(b z2, a C a' + s).
    model = TopDownGaussian(2)
    joint = Joint(model, ("z2", "z1"))
    x, z2, z1 = (joint.rows[name] for name in ("x", "z2", "z1"))
    known = joint.cov[: z2.stop, : z2.stop]
    a = torch.linalg.solve(known, joint.cov[: z2.stop, z1]).T[:, x]
    noise = joint.cov[z1, z1] - joint.cov[z1, : z2.stop] @ torch.linalg.solve(known, joint.cov[: z2.stop, z1])
    spread = a @ joint.cov[x, x] @ a.T + noise
    # E log q(z1 given x, z2) - log N(z1; b z2, spread): a x + noise has covariance `spread` only if x is free of z2,
    # but its own marginal covariance is the same, so the quadratic terms cancel.
    exact = 0.5 * float(torch.logdet(spread) - torch.logdet(noise))
    found = mutual(model, drawn_from(model, 1500).split(500), population=10**7).levels
    assert found["z1"].held_nats.stratified.mean == near(exact)
    assert found["z1"].held_nats.stratified.mean > found["z1"].information_nats.stratified.mean + 0.1
    assert found["z2"].held_nats == found["z2"].information_nats


def test_what_q_reads_off_the_level_below_says_nothing_new() -> None:
    model = BottomUpGaussian(2)
    level = mutual(model, drawn_from(model, 400).split(200)).levels["z2"]
    for information in (level.information_nats, level.held_nats):
        assert abs(information.stratified.mean) < 1e-9
    # ... and yet it spends nats, which the levels below get back: no KL of this level alone.
    assert level.rate_nats.mean > 0.1


def test_one_batch_of_everything_needs_no_estimate() -> None:
    model = TopDownGaussian(1)
    x = drawn_from(model, 40)
    found = mutual(model, [x], seed=3)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        trace = run(model, posterior, model.evidence(x))
    z, q = trace["z1"].value, trace["z1"].q
    log_q = torch.stack([Normal(q.loc[j], q.scale[j]).log_prob(z).sum(1) for j in range(40)])  # (x', z)
    aggregate = log_q.logsumexp(0) - math.log(40)
    direct = (log_q.diagonal() - aggregate).mean()
    closed = found.levels["z1"]
    # The control variate takes noise off, whose mean over these draws is known.
    assert closed.information_nats.stratified.mean == near(float(direct), 0.3)
    assert closed.information_nats.stratified == closed.information_nats.at_least
    assert closed.information_nats.weighted.mean == pytest.approx(
        closed.information_nats.stratified.mean + math.log(40)
    )


def test_chunks_and_repetition_change_nothing(model: LinearGaussian) -> None:
    x = drawn_from(model, 60).split(20)
    whole, pieces = mutual(model, x), mutual(model, x, chunk_rows=1)
    assert pieces.levels["z1"].rate_nats == pytest.approx(whole.levels["z1"].rate_nats)
    assert pieces.total.held_nats.stratified.mean == pytest.approx(whole.total.held_nats.stratified.mean)
    assert whole == mutual(model, x)


@pytest.mark.parametrize("walk", WALKS)
def test_a_collapsed_model_says_nothing(walk: type[LinearGaussian]) -> None:
    model = walk(2)
    nn.init.zeros_(model.width)
    found = mutual(model, drawn_from(model, 300).split(100))
    for level in (*found.levels.values(), found.total):
        assert abs(level.information_nats.stratified.mean) < 1e-9
    # What the weighted estimate is for a level that says nothing: log N.
    assert found.total.information_nats.weighted.mean == pytest.approx(math.log(300))
    assert not found.saturated and not any(level.saturated for level in found.levels.values())


def test_a_level_before_the_ceiling_is_not_full() -> None:
    model = TopDownGaussian(2)
    nn.init.constant_(model.spread["z1"], -6.0)
    found = mutual(model, drawn_from(model, 200).split(50))
    assert [level.saturated for level in found.levels.values()] == [False, True]


def test_a_posterior_that_knows_each_datum_is_at_the_ceiling() -> None:
    model = TopDownGaussian(2).loosened(shift=0.0, spread=-6.0)
    found = mutual(model, drawn_from(model, 200).split(50))
    top, low = found.levels["z2"], found.levels["z1"]
    assert found.saturated and found.ceiling_nats == math.log(200)
    assert top.information_nats.stratified.mean == pytest.approx(math.log(200), abs=1e-3)
    assert top.information_nats.at_least.mean == pytest.approx(math.log(50), abs=1e-3)
    assert top.saturated and low.saturated and found.total.saturated
    # Nothing is left to say for z1, and held levels show that it would have had something to say.
    assert abs(low.information_nats.stratified.mean) < 1e-3
    assert low.held_nats.stratified.mean == pytest.approx(math.log(200), abs=1e-3)


def test_results_are_plain_json_and_progress_is_told(model: LinearGaussian) -> None:
    told: list[tuple[int, int]] = []
    found = mutual(model, drawn_from(model, 30).split(10), chunk_rows=50, progress=lambda *at: told.append(at))
    assert told == [(done, 30) for done in range(5, 31, 5)], "5 data against 10 are 50 rows"
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["levels"]["z1"]["information_nats"]["stratified"]["mean"] > 0
    assert plain["population"] == 30 and plain["batch"] == 10


def test_a_last_datum_alone_is_left_out_and_one_datum_refused(model: LinearGaussian) -> None:
    assert mutual(model, drawn_from(model, 21).split(10)).data == 20
    with pytest.raises(HvaeError, match="batches of 2 data or more"):
        mutual(model, drawn_from(model, 1).split(1))
    with pytest.raises(HvaeError, match="got no batch"):
        mutual(model, [])


@pytest.mark.parametrize(
    "name", ["vae-conv", "markov-mlp", "lvae-mlp-precision", "vlae-mlp", "ladder-residual", "biva"]
)
def test_families(name: str) -> None:
    model = family(name)
    found = mutual(model, data(12).split(6))
    assert list(found.levels) == names(model)
    for level in (*found.levels.values(), found.total):
        assert math.isfinite(level.rate_nats.mean) and math.isfinite(level.held_nats.stratified.mean)
        assert level.information_nats.stratified.mean < found.ceiling_nats + 1
