r"""Where each of several things is in every frame of a film, and what it looks like there: no network, nothing learned.

What a thing looks like is read at its place, where Eslami et al. 2016 (AIR, arXiv 1603.08575) attend, and the things of
a frame are those of the frame before (Kosiorek et al. 2018, SQAIR, arXiv 1806.01794; Hsieh et al. 2018, DDPAE, arXiv
1806.04166).  Light m_p = |x_p - median| of the pixels p is dealt out among K things by one step of a mixture of
Gaussians that starts where things go if they go on:

$$g_t^k = c_{t-1}^k + v_{t-1}^k, \qquad w_p^k = \operatorname{softmax}_k\big(-|p - g_t^k|^2 / 2 r^2\big), \qquad
  c_t^k = \frac{\sum_p w_p^k m_p\, p}{\sum_p w_p^k m_p}, \qquad v_t^k = v_{t-1}^k + c_t^k - g_t^k$$

A place from which a picture of side s would leave the frame is mirrored at that edge, and v with it.  It begins in the
frame whose light is spread most widely, where things are furthest apart, goes to the end from there, and then to the
beginning.  What a thing looks like is the mean over frames of the square around it, less of those where others are
near.  All this is a function of the data: inference that follows a thing needs no order of latents.

It wants an even ground, of which more than half of each frame is.

Shapes: `B` films; `T` frames; `C H W` of one; `P` places; `K` things; `s` the side of a square.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.nn.mlp import dense
from hvae.nn.sprites import NARROWEST, along

REACH = 0.2
"""r in sides of a square: nearer than that a place is of either thing."""
TURNS = 10
"""Steps of the mixture in the first frame, where nothing says yet where things are."""
COARSE = 2
"""Pixels a side that places are taken of together."""
LEAST = 1e-6
"""Of the light, beside which a frame is taken to be empty."""


SURE = -3.0
"""Of places at the start: the raw scale of their posteriors, 0.07 of a unit of log-odds, half a pixel of 36."""
EDGE = 0.01
"""Of the room of a picture: nearer to its end than that no place is said to be."""


class Following(nn.Module):
    """Films (B, T, C, H, W) and their lengths -> (B, T, 4 K + K C s s): where the things are, as the log-odds of the
    share of the room of a picture, and how they move, in half frames, rows before columns; then what each looks like,
    the same at all T."""

    def __init__(self, count: int, side: int) -> None:
        super().__init__()
        self.count, self.side = count, side

    @torch.no_grad()
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        size = x.new_tensor(x.shape[3:])
        exists = torch.ones_like(x[:, :, 0, 0, 0])
        if lengths is not None:
            exists = (torch.arange(x.shape[1], device=x.device) < lengths[:, None]).to(x)
        centres = follow(light(x) * exists[:, :, None, None], self.count, self.side)
        moves = torch.diff(centres, dim=1, prepend=centres[:, :1])
        looks = squares(x, centres, self.side, exists * alone(centres, self.side).movedim(2, 0))
        share = (centres - self.side / 2) / (size - self.side).clamp_min(1)
        where = torch.cat([share.logit(EDGE), 2 * moves / size], 2).flatten(2)
        return torch.cat([where, looks.flatten(1)[:, None].expand(-1, x.shape[1], -1)], 2)


class Sure(nn.Module):
    """Raw locations and scales (N, 2 D) that start at the first `count` numbers of (N, E), nearly sure of them.

    To find out that the places which inference is told are the places where pictures go takes longer than all the
    rest: until then these are smears, from which no place can be learned.
    """

    def __init__(self, inputs: int, width: int, count: int, dims: int) -> None:
        super().__init__()
        self.count, self.dims, last = count, dims, nn.Linear(width, 2 * dims)
        with torch.no_grad():
            last.weight.zero_()
            last.bias.zero_()
            last.bias[dims : dims + count] = SURE
        self.network = nn.Sequential(dense(inputs, width), last)

    def forward(self, e: Tensor) -> Tensor:
        start = e[:, : self.count]
        return self.network(e) + nn.functional.pad(start, (0, 2 * self.dims - self.count))  # type: ignore[no-any-return]


def at_once(inputs: int, count: int) -> nn.Linear:
    """A linear map (N, inputs) -> (N, count) that starts as the first `count` of them."""
    layer = nn.Linear(inputs, count)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(count, inputs))
        layer.bias.zero_()
    return layer


def light(x: Tensor) -> Tensor:
    """How far pixels are from the ground, the median of some of their frame: (B, T, C, H, W) -> (B, T, H, W)."""
    ground = x[..., ::COARSE, ::COARSE].flatten(3).median(3).values[..., None, None]
    return (x - ground).abs().mean(2)


def follow(mass: Tensor, count: int, side: int) -> Tensor:
    """The centres (B, T, K, 2) of so many things in films of light (B, T, H, W), in pixels, rows before columns.

    >>> film = torch.zeros(1, 3, 12, 20)
    >>> film[0, [0, 1, 2], 5, [4, 5, 6]] = film[0, [0, 1, 2], 6, [14, 12, 10]] = 1.0
    >>> follow(film, 2, side=6)[0, :, :, 1].round().tolist()
    [[5.0, 15.0], [5.0, 13.0], [7.0, 11.0]]
    """
    size = mass.new_tensor(mass.shape[2:])
    # By one divisor: at an odd edge a mean of fewer pixels would count each of them for more.
    coarse = nn.functional.avg_pool2d(mass, COARSE, ceil_mode=True, divisor_override=COARSE**2)
    place, light = _places(mass), coarse.flatten(2)  # (P, 2), (B, T, P)
    order, turn = _order(_spread(light, place).argmax(1), light.shape[1])
    light = light.gather(1, order[..., None].expand_as(light))
    first = _apart(light[:, 0], place, count)
    for _ in range(TURNS):
        first = _nearer(light[:, 0], place, first, REACH * side)
    centre, move, centres = first, torch.zeros_like(first), [first]
    low, high = torch.full_like(size, side / 2), size - side / 2
    for j in range(1, light.shape[1]):
        back = turn.eq(j)[:, None, None]
        centre, move = torch.where(back, first, centre), torch.where(back, 0.0, move)
        guess, move = _mirrored(centre + move, move, low, high)
        centre = _nearer(light[:, j], place, guess, REACH * side)
        move = move + centre - guess
        centres.append(centre)
    series = torch.stack(centres, 1)
    return torch.empty_like(series).scatter_(1, order[..., None, None].expand_as(series), series)


def alone(centres: Tensor, side: int) -> Tensor:
    """How far each thing is from all others, from 0 (at the same place) to 1: (B, T, K, 2) -> (B, T, K)."""
    far = torch.cdist(centres, centres)
    near = torch.exp(-0.5 * (far / (side / 2)).square())
    others = 1 - torch.eye(centres.shape[2], device=centres.device, dtype=centres.dtype)
    return (1 - near * others).prod(3)


def squares(x: Tensor, centres: Tensor, side: int, weight: Tensor) -> Tensor:
    """The mean squares around centres (B, T, K, 2), by weights (K, B, T): (B, K, C, s, s)."""
    down, across = (along(centres[..., axis, None], x.shape[3 + axis], side, NARROWEST) for axis in (0, 1))
    share = (weight / weight.sum(2, keepdim=True).clamp_min(LEAST)).permute(1, 2, 0)  # (B, T, K)
    return torch.einsum("btk,btkhi,btchw,btkwj->bkcij", share, down[:, :, :, 0], x, across[:, :, :, 0])


def _places(mass: Tensor) -> Tensor:
    """The middles of all coarse pixels of films (B, T, H, W), in fine ones, (P, 2); at an odd edge they are cut."""
    starts = [(torch.arange(0, n, COARSE, device=mass.device), n) for n in mass.shape[2:]]
    rows, columns = (0.5 * (start + (start + COARSE).clamp(max=n)) for start, n in starts)
    return torch.cartesian_prod(rows, columns).to(mass)


def _spread(light: Tensor, place: Tensor) -> Tensor:
    """The variance of the place of the light, (B, T, P) -> (B, T)."""
    share = light / light.sum(2, keepdim=True).clamp_min(LEAST)
    return share @ place.square().sum(1) - (share @ place).square().sum(2)


def _order(begin: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Frames from the one to begin with to the end, then from it to the first, (B, T); where that turn is, (B,)."""
    j, begin = torch.arange(steps, device=begin.device), begin[:, None]
    return torch.where(j < steps - begin, begin + j, steps - 1 - j), steps - begin[:, 0]


