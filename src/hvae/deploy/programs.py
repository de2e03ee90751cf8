"""A model as two functions of tensors: noise to pictures, and pictures to latents, rates and the ELBO.

Shapes: `B` rows; `L` levels; `C H W` a picture; `...` a variable's own shape.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.export import Dim

from hvae.datum import Datum
from hvae.deploy.noise import Noise
from hvae.deploy.sizes import Fixed, Sizes
from hvae.distributions import Flowed
from hvae.distributions.columns import Columns
from hvae.distributions.pixels import AutoregressivePixels
from hvae.distributions.ranked import RankedCodes
from hvae.distributions.steps import Depth
from hvae.errors import HvaeError
from hvae.site import Key, spelled
from hvae.walk import Model, Trace, device_of, glimpse, run, still

DATA, TEMPERATURE, PICTURE, OTHERS = "x", "temperature", "picture", "data"
MOST_PASSES = 128
"""Of the networks of flows, which a graph has written out one after another: 24 operations each, traced and decomposed
in a quarter of a second of a core."""

FIXED = Fixed()


class Function(nn.Module, ABC):
    """A function of tensors that can become a graph: arguments by `names`, results by `outputs`, in this order.

    Every argument and result has rows, (n, ...), but for the arguments that are `fixed`.
    """

    model: Model
    outputs: tuple[str, ...]
    fixed: ClassVar[frozenset[str]] = frozenset()
    sizes: Sizes = FIXED

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """The arguments in their order."""

    @abstractmethod
    def arguments(self, n: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Arguments for n rows, to trace and to compare with; their random numbers are of the seed."""

    def open_axes(self) -> tuple[dict[int, Any], ...]:
        """The open axes of each argument: its rows, and the size of a map where any is taken."""
        shapes = {name: argument.shape for name, argument in zip(self.names, self.arguments(1), strict=True)}
        axes = {name: (0, *self.sizes.axes(shape)) for name, shape in shapes.items() if name not in self.fixed}
        return tuple(dict.fromkeys(axes.get(name, ()), Dim.DYNAMIC) for name in self.names)


