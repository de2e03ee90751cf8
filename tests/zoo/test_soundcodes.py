"""Residual codes of sound: any length, the past alone, and as many bitrates as codebooks."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from zoo.test_vqvae import fitted

from hvae import Datum, build, from_top, given, mode, posterior, prior, run
from hvae.config.condition import ConditionConfig
from hvae.config.vqvae import RQVAEConfig
from hvae.distributions.codebook import codes_at
from hvae.distributions.ranked import Among
from hvae.draw import dropping, narrowed
from hvae.errors import HvaeError
from hvae.metrics.codebook import codebook
from hvae.walk import Model

CONFIG = {"codes": 7, "dims": 3, "width": 8, "hidden": 6, "blocks": 2, "stride": 4, "depth": 3, "sigma": 0.1}
STEPS = 22


def sound(rows: int = 4, steps: int = STEPS) -> Tensor:
    return torch.rand(rows, steps, 2, dtype=torch.float64)


def tiny(**changes: object) -> Model:
    torch.manual_seed(0)
    model = build(RQVAEConfig(**{**CONFIG, **changes}), (STEPS, 2), bits=16).double().eval()
    model.prepare(Datum(sound()))
    return model


def test_a_position_costs_what_its_codebook_has() -> None:
    model, x = tiny(), sound()
    trace = model(Datum(x, lengths=torch.tensor([STEPS, 8, 9, 1])))
    positions = torch.tensor([6.0, 2.0, 3.0, 1.0], dtype=torch.float64)
    for name in ("z1", "z2", "z3"):
        torch.testing.assert_close(trace.rates()[name], positions * math.log(7))


def test_a_padded_sound_is_the_sound_alone() -> None:
    model, x, lengths = tiny(), sound(), [STEPS, 8, 9, 1]
    trace = model(Datum(x, lengths=torch.tensor(lengths)))
    for row, length in enumerate(lengths):
        alone = model(x[row : row + 1, :length])
        torch.testing.assert_close(alone.elbo(), trace.elbo()[row : row + 1])
        torch.testing.assert_close(alone.penalty(), trace.penalty()[row : row + 1])


def test_nothing_later_is_heard() -> None:
    """Samples move no code of an earlier position, and codes no earlier sample."""
    model, x = tiny(), sound(1)
    other = x.clone()
    other[:, 8:] = torch.rand(1, STEPS - 8, 2, dtype=torch.float64)
    a, b = model(x), model(other)
    assert torch.equal(a["z3"].q.index[..., :2], b["z3"].q.index[..., :2])
    torch.testing.assert_close(model.picture(a)[:, :8], model.picture(b)[:, :8])
    assert not torch.equal(a["z3"].q.index, b["z3"].q.index)


@pytest.mark.parametrize("stride", [1, 2, 8, 16])
def test_each_stride_and_number_of_steps(stride: int) -> None:
    model = build(RQVAEConfig(**{**CONFIG, "stride": stride}), (STEPS, 2), bits=16)
    for steps in (1, 17):
        x = run(model, prior(), model.nothing(2, steps=steps)).x
        assert x.shape == (2, steps, 2)
        assert model(x.clamp(0, 1)).elbo().isfinite().all()


def test_dropout_trains_what_a_reconstruction_from_the_top_shows() -> None:
    model, x = tiny(dropout=1.0), sound(64)
    torch.manual_seed(1)
    trace = run(model, dropping(posterior), model.evidence(x))
    depth = trace["depth"].value.sum(1).long()
    assert set(depth.tolist()) == {1, 2, 3}
    shown = from_top(model, x, counts=[1, 2, 3], rest=mode)
    expected = shown[depth - 1, torch.arange(len(x))]
    torch.testing.assert_close(model.picture(trace), expected)
    assert torch.equal(trace.log_weight(), trace.elbo()), "the choice of depth costs nothing"


def test_dropout_is_of_training_alone() -> None:
    model, x = tiny(dropout=1.0), sound()
    assert torch.equal(model.picture(model(x)), from_top(model, x, counts=[3])[0])


def test_a_level_left_out_still_teaches_the_encoder() -> None:
    model, x = tiny(dropout=1.0, depth=2), sound(1)
    for seed in range(9):  # until the lower level is left out
        torch.manual_seed(seed)
        trace = run(model, dropping(posterior), model.evidence(x))
        if trace["depth"].value.sum() == 1:
            break
    trace.log_likelihood().sum().backward()
    assert model.enter[-1].weight.grad.abs().sum() > 0


def test_images_have_the_same_dropout() -> None:
    torch.manual_seed(0)
    model = build(RQVAEConfig(**CONFIG, dropout=1.0), (1, 8, 8), bits=8).double().eval()
    x = torch.rand(32, 1, 8, 8, dtype=torch.float64)
    model.prepare(Datum(x))
    trace = run(model, dropping(posterior), model.evidence(x))
    depth = trace["depth"].value.sum(1).long()
    shown = from_top(model, x, counts=[1, 2, 3], rest=mode)
    torch.testing.assert_close(model.picture(trace), shown[depth - 1, torch.arange(len(x))])


def test_the_codebooks_of_padded_sound_count_what_exists() -> None:
    model, x, lengths = tiny(), sound(), torch.tensor([STEPS, 8, 9, 1])
    other = torch.where((torch.arange(STEPS) < lengths[:, None])[:, :, None], x, 1.0)
    results = [codebook(model, [Datum(one, lengths=lengths)]) for one in (x, other)]
    assert results[0] == results[1]
    assert results[0].levels["z1"].positions == (6 + 2 + 3 + 1) / 4
    assert results[0].levels["z1"].bits.mean == pytest.approx(math.log2(7))


PRIOR = {"prior": "transformer", "prior_width": 8, "prior_layers": 2, "prior_heads": 2}


def trained(**changes: object) -> Model:
    """With a prior that is not the uniform one it starts as."""
    model = tiny(**{**PRIOR, **changes})
    for name, weights in model.named_parameters():
        if "prior." in name:
            torch.nn.init.normal_(weights, std=0.5)
    return model


def test_a_prior_starts_uniform() -> None:
    for nats in tiny(**PRIOR)(sound()).rates().values():
        torch.testing.assert_close(nats, torch.full((4,), 6 * math.log(7), dtype=torch.float64))


def test_all_codes_of_two_levels_sum_to_one() -> None:
    """Three codes, three positions of a level: 3^6 pairs of sequences."""
    model = trained(codes=3, depth=2)
    every = torch.tensor(list(itertools.product(range(3), repeat=6)))
    books = {name: level.book.codes for name, level in model.levels.items()}
    values = {"z2": codes_at(books["z2"], every[:, :3]), "z1": codes_at(books["z1"], every[:, 3:])}
    with torch.no_grad():
        trace = run(model, given(values, mode), model.nothing(len(every), steps=12))
        total = sum(r.law.log_prob(r.value).flatten(1).sum(1) for r in trace.latents).exp()
    torch.testing.assert_close(total.sum(), torch.ones((), dtype=torch.float64), atol=1e-12, rtol=0)
    assert total.max() > 10 * total.min(), "and they are no longer alike"


def test_under_a_prior_too_a_padded_sound_is_the_sound_alone() -> None:
    model, x, lengths = trained(), sound(), [STEPS, 8, 9, 1]
    trace = model(Datum(x, lengths=torch.tensor(lengths)))
    for row, length in enumerate(lengths):
        alone = model(x[row : row + 1, :length])
        for name, nats in alone.rates().items():
            torch.testing.assert_close(nats, trace.rates()[name][row : row + 1])
        assert alone.log_weight().item() == pytest.approx(alone.elbo().item())


def test_samples_have_the_probability_that_they_are_scored_with() -> None:
    model = trained(codes=3, depth=1)
    with torch.no_grad():
        record = run(model, prior(), model.nothing(20_000, steps=8))["z1"]
        index = record.law.maps.search(record.value)
        mass = record.law.log_prob(record.value).flatten(1).sum(1).exp()
    for pair in itertools.product(range(3), repeat=2):
        rows = (index == torch.tensor(pair)).all(1)
        expected = float(mass[rows][0]) if rows.any() else 0.0
        assert float(rows.double().mean()) == pytest.approx(expected, abs=5 * math.sqrt(0.25 / 20_000))


def test_the_most_probable_codes_of_sound_alone() -> None:
    model = trained()
    top = run(model, narrowed({"z3": Among(k=1)}, prior()), model.nothing(2, steps=9))
    assert torch.equal(top["z3"].value, run(model, prior(0.0), model.nothing(2, steps=9))["z3"].value)


@pytest.mark.parametrize("enters", ["priors", "levels", "both"])
def test_a_class_is_heard(enters: str) -> None:
    condition = ConditionConfig(kind="class", classes=3, width=4, drop=0.5, enters=enters)
    model, x, plain = trained(condition=condition), sound(), trained()
    labels = [Datum(x, context={"label": torch.full((4,), label)}) for label in (0, 2, -1)]
    with torch.no_grad():
        first, second, unknown = (model(datum) for datum in labels)
        plain.load_state_dict({name: t for name, t in model.state_dict().items() if name in plain.state_dict()})
        without = plain(x)
    torch.testing.assert_close(unknown.elbo(), without.elbo(), msg="nothing known changes nothing")
    same = all(torch.equal(first[name].q.index, second[name].q.index) for name in ("z3", "z2", "z1"))
    assert same == (enters == "priors")
    assert not torch.allclose(first.rates()["z3"], second.rates()["z3"]) or enters == "levels"
    assert not torch.allclose(first.elbo(), second.elbo())


def test_rows_of_several_lengths_may_lose_their_class() -> None:
    """What a row keeps is one choice of the row, and not one of each position that exists."""
    condition, lengths = ConditionConfig(kind="class", classes=3, width=4, drop=0.5), torch.tensor([STEPS, 8, 9, 1])
    model, x = tiny(condition=condition), sound()
    x = torch.where(torch.arange(STEPS)[:, None] < lengths[:, None, None], x, 0.5)
    datum = Datum(x, context={"label": torch.tensor([0, 1, 2, 0])}, lengths=lengths)
    trace = run(model, dropping(posterior), model.evidence(datum))
    assert trace["kept"].value.shape == (4,)
    torch.testing.assert_close(trace.log_weight(), trace.elbo())


def test_a_second_stage_moves_the_prior_alone(tmp_path: Path) -> None:
    first = tiny().float()
    x = sound(16).float()
    fitted(first, x, tmp_path / "first", steps=5)
    second = build(RQVAEConfig(**{**CONFIG, **PRIOR}), (STEPS, 2), bits=16)
    fitted(second, x, tmp_path / "second", steps=60, init=str(tmp_path / "first"), only=("prior",), lr=1e-2, ema=0.9)
    before, after = first.state_dict(), second.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    with torch.no_grad():
        spent = [sum(model.eval()(x).rates().values()).mean() for model in (first, second)]
    assert spent[1] < 0.95 * spent[0]


@pytest.mark.parametrize("shared", [False, True])
def test_training_moves_every_codebook(shared: bool) -> None:
    model, x = tiny(codes=16, shared=shared), sound(8, 40)
    model.prepare(Datum(x))
    before = {name: book.codes.clone() for name, book in model.books.items()}
    model.train()
    model.before_step()
    model(x).elbo().sum().backward()
    model.after_step()
    assert all(not torch.equal(before[name], book.codes) for name, book in model.books.items())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"prior": "pixelsnail"}, "model.prior: expected uniform or transformer for sound"),
        ({"prior": "parallel"}, "model.prior: expected uniform or transformer for sound"),
        ({"prior": "transformer", "dropout": 0.5}, "model.dropout: expected 0 with model.prior transformer"),
        ({"scales": "doubling"}, "model.scales: expected same for sound"),
        ({"network": "transformer"}, "model.network: expected conv for sound"),
        ({"codebook": "stochastic"}, "model.codebook: expected one of nearest codes for sound"),
    ],
)
def test_what_is_of_images_alone(changes: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        build(RQVAEConfig(**{**CONFIG, **changes}), (STEPS, 2), bits=16)
    with pytest.raises(HvaeError, match="needs sound"):
        build(RQVAEConfig(**CONFIG), (STEPS, 2), bits=0)
