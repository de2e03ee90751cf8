"""A commitment that grows: what is charged at each step, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvae import Datum, build
from hvae.config.objective import CommitmentConfig, ObjectiveConfig
from hvae.config.vqvae import RQVAEConfig, VQVAE2Config, VQVAEConfig
from hvae.distributions.codebook import ChosenCodes, UniformCodes
from hvae.errors import HvaeError
from hvae.objectives import ELBO, WarmUp
from hvae.objectives import build as objective
from hvae.site import Site
from hvae.study.levels import check_levels
from hvae.walk import Model, Trace

TINY = {"codes": 5, "dims": 3, "width": 8, "hidden": 4, "blocks": 1}
FAMILIES = {"vqvae": VQVAEConfig, "vqvae2": VQVAE2Config, "rqvae": RQVAEConfig}


def tiny(family: str = "vqvae", **changed: object) -> tuple[Model, Tensor]:
    torch.manual_seed(0)
    model = build(FAMILIES[family](**{**TINY, **changed}), shape=(1, 8, 8)).double()
    x = torch.rand(8, 1, 8, 8, dtype=torch.float64)
    model.prepare(Datum(x))
    return model, x


def gradient(model: Model, x: Tensor, loss: ELBO, step: int) -> Tensor:
    model.zero_grad()
    loss(model(x), step).total.backward()
    weights = [w.grad.flatten() for w in model.parameters() if w.grad is not None]
    return torch.cat(weights)


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("codebook", ["averages", "gradient"])
def test_the_loss_at_a_share_is_that_of_a_smaller_commitment(family: str, codebook: str) -> None:
    """Loss and gradient, that of the codebook loss included, at 0.3 of the way to 0.4 are those of 0.12."""
    (model, x), (less, _) = (tiny(family, codebook=codebook, commitment=beta) for beta in (0.4, 0.12))
    grown = ELBO(commitment=WarmUp(length=10))
    torch.testing.assert_close(grown(model(x), 3).total, ELBO()(less(x), 0).total)
    torch.testing.assert_close(gradient(model, x, grown, 3), gradient(less, x, ELBO(), 0))
    torch.testing.assert_close(grown(model(x), 10).total, ELBO()(model(x), 0).total)


def test_each_level_has_its_own() -> None:
    model, x = tiny("vqvae2")
    trace = model(x)
    pulls = trace.commitments()
    torch.testing.assert_close(sum(pulls.values()), trace.penalty())
    total, terms = ELBO(commitment=WarmUp(length={"z2": 10}))(trace, 4)
    torch.testing.assert_close(ELBO()(trace, 4).total - total, 0.6 * pulls["z2"].mean())
    assert terms["commitment/z2"] == 0.4 and terms["commitment/z1"] == 1
    torch.testing.assert_close(terms["elbo"], trace.elbo().mean().detach())


@pytest.mark.parametrize(
    ("family", "changed"),
    [
        ("vqvae", {"codebook": "stochastic"}),
        ("vqvae", {"codebook": "lattice", "levels": (4, 3)}),
        ("vqvae2", {"commitment": 0.0}),
    ],
)
def test_what_has_no_commitment_is_refused(family: str, changed: dict[str, object]) -> None:
    model, x = tiny(family, **changed)
    assert not model(x).commitments()
    with pytest.raises(HvaeError, match=r"objective\.commitment: this model has no commitment"):
        check_levels(ObjectiveConfig(commitment=CommitmentConfig(length=10)), model)


def test_it_is_written_like_any_other_schedule() -> None:
    config = ObjectiveConfig(commitment=CommitmentConfig(shape="sigmoid", start=0.1, length={"z2": 0.5}, floor=0.05))
    with pytest.raises(HvaeError, match=r"objective\.commitment: expected numbers of steps"):
        objective(config)
    built = objective(config.over(100))
    assert isinstance(built, ELBO) and built.commitment is not None
    weights = built.commitment.weights(["z2", "z1"], 35)
    assert weights["z2"] == pytest.approx(0.5) and weights["z1"] == 1
    assert built.commitment.weights(["z2"], 0) == {"z2": 0.05}
    check_levels(config, tiny("vqvae2")[0])
    with pytest.raises(HvaeError, match=r"objective\.commitment\.length: no level named 'z2'"):
        check_levels(config, tiny()[0])
    with pytest.raises(HvaeError, match="a choice of the elbo alone"):
        ObjectiveConfig(kind="iwae", samples=2, commitment=CommitmentConfig(length=10))


def test_the_steps_of_a_level_that_recurs_are_summed() -> None:
    """Of steps with pulls 1, 2 and 3 nats, half of all is charged at half of the way; one row lacks the last step."""
    trace, book = Trace(), torch.zeros(4, 2)
    for step in range(3):
        pull = torch.full((5, 1, 1), 1.0 + step)
        q = ChosenCodes(book, torch.zeros(5, 1, dtype=torch.int64), penalty=pull, pull=pull)
        mask = torch.arange(5) > 0 if step == 2 else None
        trace.note(Site("z", UniformCodes(book, (5, 1)), q, step=step, mask=mask), q.value, q)
    expected = torch.tensor([3.0, 6.0, 6.0, 6.0, 6.0])
    torch.testing.assert_close(trace.penalty(), expected)
    torch.testing.assert_close(trace.commitments()["z"], expected)
