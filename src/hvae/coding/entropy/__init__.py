"""From distributions to integers and bits: curves, bins, symbols, the stack and the queue, and how to compute alike."""

from hvae.coding.entropy import laws  # noqa: F401  (the registry knows these from the first import on)
