from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian
from torch import Tensor
from toys import Idle

from hvae.distributions import Distribution, Normal
from hvae.errors import HvaeError
from hvae.metrics import bounds, estimate
from hvae.metrics.draws import Stream
from hvae.metrics.likelihood import extremes
from hvae.metrics.likelihood_result import LikelihoodResult
from hvae.metrics.results import read_result


@pytest.fixture(params=[TopDownGaussian, BottomUpGaussian])
def model(request: pytest.FixtureRequest) -> LinearGaussian:
    return request.param(2)


def data(n: int = 50) -> Tensor:
    return torch.randn(n, 5, dtype=torch.float64)


@pytest.mark.parametrize("chunk_rows", [1, 30, 1000])
def test_the_exact_posterior_scores_log_p(model: LinearGaussian, chunk_rows: int) -> None:
    x = data()
    result = bounds(model, x.split(20), samples=6, chunk_rows=chunk_rows)
    exact = -model.log_evidence(x).detach()
    assert result.negative_iw_nats.mean == pytest.approx(float(exact.mean()), abs=1e-10)
    assert result.negative_iw_nats.standard_error == pytest.approx(float(exact.std()) / 50**0.5, abs=1e-10)
    assert result.effective_samples == pytest.approx(6.0)
    assert result.data == 50 and result.samples == 6 and result.dims == 5 and result.nonfinite_data == 0


def test_bounds_come_in_order(model: LinearGaussian) -> None:
    x = data(200)
    model.loosened()
    result = bounds(model, [x], samples=300)
    exact = float(-model.log_evidence(x).detach().mean())
    assert exact - 0.04 < result.negative_iw_nats.mean < exact + 0.1 < result.negative_elbo_nats.mean
    rates = sum(level.rate_nats for level in result.levels.values())
    assert result.negative_elbo_nats.mean == pytest.approx(result.reconstruction_nats.mean + rates)
    assert 1 < result.effective_samples < 300


def test_levels_come_top_first_with_dims_and_estimator(model: LinearGaussian) -> None:
    levels = bounds(model, [data()]).levels
    assert list(levels) == ["z2", "z1"]
    assert all(level.dims == 2 for level in levels.values()) and levels["z2"].estimator == "analytic"
    assert levels["z1"].rate_nats_per_dim == levels["z1"].rate_nats / 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.floats(-1000, 1000))
def test_the_stream_does_not_depend_on_its_chunks(chunks: list[int], offset: float) -> None:
    torch.manual_seed(0)
    log_weight = 5 * torch.randn(3, sum(chunks), dtype=torch.float64) + offset
    stream = Stream()
    for part in log_weight.split(chunks, 1):
        stream.add({"log_weight": part, "rate/z1": 2 * part})
    found = stream.per_datum()
    weight = torch.softmax(log_weight, 1)
    torch.testing.assert_close(found["iw"], log_weight.logsumexp(1) - math.log(sum(chunks)))
    torch.testing.assert_close(found["effective"], 1 / (weight**2).sum(1))
    torch.testing.assert_close(found["rate/z1"], 2 * log_weight.mean(1))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 7))
def test_blocks_end_where_they_end_whatever_the_chunks(chunks: list[int], block: int) -> None:
    torch.manual_seed(0)
    chunks = [*chunks, block - sum(chunks) % block]  # all draws together are blocks
    log_weight = 5 * torch.randn(3, sum(chunks), dtype=torch.float64) - 900
    stream, begun = Stream(block=block), Stream(block=block)
    for number, part in enumerate(log_weight.split(chunks, 1)):
        stream.add({"log_weight": part})
        begun = Stream(begun.sums_so_far(), block) if number else begun
        begun.add({"log_weight": part})
    expected = (log_weight.unflatten(1, (-1, block)).logsumexp(2) - math.log(block)).mean(1)
    torch.testing.assert_close(stream.per_datum()["iw_block"], expected)
    assert torch.equal(begun.per_datum()["iw_block"], stream.per_datum()["iw_block"])


