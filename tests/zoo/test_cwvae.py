"""The clockwork ladder: when each level ticks, what it sees, and how steps are made from ticks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvae import Datum, build, each, given, mode, names, posterior, prior, run
from hvae.config import CWVAEConfig
from hvae.errors import HvaeError
from hvae.models.clockwork import Clockwork

STEPS, WIDTH = 7, 4
SMALL = {"state": 6, "width": 5}


def ladder(strides: tuple[int, ...] = (1, 2, 4), **more: object) -> Clockwork:
    config = CWVAEConfig(latents=tuple(range(3, 3 + len(strides))), strides=strides, **SMALL, **more)
    return build(config, (STEPS, WIDTH), bits=1).double().eval()


def rolls(n: int = 2, steps: int = STEPS) -> Tensor:
    return torch.bernoulli(torch.full((n, steps, WIDTH), 0.4, dtype=torch.float64))


def test_each_level_ticks_by_its_own_clock() -> None:
    model = ladder()
    assert names(model) == ["z3", "z2", "z1"]
    trace = model(Datum(rolls(), lengths=torch.tensor([7, 4])))
    steps = {name: [r.step for r in trace.latents if r.name == name] for name in names(model)}
    assert steps == {"z3": [0, 4], "z2": [0, 2, 4, 6], "z1": list(range(7))}
    assert [record.step for record in trace.latents][:2] == [0, 4], "a whole level before the one below"
    assert trace["z3", 4].mask.tolist() == [True, False]
    assert [trace.series(name).shape[1:] for name in names(model)] == [(2, 5), (4, 4), (7, 3)]


def test_a_tick_sees_its_own_window_of_the_data() -> None:
    """With the latents held, a step changes the posteriors of the ticks around it, and no prior nor likelihood."""
    model, x, t = ladder(), rolls(), 5
    other = x.clone()
    other[:, t] = 1 - other[:, t]
    latents = {(r.name, r.step): r.value for r in model(x, mode).latents}
    a, b = (run(model, given(latents), model.evidence(data)) for data in (x, other))
    assert torch.equal(a["x"].p.mean(), b["x"].p.mean())
    for record in a.latents:
        twin, stride = b.records[record.key], model.rungs[record.name].stride
        assert torch.equal(record.p.loc, twin.p.loc)
        assert torch.equal(record.q.loc, twin.q.loc) == (not record.step <= t < record.step + stride)


def test_what_a_level_changes_comes_after_it() -> None:
    """A latent moves the priors of its level and of those below from its tick on, and nothing before."""
    model, x = ladder(), rolls()
    latents = {(r.name, r.step): r.value for r in model(x, mode).latents}
    moved = {**latents, ("z2", 4): latents["z2", 4] + 1}
    a, b = (run(model, given(values), model.evidence(x)) for values in (latents, moved))
    same = {record.key: torch.equal(record.p.loc, b.records[record.key].p.loc) for record in a.latents}
    assert same == {key: key[0] == "z3" or key[1] < 4 or key == ("z2", 4) for key in same}
    changed = (a["x"].p.mean() - b["x"].p.mean()).abs().amax((0, 2)) > 0
    assert changed.tolist() == [False] * 4 + [True] * 3


@pytest.mark.parametrize("steps", [1, 4, 7, 8])
def test_ticks_that_make_several_steps(steps: int) -> None:
    model, x = ladder((4, 8)), rolls(steps=steps)
    trace = model(x)
    assert trace["x"].p.mean().shape == x.shape and trace.log_likelihood().isfinite().all()
    assert run(model, prior(), model.nothing(3, steps=steps)).x.shape == (3, steps, WIDTH)
    model.prepare(Datum(x))
    half = torch.logit((x.flatten(0, 1).sum(0) + 0.5) / (2 * steps + 1))
    torch.testing.assert_close(model.leave[-1].linear.bias, half.repeat(4))


def test_the_data_see_every_level_or_the_lowest_alone() -> None:
    """Whether the top has a way to the data that its clock alone decides, when all below it are deaf to it."""
    for dense in (False, True):
        model = ladder((1, 2, 4), dense=dense)
        for name in ("z2", "z1"):
            model.rungs[name].enter.cell.weight_ih.data.zero_()
        values = {(r.name, r.step): r.value for r in model(rolls(), mode).latents}
        moved = {**values, ("z3", 4): values["z3", 4] + 1}
        a, b = (run(model, given(some), model.evidence(rolls()))["x"].p.mean() for some in (values, moved))
        assert ((a - b).abs().amax((0, 2)) > 0).tolist() == [False] * 4 + [dense] * 3


def test_the_top_held_and_the_rest_redrawn() -> None:
    model = ladder()
    trace = run(model, each({"z1": prior(), "z2": prior()}, posterior), model.evidence(rolls()))
    rates = trace.rates()
    assert not rates["z1"].any() and not rates["z2"].any() and (rates["z3"] > 0).all()


def test_films() -> None:
    config = CWVAEConfig(latents=(3, 2), strides=(1, 2), channels=(4, 6), **SMALL)
    model, x = build(config, (3, 1, 9, 8), bits=1), torch.bernoulli(torch.full((2, 5, 1, 9, 8), 0.3))
    trace = model(Datum(x, lengths=torch.tensor([5, 2])))
    trace.elbo().mean().backward()
    assert all(w.grad is not None for w in model.parameters())
    other = x.clone()
    other[1, 2:] = 1
    torch.manual_seed(0)
    a = model(Datum(x, lengths=torch.tensor([5, 2]))).elbo()
    torch.manual_seed(0)
    assert torch.equal(model(Datum(other, lengths=torch.tensor([5, 2]))).elbo(), a)
    assert run(model, prior(), n=2).x.shape == (2, 3, 1, 9, 8)
    with pytest.raises(HvaeError, match="z1 ticks at every frame of a film"):
        build(CWVAEConfig(latents=(3, 2), strides=(2, 4)), (3, 1, 9, 8), bits=1)


def test_films_in_squares_of_pixels() -> None:
    """Folding loses nothing: a frame is read whole, and each place draws the pixels of its own square."""
    config = CWVAEConfig(latents=(3, 2), strides=(1, 2), channels=(4, 6), patch=3, **SMALL)
    model, x = build(config, (2, 1, 9, 6), bits=1).double(), torch.bernoulli(torch.full((2, 2, 1, 9, 6), 0.3)).double()
    evidence = model.evidence(x.requires_grad_())
    (reach,) = torch.autograd.grad(evidence.features["z1"].sum(), x)
    assert (reach != 0).all()
    trace = run(model, posterior, model.evidence(x.detach()))
    trace.elbo().mean().backward()
    assert trace["x"].p.mean().shape == x.shape and all(w.grad is not None for w in model.parameters())
    assert run(model, prior(), n=2).x.shape == (2, 2, 1, 9, 6)
    for size in ((9, 8), (8, 9)):
        with pytest.raises(HvaeError, match=f"model.patch: expected a divisor of the frames' {size[0]} x {size[1]}"):
            build(config, (2, 1, *size), bits=1)


def test_films_of_pictures_in_their_places() -> None:
    """The top says what is shown, z1 where: with either deaf the frames are those of the other alone."""
    config = CWVAEConfig(latents=(3, 2), strides=(1, 4), channels=(4, 6), sprites=2, side=3, cell="lstm", **SMALL)
    model, x = build(config, (4, 1, 9, 6), bits=1).double(), torch.bernoulli(torch.full((2, 4, 1, 9, 6), 0.3)).double()
    trace = model(Datum(x, lengths=torch.tensor([4, 2])))
    trace.elbo().mean().backward()
    assert all(w.grad is not None for w in model.parameters())
    assert run(model, prior(), n=2).x.shape == (2, 4, 1, 9, 6)
    for part, moves in (("place", False), ("picture", True)):
        deaf = build(config, (4, 1, 9, 6), bits=1).double()
        getattr(deaf.leave[-1], part).apply(silenced)
        one, other = (run(deaf, each({"z1": prior()}, mode), deaf.evidence(x))["x"].p.mean() for _ in range(2))
        assert torch.equal(one, other) != moves
    assert build(CWVAEConfig(latents=(3,), strides=(1,), sprites=1, **SMALL), (4, 1, 9, 6), bits=1)
    with pytest.raises(HvaeError, match="model.sprites: pictures are put into frames"):
        build(config, (STEPS, WIDTH), bits=1)
    with pytest.raises(HvaeError, match="model.dense: with model.sprites"):
        CWVAEConfig(sprites=1, dense=True)


def test_films_whose_things_are_followed() -> None:
    """Inference sees places and looks of one thing each, padding never; a picture has its own latents."""
    config = CWVAEConfig(latents=(5, 4), strides=(1, 4), sprites=2, side=4, follow=True, **SMALL)
    model, x = (
        build(config, (4, 1, 12, 10), bits=1).double(),
        torch.bernoulli(torch.full((2, 4, 1, 12, 10), 0.1)).double(),
    )
    lengths = torch.tensor([4, 2])
    model(Datum(x, lengths=lengths)).elbo().mean().backward()
    assert all(w.grad is not None for w in model.parameters())
    other = x.clone()
    other[1, 2:] = 1 - other[1, 2:]
    torch.manual_seed(0)
    a = model(Datum(x, lengths=lengths)).elbo()
    torch.manual_seed(0)
    assert torch.equal(model(Datum(other, lengths=lengths)).elbo(), a)
    assert run(model, prior(), n=2).x.shape == (2, 4, 1, 12, 10)
    assert build(CWVAEConfig(latents=(3,), strides=(1,), sprites=1, follow=True, **SMALL), (4, 3, 30, 30), bits=1)
    for wrong in ({"sprites": 0}, {"sprites": 3}, {"sprites": 2}, {"posterior": "residual", "sprites": 1}):
        with pytest.raises(HvaeError, match="model.follow: expected"):
            CWVAEConfig(latents=(3, 4), strides=(1, 4), follow=True, **wrong)


def silenced(layer: torch.nn.Module) -> None:
    if isinstance(layer, torch.nn.Linear):
        torch.nn.init.zeros_(layer.weight)


def test_clocks_that_do_not_mesh() -> None:
    for strides in ((2, 3), (4, 4), (4, 2)):
        with pytest.raises(HvaeError, match="model.strides: expected each a multiple of the one before"):
            CWVAEConfig(latents=(2, 2), strides=strides)
    with pytest.raises(HvaeError, match="model.strides: expected one for each of the 1 levels"):
        CWVAEConfig(latents=(2,), strides=(1, 2))