class Program(Function):
    """A model whose noise, temperatures and context are arguments, in the order of `names`, giving `outputs`.

    Raises HvaeError for a model that cannot be written as one function of tensors, with the reason.
    """

    fixed = frozenset({TEMPERATURE})

    def __init__(self, model: Model, sizes: Sizes = FIXED) -> None:
        super().__init__()
        trace = checked(model)
        self.model, self.sizes = model, sizes
        self.keys: list[Key] = [record.key for record in trace.latents]
        self.shapes = [tuple(record.value.shape[1:]) for record in trace.latents]
        self.conditions = list(model.conditions)
        self.outputs = (PICTURE if len(model.shape) == 3 else OTHERS,)

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        """The latents, top first, and the shape of each, (...)."""
        return {spelled(key): shape for key, shape in zip(self.keys, self.shapes, strict=True)}

    @property
    def names(self) -> list[str]:
        """The arguments in their order: noise by level, temperatures, context by name."""
        noise = [f"noise_{spelled(key)}" for key in self.keys]
        return [*noise, TEMPERATURE, *(f"context_{name}" for name in self.conditions)]

    def arguments(self, n: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Arguments for n rows: noise of a seed, temperatures 1, a placeholder for each condition."""
        generator = torch.Generator().manual_seed(seed)
        like = next((w for w in self.model.parameters() if w.is_floating_point()), torch.zeros(()))
        noise = [torch.randn(n, *shape, generator=generator).to(like) for shape in self.shapes]
        context = [one.placeholder(n, device_of(self.model)) for one in self.model.conditions.values()]
        return (*noise, like.new_ones(len(noise)), *context)

    def _split(self, arguments: tuple[Tensor, ...]) -> tuple[Noise, dict[str, Tensor]]:
        count = len(self.keys)
        noise = Noise(dict(zip(self.keys, arguments[:count], strict=True)), arguments[count])
        return noise, dict(zip(self.conditions, arguments[count + 1 :], strict=True))


class Decoder(Program):
    r"""Noise in, pictures out: latents from the prior, then the mean of the likelihood.

    $$z_l = \mu_l(z_{>l}) + t_l\,\sigma_l(z_{>l}) \odot \epsilon_l, \qquad \text{picture} = \mathbb E[x \mid z_{1:L}]$$

    Raises HvaeError for a model that cannot be written as one function of tensors.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> decoder = Decoder(build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1))
    >>> decoder.names
    ['noise_z2', 'noise_z1', 'temperature']
    >>> decoder(*decoder.arguments(3)).shape
    torch.Size([3, 1, 4, 4])
    """

    def __init__(self, model: Model, sizes: Sizes = FIXED) -> None:
        _check_passes(model)
        super().__init__(model, sizes)

    def forward(self, *arguments: Tensor) -> Tensor:
        draw, context = self._split(arguments)
        # Not len(): an exported program keeps its batch open.
        with self.sizes.at(arguments[0].shape[2:]):
            trace = run(self.model, draw, self.model.nothing(arguments[0].shape[0], context))
            return self.model.picture(trace)


class Encoder(Program):
    r"""Pictures and noise in; latents, rates and the ELBO out.

    $$z_l = \mu_l(x, z_{>l}) + t_l\,\sigma_l \odot \epsilon_l, \qquad
      \text{rate}_l = \mathrm{KL}\big(q(z_l \mid \cdot) \,\|\, p(z_l \mid z_{>l})\big)$$

    with q = q(z_l given x and the levels above): temperatures of 0 give posterior means, of 1 draws.  Outputs: each
    latent, top first; `rates` (B, L), of all steps of a level that recurs in time; `elbo` (B,); both in nats a datum,
    estimated with these draws.  Of a table, cells of exactly 0 are not known: they count in none of these.
    Raises HvaeError for a model that cannot be written as one function of tensors.
    """

    def __init__(self, model: Model, sizes: Sizes = FIXED) -> None:
        super().__init__(model, sizes)
        self.has_gaps = any(isinstance(record.law, Columns) for record in glimpse(model).observed)
        self.outputs = (*map(spelled, self.keys), "rates", "elbo")

    @property
    def names(self) -> list[str]:
        return [DATA, *super().names]

    def arguments(self, n: int, seed: int = 0) -> tuple[Tensor, ...]:
        rest = super().arguments(n, seed)
        x = torch.rand(n, *self.model.shape, generator=torch.Generator().manual_seed(seed))
        return (x.round().to(rest[len(self.keys)]), *rest)

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        draw, context = self._split(arguments[1:])
        with self.sizes.at(arguments[1].shape[2:]):
            trace = run(self.model, draw, self.model.evidence(self._datum(arguments[0]), context, check=False))
        rates = torch.stack(list(trace.rates().values()), 1)
        return (*(trace[key].value for key in self.keys), rates, trace.elbo())

    def _datum(self, x: Tensor) -> Datum:
        return Datum(x, observed=x != 0 if self.has_gaps else None)


def checked(model: Model) -> Trace:
    """A walk of the model from its prior.  Raises HvaeError where no exported function can do what it does."""
    if reason := obstacle(model) or generative_obstacle(model):
        raise HvaeError(f"{reason}: such a model is not exported; use `hvae sample`")
    trace = glimpse(model, 2)
    draw = Noise({r.key: torch.zeros_like(r.value) for r in trace.latents}, torch.ones(len(trace.latents)))
    context = {name: one.placeholder(2, device_of(model)) for name, one in model.conditions.items()}
    with still(model, seed=0):
        run(model, draw, model.nothing(2, context))
    return trace


def _check_passes(model: Model) -> None:
    """Raises HvaeError for priors whose draws would make a graph of too many networks in a row."""
    laws = {record.name: record.p for record in glimpse(model).latents if isinstance(record.p, Flowed)}
    passes = sum(law.passes for law in laws.values())
    if passes > MOST_PASSES:
        raise HvaeError(
            f"the prior's flow is drawn from one channel after another, {passes} networks in a row for "
            f"{', '.join(laws)}, and a graph has each of them written out: expected at most {MOST_PASSES}; train with "
            "--model.flow.prior affine-coupling or spline-coupling, whose draws take two a map, or fewer "
            "model.flow.transforms; `hvae export --part encoder` and `hvae sample` serve this model"
        )


def obstacle(model: Model) -> str:
    """Why no walk of the model is one graph; empty where it can be."""
    if model.timed:
        return "models of sequences walk one step after another"
    if any(isinstance(record.law, Depth) for record in glimpse(model).records.values()):
        return "diffusions choose how many levels a walk visits"
    return ""


def generative_obstacle(model: Model) -> str:
    """Why its walk without data is none, though one that is given data may be; empty where it can be."""
    trace = glimpse(model)
    if not trace.latents:
        return "this model has no latents to decode"
    if any(isinstance(record.law, AutoregressivePixels) for record in trace.observed):
        return "this likelihood draws one pixel after another"
    if any(isinstance(record.law, RankedCodes) for record in trace.latents):
        return "this prior draws one code after another"
    return ""
