from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor
from toy_training import Data, settings, toy
from toys import Pair

from hvae.config.objective import ObjectiveConfig
from hvae.objectives import ELBO, IWAE, Regulariser, WarmUp, build
from hvae.training import fit
from hvae.training.loss import Batch, LossStep, score


class Weighed(Pair):
    def regularisers(self) -> dict[str, Tensor]:
        return {"spectral": 2.0 * self.px.weight.norm()}


def test_regularisers_join_the_loss_and_its_terms() -> None:
    torch.manual_seed(0)
    model = Weighed()
    x = Data().x
    torch.manual_seed(1)
    plain = ELBO()(model(x), 0).total
    torch.manual_seed(1)
    total, terms = LossStep(model, ELBO())(Batch(x), 0)
    extra = model.regularisers()["spectral"]
    assert torch.allclose(total, plain + extra)
    assert torch.equal(terms["loss"], total.detach())
    assert torch.equal(terms["regulariser/spectral"], extra.detach())
    assert not any(term.requires_grad for term in terms.values())


def test_an_objective_gets_its_samples() -> None:
    total, terms = LossStep(toy(), IWAE(3))(Batch(Data().x), 0)
    assert torch.allclose(total, -terms["iwae"])


@pytest.mark.parametrize("kind", ["stl", "dreg"])
def test_an_objective_decides_the_draws(kind: Literal["stl", "dreg"], tmp_path: Path) -> None:
    # Twins that were not drawn as twins would differ from their originals.
    objective = build(ObjectiveConfig(kind=kind, samples=3))
    model, x = toy(), Data().x
    total, terms = LossStep(model, objective)(Batch(x), 0)
    assert float(terms["twin_gap"]) < 1e-5
    assert torch.allclose(total, -terms["iwae"])
    result = fit(model, objective, Data(), settings(steps=60), tmp_path)
    assert result.step == 60 and result.last["iwae"] > float(terms["iwae"]) + 0.1 and result.last["twin_gap"] < 1e-5


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_processes_share_a_validation(parts: int) -> None:
    """Twenty data in batches of eight are three batches: with five processes two have none."""
    model, data = toy().eval(), Data(20)
    whole = score(model, data, seed=0, size=8, count=20)
    shares = [score(model, data, seed=0, size=8, count=20, part=p, parts=parts) for p in range(parts)]
    assert list(whole) == ["elbo", "log_likelihood", "rate/z2", "rate/z1"]
    for name, total in whole.items():
        assert sum(share[name] for share in shares) == pytest.approx(total, rel=1e-6)
    assert whole["elbo"] == pytest.approx(whole["log_likelihood"] - whole["rate/z2"] - whole["rate/z1"], rel=1e-5)


def test_a_part_of_the_validation_data_is_a_random_one() -> None:
    rows: list[int] = []

    class Noted(Data):
        def batch(self, indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            rows.extend(indices.tolist())
            return super().batch(indices, generator)

    score(toy().eval(), Noted(200), seed=0, size=8, count=20)
    assert len(set(rows)) == 20 and max(rows) > 100, "sorted data: the first twenty would be of one class"


def test_the_objective_weighs_regularisers() -> None:
    model, x = Weighed(), Data().x
    objective = ELBO(regulariser=Regulariser(0.1, start=10.0, warmup=WarmUp(length=4)))
    for step, weight in ((0, 10.0), (2, 1.0), (4, 0.1), (9, 0.1)):
        torch.manual_seed(1)
        plain = objective(model(x), step).total
        torch.manual_seed(1)
        total, terms = LossStep(model, objective)(Batch(x), step)
        assert torch.allclose(total, plain + weight * model.regularisers()["spectral"])
        assert torch.equal(terms["regulariser/spectral"], model.regularisers()["spectral"].detach())


def test_regularisers_of_no_weight_are_not_computed() -> None:
    class Refusing(Pair):
        def regularisers(self) -> dict[str, Tensor]:
            raise AssertionError

    _, terms = LossStep(Refusing(), ELBO(regulariser=Regulariser(0.0)))(Batch(Data().x), 0)
    assert not any(name.startswith("regulariser/") for name in terms)