def _apart(light: Tensor, place: Tensor, count: int) -> Tensor:
    """So many places along the longest axis of light (B, P), the leftmost first: (B, K, 2)."""
    share = light / light.sum(1, keepdim=True).clamp_min(LEAST)
    mean = share @ place
    rest = place - mean[:, None]
    values, vectors = torch.linalg.eigh((rest * share[..., None]).transpose(1, 2) @ rest)
    axis = vectors[..., 1] * values[:, 1:].clamp_min(0).sqrt()
    axis = torch.where(axis[:, 1:] < 0, -axis, axis)
    along_it = (2 * torch.arange(count).to(place) + 1 - count) / max(count - 1, 1)
    return mean[:, None] + along_it[:, None] * axis[:, None]


def _nearer(light: Tensor, place: Tensor, guess: Tensor, reach: float) -> Tensor:
    """One step of the mixture from a guess (B, K, 2), which stays where there is no light."""
    near = (guess @ place.T - 0.5 * guess.square().sum(2, keepdim=True)) / reach**2  # |p|^2 is the same for all K
    weight = near.softmax(1) * light[:, None]
    whole = weight.sum(2, keepdim=True)
    return guess + (weight @ place - whole * guess) / whole.clamp_min(LEAST)


def _mirrored(guess: Tensor, move: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Places beyond the room of a picture, and how things move there, mirrored at its edge."""
    inside = guess.clamp(min=low, max=high)
    return 2 * inside - guess, torch.where(guess == inside, move, -move)
