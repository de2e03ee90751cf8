"""Models of sequences read data of any length, generate as many steps as asked for, and score no padding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hvae import Datum, Evidence, Model, Site, posterior, prior, run
from hvae.distributions import Bernoulli, Normal, standard_normal
from hvae.errors import HvaeError
from hvae.site import Visit
from hvae.walk import glimpse


class Steps(Model):
    """Independent steps (T, 3), each with a latent of its own."""

    timed = True

    def __init__(self, steps: int = 5) -> None:
        super().__init__()
        self.shape, self.read, self.write = (steps, 3), nn.Linear(3, 4), nn.Linear(2, 3)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"z": self.read(datum.x)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        raw, xs = evidence.feature("z"), []
        for t in range(evidence.steps or self.shape[0]):
            p = standard_normal(torch.zeros(evidence.n, 2), (2,))
            q = None if raw is None else Normal(raw[:, t, :2], raw[:, t, 2:].exp())
            z = visit(Site("z", p, q, step=t, mask=evidence.exists(t)))
            x = None if evidence.x is None else evidence.x[:, t]
            law = Bernoulli(self.write(z))
            xs.append(visit(Site("x", law, value=x, step=t, mask=evidence.exists(t), data=True)))
        return torch.stack(xs, 1)


@pytest.fixture
def model() -> Steps:
    torch.manual_seed(0)
    return Steps()


@pytest.mark.parametrize("steps", [1, 5, 9])
def test_sequences_of_any_length_are_read(model: Steps, steps: int) -> None:
    assert model(torch.ones(2, steps, 3)).elbo().shape == (2,)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 4), (2, 5, 3, 1), (2, 0, 3)])
def test_other_shapes_are_refused_in_one_line(model: Steps, shape: tuple[int, ...]) -> None:
    with pytest.raises(HvaeError, match="expected sequences of"):
        model(torch.ones(shape))


def test_as_many_steps_as_asked_for_are_generated(model: Steps) -> None:
    assert [run(model, prior(), model.nothing(2, steps=n)).x.shape[1] for n in (1, 7)] == [1, 7]
    assert run(model, prior(), n=2).x.shape == (2, 5, 3), "those of its shape"


@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps_are_refused(model: Steps, steps: int) -> None:
    with pytest.raises(HvaeError, match="steps: expected at least 1"):
        model.nothing(2, steps=steps)


def test_a_glimpse_is_one_step_long(model: Steps) -> None:
    assert len(glimpse(model).latents) == 1


def test_padding_enters_no_number(model: Steps) -> None:
    x, lengths = torch.ones(2, 6, 3), torch.tensor([6, 4])
    other = x.clone()
    other[1, 4:] = 0
    bounds = []
    for data in (x, other):
        torch.manual_seed(1)
        bounds.append(model(Datum(data, lengths=lengths), posterior).elbo())
    assert torch.equal(*bounds)


def test_within_names_the_steps_that_exist() -> None:
    evidence = Evidence(2, torch.zeros(2, 3, 1), lengths=torch.tensor([3, 1]))
    assert evidence.within().tolist() == [[True, True, True], [True, False, False]]
    assert evidence.exists(1).tolist() == [True, False]
