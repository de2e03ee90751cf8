"""Models of conditions, of steps and of many noise levels: coded exactly, under the context that both sides give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.coding import Codec, LossyCodec, Picture, Uncodable, quantised, read
from hvae.coding.entropy.numerics import noise
from hvae.coding.entropy.stack import Stack
from hvae.condition import Condition, Context
from hvae.config.condition import ConditionConfig
from hvae.config.context import ContextConfig
from hvae.config.model import LadderConfig, MarkovConfig, ModelConfig
from hvae.config.qresvae import QResVAEConfig
from hvae.datum import Datum
from hvae.distributions import Bernoulli, DiscretizedLogistic, Normal, Steps, standard_normal
from hvae.distributions.quantised import BlurredNormal, Uniform
from hvae.errors import HvaeError
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model
from hvae.zoo import build


class Conditional(Model):
    """Pixels that a label, a direction and a latent decide; the latent is rounded or not."""

    shape = (1, 4, 4)

    def __init__(self, rounded: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rounded = rounded
        self.conditions = {"label": Condition(classes=3), "direction": Condition(shape=(2,), optional=True)}
        self.out = nn.Linear(4 + 3 + 2, 16)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        label = F.one_hot(evidence.context["label"], 3).to(self.out.weight)
        y = torch.cat([label, evidence.context["direction"].nan_to_num().to(label)], 1)
        loc, scale = y[:, :1].expand(-1, 4), torch.ones_like(y[:, :4])
        x = None if evidence.x is None else evidence.x.flatten(1)[:, :4]
        if self.rounded:
            z = visit(Site("z1", BlurredNormal(loc, 2 * scale), None if x is None else Uniform(4 * x + loc)))
        else:
            z = visit(Site("z1", standard_normal(y, (4,)), None if x is None else Normal(x + loc, 0.5 * scale)))
        return visit(evidence.site(Bernoulli(4 * self.out(torch.cat([z, y], 1)).unflatten(1, self.shape))))


class Rows(Model):
    """A recurrent walk over the rows of an image of sixteen greys: names that recur, with a latent of each row."""

    shape = (1, 5, 4)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.p, self.q = nn.Linear(8, 6), nn.Linear(12, 6)
        self.out, self.cell = nn.Linear(11, 8), nn.GRUCell(7, 8)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        h, rows = self.p.weight.new_zeros(evidence.n, 8), []
        for t in range(5):
            x = None if evidence.x is None else evidence.x[:, 0, t]
            q = None if x is None else gaussian(self.q(torch.cat([h, x], 1)))
            z = visit(Site("z", gaussian(self.p(h)), q, step=t))
            loc, log_scale = self.out(torch.cat([h, z], 1)).chunk(2, 1)
            x = visit(Site("x", DiscretizedLogistic(loc, log_scale - 1, 16), value=x, step=t, data=True))
            h = self.cell(torch.cat([x, z], 1), h)
            rows.append(x)
        return torch.stack(rows, 1)[:, None]


class Noisy(Model):
    """A chain of noise levels, of which training visits some: the choice of steps is a site without an own q."""

    shape = (1, 2, 2)

    def __init__(self, count: int = 6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.count, self.net = count, nn.Linear(4, 4)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        z = self.net.weight.new_zeros(evidence.n, 4)
        steps, x = Steps(z, 6), None if evidence.x is None else 2 * evidence.x.flatten(1) - 1
        chosen = visit(Site("t", steps if self.count == 6 else steps.thinned(self.count), auxiliary=True))
        for t in reversed(range(chosen.shape[1])):
            p, q = Normal(self.net(z), torch.ones_like(z)), None if x is None else Normal(x, 0.3 * torch.ones_like(z))
            z = visit(Site("z", p, q, step=t))
        z = z + 0.1 * visit(Site("aside", Normal(z, torch.ones_like(z)), auxiliary=True))
        return visit(evidence.site(Bernoulli((6 * z).unflatten(1, self.shape))))


def gaussian(raw: Tensor) -> Normal:
    loc, log_scale = raw.chunk(2, 1)
    return Normal(loc, log_scale.clamp(-5, 3).exp())


def pictures(shape: tuple[int, ...], top: int, count: int = 60) -> list[Picture]:
    levels = np.random.default_rng(0).integers(0, top + 1, (count, *shape), dtype=np.uint8)
    return [Picture("a", one, 0) for one in levels]


def same(a: list[Picture], b: list[Picture]) -> bool:
    return all(np.array_equal(one.levels, other.levels) for one, other in zip(a, b, strict=True))


@pytest.mark.parametrize(("model", "bits"), [(Rows(), 4), (Noisy(), 1)])
def test_names_that_recur_are_coded_exactly(model: Model, bits: int) -> None:
    codec, images = Codec(model, bits=bits), pictures(model.shape, 2**bits - 1)
    file = codec.compress(images)
    assert file.kept == 0 and same(codec.decompress(read(file.content)), images)


@pytest.mark.parametrize("model", [Rows(), Noisy(), Conditional()])
def test_a_block_of_such_models_returns_to_its_start(model: Model) -> None:
    """By the model, also where a file of these few would be kept without it."""
    codec = Codec(model, bits=1, context={"label": 2} if model.conditions else None)
    levels = np.stack([p.levels for p in pictures(model.shape, 1, 24)])
    coder, stack = codec.coder(codec.calibrate(levels)), Stack.start(noise(4000))
    for part in np.split(levels, 6):
        coder.encode(stack, part)
    back = [coder.decode(stack, 4) for _ in range(6)]
    assert np.array_equal(np.concatenate(back[::-1]), levels)
    assert np.array_equal(stack.ending(), noise(4000))


def test_a_random_choice_of_steps_is_refused() -> None:
    with pytest.raises(HvaeError, match="2 of 6 steps"):
        Codec(Noisy(2), bits=1).compress(pictures((1, 2, 2), 1))


@pytest.mark.parametrize("context", [{"label": 1}, {"label": torch.tensor([1]), "direction": [0.5, -0.25]}])
def test_files_decode_under_their_context_alone(context: Context) -> None:
    model, images = Conditional(), pictures((1, 4, 4), 1, 400)
    codec = Codec(model, bits=1, context=context)
    content = codec.compress(images, book=codec.calibrate(np.stack([p.levels for p in images]))).content
    file = read(content)
    assert file.header.order < 2, "coded by the model, not kept without it"
    assert same(Codec(model, bits=1, context=context).decompress(file), images)
    with pytest.raises(HvaeError, match=r"under this context \(label, direction\)"):
        Codec(model, bits=1, context={"label": 2}).decompress(file)


def test_lossy_files_take_a_context_too() -> None:
    model, images = Conditional(rounded=True), pictures((1, 4, 4), 255, 9)
    assert quantised(model) == ["z1"]

    def codec(label: int) -> LossyCodec:
        return LossyCodec(model, build=lambda shape: Conditional(rounded=True), bits=8, context={"label": label})

    file = codec(1).compress(images)
    assert same(codec(1).decompress(read(file.content)), list(file.pictures))
    with pytest.raises(HvaeError, match="under this context"):
        codec(0).decompress(read(file.content))


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (None, "this model is conditional: 'label' is a class from 0 to 2"),
        ({"label": 7}, "a class from 0 to 2"),
        ({"label": torch.tensor([1, 2])}, "or one row"),
        ({"lable": 1, "label": 1}, "did you mean 'label'"),
        ({"label": 1, "direction": [1.0]}, "expected shape"),
    ],
)
def test_contexts_that_do_not_fit_are_refused_before_work(context: Context | None, message: str) -> None:
    with pytest.raises(HvaeError) as fault:
        Codec(Conditional(), bits=1, context=context)
    assert message in str(fault.value) and "\n" not in str(fault.value)


def test_stepped_levels_are_no_lossy_codec() -> None:
    class Twice(Conditional):
        def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
            zeros = self.out.weight.new_zeros(evidence.n, 2)
            for t in range(2):
                visit(Site("z", BlurredNormal(zeros, zeros + 1), Uniform(zeros), step=t))
            return visit(evidence.site(Bernoulli(zeros[:, :1, None, None].expand(-1, 1, 4, 4))))

    assert quantised(Twice()) == []
    with pytest.raises(Uncodable, match="expected Gaussian or categorical"):
        Codec(Twice(), bits=1, context={"label": 0}).compress(pictures((1, 4, 4), 1))


def told(config: ModelConfig) -> Model:
    """A family of the library that may be told one of three classes, or none."""
    torch.manual_seed(0)
    condition = ConditionConfig(kind="class", classes=3, drop=0.5)
    return build(replace(config, condition=condition), shape=(1, 4, 4), bits=1)


MARKOV = MarkovConfig(latents=(3, 2), widths=(8, 8), norm="none")
ROUNDED = QResVAEConfig(patch=2, groups=(1, 1), widths=(6, 8), latent=2, likelihood="bernoulli")


@pytest.mark.parametrize("context", [{"label": 2}, None])
@pytest.mark.parametrize("config", [MARKOV, LadderConfig(groups=(1, 1), width=8, latent=2)])
def test_a_condition_that_may_be_dropped_is_coded_with_it_and_without(
    config: ModelConfig, context: Context | None
) -> None:
    codec = Codec(told(config), bits=1, context=context)
    levels = np.stack([p.levels for p in pictures((1, 4, 4), 1, 24)])
    coder, stack = codec.coder(codec.calibrate(levels)), Stack.start(noise(4000))
    for part in np.split(levels, 6):
        coder.encode(stack, part)
    back = [coder.decode(stack, 4) for _ in range(6)]
    assert np.array_equal(np.concatenate(back[::-1]), levels)
    assert np.array_equal(stack.ending(), noise(4000))


CONTEXT = ContextConfig(size=2, bits=2, steps=3, width=6, blocks=1)


@pytest.mark.parametrize(
    "config",
    [
        LadderConfig(groups=(1, 1), width=8, latent=2, context=CONTEXT),
        LadderConfig(groups=(1, 1), width=8, latent=2, context=replace(CONTEXT, size=3, bits=8), aggregate=True),
    ],
)
def test_a_context_prior_is_coded_exactly_and_within_its_bound(config: LadderConfig) -> None:
    torch.manual_seed(0)
    model, images = build(config, shape=(1, 4, 4), bits=1), pictures((1, 4, 4), 1, 24)
    levels = np.stack([p.levels for p in images])
    model.prepare(Datum(torch.from_numpy(levels).float()))
    codec, stack = Codec(model, bits=1), Stack.start(noise(4000))
    coder, before = codec.coder(codec.calibrate(levels)), stack.bits
    for part in np.split(levels, 6):
        coder.encode(stack, part)
    with torch.no_grad():
        nats = float(-model(torch.from_numpy(levels).float()).elbo().sum())
    # Less, since the tails of bins are cut, and untrained levels lie far out.
    assert 0 < (stack.bits - before) * np.log(2) < 1.05 * nats
    back = [coder.decode(stack, 4) for _ in range(6)]
    assert np.array_equal(np.concatenate(back[::-1]), levels)
    assert np.array_equal(stack.ending(), noise(4000))


@pytest.mark.parametrize("context", [{"label": 2}, None])
def test_a_condition_that_may_be_dropped_serves_lossy_files(context: Context | None) -> None:
    model, images = told(ROUNDED), pictures((1, 4, 4), 1, 9)
    assert quantised(model) == ["z2", "z1"]
    codec = LossyCodec(model, build=lambda shape: model, bits=1, context=context)
    file = codec.compress(images)
    assert same(codec.decompress(read(file.content)), list(file.pictures))
