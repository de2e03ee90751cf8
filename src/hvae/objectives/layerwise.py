"""Training a hierarchy level by level, from the top."""

from __future__ import annotations

from dataclasses import dataclass

from hvae.draw import Draw, upper


@dataclass(frozen=True)
class Layerwise:
    r"""At step i inference knows the top k levels, and those below are drawn from their priors.

    $$k = 1 + \lfloor i / n \rfloor, \qquad
      -\mathbb E_{q_k}\Big[\log p(x \mid z)\Big] + \sum_{l > L - k} KL\big(q_l \,\|\, p_l\big)$$

    with q_k of `hvae.draw.upper`, so that each stage minimises a bound on log p(x) of the model itself: the top has to
    say what it can before a level below says it more cheaply, and the next level finds it said.  Nothing is frozen.
    To hold lower levels at a constant would not do: the decoder would learn a model that nobody samples; nor would a
    weight of 0 on their KL, which makes them as informative as can be.  Li et al. 2020, arXiv 2002.10549, sec. 3.2,
    train from the top down too, in a hierarchy of independent latents (VLAE), where levels below are absent instead.

    Arguments: `steps`, n.

    >>> from hvae.draw import posterior
    >>> Layerwise(100)(posterior, 250).count
    3
    """

    steps: int

    def __call__(self, draw: Draw, step: int) -> Draw:
        return upper(1 + step // self.steps, draw)