def test_fewer_draws_are_of_the_same_draws(model: LinearGaussian) -> None:
    x = data(40)
    model.loosened()
    result = bounds(model, x.split(15), samples=60, chunk_rows=100, seed=3, block=12)
    alone = bounds(model, x.split(15), samples=60, chunk_rows=100, seed=3)
    first = bounds(model, x.split(15), samples=12, chunk_rows=100, seed=3)
    assert result.blocks and alone.blocks is None and "blocks" not in alone.to_dict()
    assert result.negative_iw_nats == alone.negative_iw_nats and result.blocks.samples == 12
    gain, fewer = result.blocks.gain_nats, result.blocks.negative_iw_nats
    assert fewer.mean - result.negative_iw_nats.mean == pytest.approx(gain.mean)
    assert gain.mean > 0 and gain.standard_error < 0.2 * fewer.standard_error
    assert abs(fewer.mean - first.negative_iw_nats.mean) < 6 * gain.standard_error + 0.1
    assert read_result(LikelihoodResult, result.to_dict(), "likelihood") == result


def test_an_exact_posterior_leaves_more_draws_nothing_to_gain(model: LinearGaussian) -> None:
    x = data(10)
    exact = bounds(model, [x], samples=8, block=2).blocks
    loose = bounds(model.loosened(), [x], samples=8, block=1).blocks
    assert exact and exact.gain_nats.mean == pytest.approx(0, abs=1e-12)
    assert loose and loose.gain_nats.mean > 0.1


@pytest.mark.parametrize("block", [-1, 3, 8, 16])
def test_blocks_that_do_not_divide_the_draws_are_refused(block: int) -> None:
    with pytest.raises(HvaeError, match=rf"evaluate.block: expected a divisor of evaluate.samples \(8\).* got {block}"):
        bounds(TopDownGaussian(1), [data()], samples=8, block=block)


def test_evidence_is_computed_once_for_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    features = TopDownGaussian.features
    monkeypatch.setattr(TopDownGaussian, "features", lambda s, d: calls.append(len(d)) or features(s, d))
    bounds(TopDownGaussian(2), data(10).split(6), samples=20, chunk_rows=7)
    assert calls == [6, 4, 1], "the last one tells what kind of levels there are"


def test_measuring_leaves_no_mark(model: LinearGaussian) -> None:
    model.train()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    first = bounds(model.loosened(), [data(5).zero_()], samples=4)
    torch.manual_seed(3)
    second = bounds(model, [torch.zeros(5, 5, dtype=torch.float64)], samples=4)
    assert torch.equal(torch.rand(3), expected)
    assert model.training and first == second
    assert first != bounds(model, [torch.zeros(5, 5, dtype=torch.float64)], samples=4, seed=1)


def test_progress_counts_draws_over_all_batches() -> None:
    told: list[tuple[int, int]] = []
    bounds(TopDownGaussian(1), data(10).split(5), 5, chunk_rows=10, progress=lambda *at: told.append(at))
    assert told == [(2, 10), (4, 10), (5, 10), (7, 10), (9, 10), (10, 10)]


class Uniform(Distribution):
    """256 equally probable values."""

    density = False

    def __init__(self, like: Tensor) -> None:
        self.like = like

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.full_like(self.like, -math.log(256))

    def mode(self) -> Tensor:
        return torch.zeros_like(self.like)

    sample = mean = mode

    def tempered(self, t: float) -> Uniform:
        return self

    detach = tempered


def test_a_uniform_model_scores_exactly_8_bits() -> None:
    result = bounds(Idle((3, 4, 4), Uniform), [torch.rand(4, 3, 4, 4)], samples=3)
    assert result.likelihood == "mass" and result.dims == 48
    assert result.elbo_bits_per_dim.mean == pytest.approx(8.0, abs=1e-6)
    assert result.iw_bits_per_dim.mean == pytest.approx(8.0, abs=1e-6)
    assert result.iw_bits_per_dim.standard_error == pytest.approx(0.0, abs=1e-6)


