"""The likelihood of tables against closed forms in float64, and that masks and kinds of columns change nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from scipy.stats import norm

from hvae.config.model import LVAEConfig, VAEConfig
from hvae.datum import Datum
from hvae.distributions.columns import Columns, Names, Wholes
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.levels.columns import ColumnsHead
from hvae.levels.heads import GaussianHead
from hvae.nn.columns import Kinds, ReadColumns
from hvae.walk import run, still
from hvae.zoo import build

KINDS = Kinds(wholes={1: 5, 3: 2}, names={2: 4, 4: 1, 5: 3})
COLUMNS = ("real", "whole:5", "name:4", "whole:2", "name:1", "name:3")
RAW = 1 + 2 + 2 + 4 + 1 + 3


@pytest.fixture
def law() -> Columns:
    torch.manual_seed(0)
    head = ColumnsHead((6,), KINDS, sigma=0.07).double()
    made = head(torch.randn(7, RAW, dtype=torch.float64))
    assert isinstance(made, Columns)
    return made


def every(count: int) -> torch.Tensor:
    """Each of so many values, one a row."""
    return (torch.arange(count, dtype=torch.float64) + 1) / count


def test_each_column_is_its_closed_form() -> None:
    torch.manual_seed(1)
    raw = torch.randn(1, RAW, dtype=torch.float64)
    law = ColumnsHead((6,), KINDS, sigma=0.07).double()(raw)
    r = raw[0].numpy()
    x = torch.tensor([[0.41, 3 / 5, 2 / 4, 2 / 2, 1.0, 3 / 3]], dtype=torch.float64)
    got = law.log_prob(x)[0].numpy()
    loc, scale = r[1:3], np.exp(r[3:5] - 1)
    edge = lambda k, i, n: expit((2 * (k + 0.5) / (n - 1) - 1 - loc[i]) / scale[i])  # noqa: E731
    expected = [
        norm.logpdf(0.41, (r[0] + 1) / 2, 0.07),
        np.log(edge(2, 0, 5) - edge(1, 0, 5)),
        log_softmax(r[5:9])[1],
        np.log(1 - edge(0, 1, 2)),
        0.0,
        log_softmax(r[10:13])[2],
    ]
    assert got == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("column", "count"), [(1, 5), (2, 4), (3, 2), (4, 1), (5, 3)])
def test_masses_sum_to_one(law: Columns, column: int, count: int) -> None:
    x = torch.full((count, 7, 6), 0.5, dtype=torch.float64)
    x[:, :, column] = every(count)[:, None]
    total = torch.stack([law.log_prob(one)[:, column] for one in x]).exp().sum(0)
    assert total.tolist() == pytest.approx([1.0] * 7, abs=1e-12)


def test_draws_lie_on_the_grid_in_the_shares_of_the_law() -> None:
    torch.manual_seed(2)
    logits = torch.randn(1, 3, 1, dtype=torch.float64)
    names = Names(logits.expand(20_000, -1, -1), torch.tensor([3.0], dtype=torch.float64))
    wholes = Wholes(torch.zeros(20_000, 1).double(), torch.zeros(20_000, 1).double(), torch.tensor([4.0]).double())
    for law, count in ((names, 3), (wholes, 4)):
        shares = torch.bincount((law.sample()[:, 0] * count).round().long() - 1, minlength=count) / 20_000
        expected = torch.stack([law.log_prob(v.expand(20_000, 1))[0, 0] for v in every(count)]).exp()
        # Four standard errors of a share of 20,000 draws.
        assert (shares.double() - expected).abs().max() < 4 * 0.5 / 20_000**0.5
    assert names.mode()[0, 0] == (int(logits.argmax()) + 1) / 3
    assert names.tempered(0.5).shares[0, :, 0].tolist() == pytest.approx((2 * logits).softmax(1)[0, :, 0].tolist())


def test_a_narrow_law_of_whole_numbers_has_finite_gradients() -> None:
    loc = torch.tensor([[-1.0, 1.0]], requires_grad=True)
    log_scale = torch.full((1, 2), -9.0, requires_grad=True)
    levels = torch.tensor([16_384.0, 2.0])
    Wholes(loc, log_scale, levels).log_prob(torch.tensor([[1.0, 0.5]])).sum().backward()
    assert loc.grad is not None and loc.grad.isfinite().all() and log_scale.grad.isfinite().all()  # type: ignore[union-attr]


def test_columns_of_real_numbers_alone_are_the_gaussian_likelihood() -> None:
    raw, x = torch.randn(4, 3), torch.rand(4, 3)
    ours, plain = ColumnsHead((3,), Kinds(), sigma=0.1)(raw), GaussianHead((3,), sigma=0.1)(raw)
    assert torch.equal(ours.log_prob(x), plain.log_prob(x)) and ours.density and ours.has_exact_mean


def test_a_cell_of_zero_is_read_as_nothing_known() -> None:
    read = ReadColumns(3, {0: 3, 2: 2})
    got = read(torch.tensor([[2 / 3, 1e-5, 1.0], [0.0, 0.0, 0.0]])).tolist()
    assert got[0] == pytest.approx([2e-5 - 1, 1, 0, 0, 1, 0, 0, 0, 1])
    assert got[1] == [0, 0, 1, 0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("config", [VAEConfig(latent=3, widths=(8,)), LVAEConfig(latents=(3, 2), widths=(8, 8))])
def test_everything_observed_equals_no_mask_and_a_gap_costs_nothing(config: VAEConfig | LVAEConfig) -> None:
    model = build(config.__class__(**{**vars(config), "likelihood": "columns", "columns": COLUMNS}), (6,), 16).eval()
    x = torch.tensor([[0.41, 3 / 5, 2 / 4, 2 / 2, 1.0, 3 / 3]]).repeat(5, 1)

    def walked(datum: Datum) -> torch.Tensor:
        with still(model, 0):
            return run(model, posterior, model.evidence(datum)).log_likelihood()

    whole = walked(Datum(x))
    assert torch.equal(whole, walked(Datum(x, observed=torch.ones_like(x, dtype=torch.bool))))
    seen = torch.ones_like(x, dtype=torch.bool)
    seen[:, 2] = False
    gap = walked(Datum(x, observed=seen))
    # What stands in a cell that is not known changes nothing.
    other = x.clone()
    other[:, 2] = torch.nan
    assert torch.equal(gap, walked(Datum(other, observed=seen)))
    with still(model, 0):
        trace = run(model, posterior, model.evidence(Datum(x, observed=seen)))
    each = trace["x"].law.log_prob(x)
    assert gap.tolist() == pytest.approx((each.sum(1) - each[:, 2]).tolist(), rel=1e-5)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"columns": ("real", "names:3")}, "expected real, whole:L"),
        ({"columns": ("whole:1",)}, "expected real, whole:L"),
        ({"columns": ("name:1001",)}, "up to 1,000 names, got 'name:1001'"),
        ({"columns": ("name:999",) * 2000}, "2,000 times 999"),
        ({"columns": ("real",), "likelihood": "gaussian"}, "read by model.likelihood columns alone"),
    ],
)
def test_what_are_no_columns_is_one_line(keys: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        VAEConfig(**{"likelihood": "columns", **keys})


@pytest.mark.parametrize("columns", [("real", "real"), ()])
def test_other_data_than_the_columns_are_one_line(columns: tuple[str, ...]) -> None:
    with pytest.raises(HvaeError, match="a kind for each of 64 columns"):
        build(VAEConfig(likelihood="columns", columns=columns), (1, 8, 8), 4)
    with pytest.raises(HvaeError, match="expected mlp for model.likelihood columns"):
        build(VAEConfig(likelihood="columns", columns=("real",) * 2, network="conv"), (2,), 4)
