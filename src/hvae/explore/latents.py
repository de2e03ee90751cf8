r"""Encoding into latents, decoding from latents, and interpolation between two images.

Shapes: `N` images; `T` stations of a path; `...` a latent's own shape; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.counts import whole
from hvae.datum import Datum
from hvae.draw import Draw, mode, posterior
from hvae.errors import HvaeError
from hvae.explore import frame
from hvae.explore.frame import CHUNK, check_levels, of_levels
from hvae.explore.sample import Temperature, sample
from hvae.site import Pin
from hvae.walk import Model, still

Path = Callable[[Tensor, Tensor, float], Tensor]
"""From a, (N, ...), to b, (N, ...): the point at t in [0, 1], (N, ...)."""
Progress = Callable[[int, int], None]
"""Callback (done, total), in steps of the path."""


def _silent(done: int, total: int) -> None:
    pass


def encode(
    model: Model, x: Tensor | Datum, *, draw: Draw = posterior, seed: int | None = None, chunk: int = CHUNK
) -> dict[Pin, Tensor]:
    r"""Sample every latent of some data from the posterior.

    $$z_l \sim q(z_l \mid z_{>l}, x)$$

    Arguments: `x`, (N, C, H, W) in [0, 1], or a Datum with its context; `draw`, how values are chosen (`mode` for the
    modes of q); `seed` for reproducible values.  Returns {level: (N, ...)}, or {(level, step): (N, ...)} where levels
    recur in time, in the order of inference.  Raises HvaeError for data of another shape.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> {name: tuple(z.shape) for name, z in encode(model, torch.rand(5, 1, 4, 4)).items()}
    {'z2': (5, 2), 'z1': (5, 4)}
    """
    with still(model, seed):
        return frame.encode(model, x, draw, chunk)


def decode(
    model: Model,
    values: Mapping[Pin, Tensor] | Mapping[str, Tensor],
    *,
    context: Context | None = None,
    temperature: Temperature = 1.0,
    seed: int | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    r"""The mean pictures of given latents, the inverse of `encode`.

    $$\text{picture} = \mathbb{E}[x \mid z]$$

    Levels that are not given are sampled from their priors.

    Arguments: `values`, {level: (N, ...)} for any of the levels, or (1, ...) to share one value; `context` of a
    conditional model, (N, ...) by name or one value for all; `temperature` of the levels that are drawn, as in
    `sample`; `seed` of their draws.  Returns (N, C, H, W) in [0, 1].  Raises HvaeError for an unknown level or a value
    of another shape.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> decode(model, {"z2": torch.randn(5, 2)}, temperature=0.7).shape
    torch.Size([5, 1, 4, 4])
    """
    if not values:
        raise HvaeError("expected the values of at least one level to decode, got none; to draw all of them use sample")
    rows = max(len(value) for value in values.values())
    return sample(model, rows, context=context, temperature=temperature, given=values, seed=seed, chunk=chunk)


def linear(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Linear interpolation, (1 - t) a + t b.

    >>> linear(torch.zeros(1, 2), torch.ones(1, 2), 0.25)
    tensor([[0.2500, 0.2500]])
    """
    return torch.lerp(a, b, t)


def spherical(a: Tensor, b: Tensor, t: float) -> Tensor:
    r"""Spherical interpolation: along the great circle; ends of equal norm keep it throughout.

    $$\frac{\sin((1-t)\omega)}{\sin\omega} a + \frac{\sin(t\omega)}{\sin\omega} b, \qquad
      \cos\omega = \frac{a \cdot b}{|a||b|}$$

    Shoemake 1985; for standard normal priors, whose samples nearly all have the same norm: White 2016,
    arXiv 1609.04468, sec. 2.1.  Linear where a and b are parallel or opposite.

    >>> spherical(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.5)
    tensor([[0.7071, 0.7071]])
    """
    flat_a, flat_b = a.flatten(1), b.flatten(1)  # (N, D)
    cosine = torch.cosine_similarity(flat_a, flat_b, 1, eps=0.0).nan_to_num(1.0).clamp(-1, 1)
    angle = cosine.arccos()  # (N,)
    curved = angle.sin() > 1e-4
    safe = torch.where(curved, angle, 1.0)
    from_a = torch.where(curved, ((1 - t) * safe).sin() / safe.sin(), 1 - t)
    from_b = torch.where(curved, (t * safe).sin() / safe.sin(), t)
    return (from_a[:, None] * flat_a + from_b[:, None] * flat_b).reshape(a.shape).to(a)


PATHS: dict[str, Path] = {"linear": linear, "spherical": spherical}
"""The interpolation paths by name."""


def interpolate(
    model: Model,
    a: Tensor | Datum,
    b: Tensor | Datum,
    steps: int = 7,
    *,
    levels: Sequence[str] | None = None,
    path: Path = linear,
    draw: Draw = posterior,
    rest: Draw = mode,
    seed: int | None = None,
    chunk: int = CHUNK,
    progress: Progress = _silent,
) -> Tensor:
    r"""Interpolate between each image of `a` and the one of `b`, the ends included.

    $$z_l(t) = \mathrm{path}(z_l^a, z_l^b, t), \qquad t = 0, \tfrac{1}{T-1}, \dots, 1$$

    Arguments: `a` and `b`, (N, C, H, W) in [0, 1], or a Datum each, where the context of `a` is used throughout;
    `steps`, T; `levels` to interpolate (all by default); `path`, `linear` or `spherical`; `draw`, how the latents of
    the ends are chosen; `rest`, how the other levels are chosen given those above (`mode`, or `prior(t)`); `seed` of
    all draws; `chunk`, rows per run (results for a seed depend on it); `progress(done, total)`, in steps.
    Returns (T, N, C, H, W) in [0, 1].  Raises HvaeError for an unknown level, ends of unequal shape, or T below 2.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> interpolate(model, torch.zeros(3, 1, 4, 4), torch.ones(3, 1, 4, 4), 5, levels=["z2"], path=spherical).shape
    torch.Size([5, 3, 1, 4, 4])
    """
    steps = whole("steps", steps, 2)
    if len(a) != len(b):
        raise HvaeError(f"expected as many images at both ends, got {len(a)} and {len(b)}")
    names = frame.levels(model)
    moved = names if levels is None else list(levels)
    check_levels(moved, names)
    context = frame.context_of(model, a)
    with still(model, seed):
        start, end = (of_levels(moved, frame.encode(model, x, draw, chunk)) for x in (a, b))
        pictures = []
        for i in range(steps):
            progress(i, steps)
            station = {variable: path(value, end[variable], i / (steps - 1)) for variable, value in start.items()}
            pictures.append(frame.decode(model, station, len(a), context=context, otherwise=rest, chunk=chunk))
    progress(steps, steps)
    return torch.stack(pictures)