def test_a_density_has_no_bits() -> None:
    result = bounds(TopDownGaussian(1), [data(4)])
    assert result.likelihood == "density"
    assert result.elbo_bits_per_dim is None and result.iw_bits_per_dim is None


def test_results_are_plain_json() -> None:
    told = json.loads(json.dumps(bounds(TopDownGaussian(2), [data(1)]).to_dict(), allow_nan=False))
    assert told["negative_elbo_nats"]["standard_error"] is None, "one datum has no uncertainty"
    assert told["levels"]["z2"]["estimator"] == "analytic" and told["likelihood"] == "density"


def test_nonfinite_data_are_counted() -> None:
    x = data(4)
    x[2] = 1e200
    assert bounds(TopDownGaussian(1), [x]).nonfinite_data == 1


def test_a_datum_that_makes_the_mean_is_counted_and_the_others_have_theirs(model: LinearGaussian) -> None:
    x = data()
    usual = bounds(model, x.split(20))
    far = bounds(model, torch.cat([x, x[:1] + 1e14]).split(20))
    assert usual.extremes is None and "extremes" not in usual.to_dict()
    assert far.extremes and far.extremes.count == 1 and far.negative_elbo_nats.mean > 1e20
    assert far.extremes.rest_nats.mean == pytest.approx(usual.negative_elbo_nats.mean, abs=2.0)
    assert read_result(LikelihoodResult, far.to_dict()).extremes == far.extremes


@pytest.mark.parametrize(
    "values", [[1.0], [2.0, 2.0], [2.0, 2.0, 3.0], [0.0, 0.0, 1.0], [math.nan, math.inf], [1.0, 2.0, 3.0, 900.0]]
)
def test_what_is_no_extreme(values: list[float]) -> None:
    assert extremes(torch.tensor(values)) is None


def test_sampled_rates_are_called_so() -> None:
    class Other(Normal):
        """A Gaussian that the closed form does not know."""

    class Sampling(TopDownGaussian):
        def off(self, name: str, q: Normal) -> Normal:
            return Other(q.loc, q.scale) if name == "z1" else q

    levels = bounds(Sampling(2), [data()]).levels
    assert levels["z1"].estimator == "sampled" and levels["z2"].estimator == "analytic"


def test_confidence_intervals_cover() -> None:
    torch.manual_seed(1)
    found = [estimate(torch.randn(50, dtype=torch.float64)) for _ in range(400)]
    covered = sum(e.low95 < 0 < e.high95 for e in found) / 400
    assert 0.90 < covered < 0.98


def test_faults_are_one_line() -> None:
    with pytest.raises(HvaeError, match="got no batch"):
        bounds(TopDownGaussian(1), [])
    with pytest.raises(HvaeError, match="samples: expected at least 1, got 0"):
        bounds(TopDownGaussian(1), [data()], samples=0)
    with pytest.raises(HvaeError, match="expected data of shape"):
        bounds(TopDownGaussian(1), [torch.zeros(2, 4)])


def test_an_interrupted_measurement_goes_on_to_the_same_bits(model: LinearGaussian) -> None:
    model.loosened()
    x, done = data(50), {}
    expected = bounds(model, x.split(8), samples=9, chunk_rows=30, seed=3)

    def impatient(at: int, total: int) -> None:
        if at > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bounds(model, x.split(8), samples=9, chunk_rows=30, seed=3, progress=impatient, keep=done.__setitem__)
    so_far, rest = list(done.values()), {}
    assert [int(sums["draws"]) for sums in so_far] == [9, 9, 9, 6], "the fourth batch lacks its last chunk"
    assert bounds(model, x.split(8), samples=9, chunk_rows=30, seed=3, done=so_far, keep=rest.__setitem__) == expected
    assert list(rest) == [3, 4, 5, 6], "what is done is not done again"
    assert bounds(model, x.split(8), samples=9, chunk_rows=30, seed=3, done=[*so_far[:3], *rest.values()]) == expected
    assert bounds(model, x.split(8), samples=9, chunk_rows=30, seed=4) != expected
