"""Seeds of this library's own noise: well spread, and apart from those that data are made with."""

from __future__ import annotations

import numpy as np
import torch

from hvae.counts import whole

# Whoever makes data after `torch.manual_seed(0)` and measures with `seed=0` would meet the same normal numbers twice,
# once as data and once as noise: an information of 1.16 nats then measures as 2.40.
_OWN = 0x68766165


def mixed_seed(*key: int) -> int:
    """One well spread seed from several small integers.

    PyTorch's CPU generator looks at 32 bits only, and seeds that differ in one bit give related streams at first.
    """
    # The length too: trailing zeros alone do not change a SeedSequence.
    return int(np.random.SeedSequence((len(key), *key)).generate_state(1, np.uint32)[0])


def noise_seed(seed: int, *key: int) -> int:
    """The seed of noise that must not be that of a caller's data, from the caller's `seed` (any integer) and a place.

    >>> noise_seed(0) == 0, noise_seed(0) == noise_seed(0), noise_seed(0, 1) == noise_seed(1, 0)
    (False, True, False)
    """
    return mixed_seed(_OWN, whole("seed", seed, None) % 2**64, *key)


def part_seed(seed: int, part: int) -> int:
    """The seed of one part of a work, by its number or the place where it begins: other parts, other seeds.

    >>> part_seed(2, 5)
    2000011
    """
    return seed * 1_000_003 + part


def reseed(seed: int) -> None:
    """Set the generators of the CPU and of every accelerator in use.

    Not by `torch.manual_seed`: for each kind of device that is not in use it stores the call with a formatted stack,
    which takes up to a millisecond and, called at every step, grows without end.

    >>> reseed(3)
    >>> first = torch.rand(2)
    >>> reseed(3)
    >>> torch.equal(first, torch.rand(2))
    True
    """
    torch.default_generator.manual_seed(seed)
    for device in (torch.cuda, torch.xpu):
        if device.is_initialized():
            device.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)
