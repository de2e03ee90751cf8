"""Networks: tensors in, tensors out, without probability."""

from hvae.nn.conv import ConvKit, ResidualBlock, Resize
from hvae.nn.kit import Kit, Shape
from hvae.nn.mlp import MLPKit, TanhKit
from hvae.nn.state import BottomUp, Constant, Recomputed, Start, from_vector, to_gaussian

__all__ = [
    "BottomUp",
    "Constant",
    "ConvKit",
    "Kit",
    "MLPKit",
    "Recomputed",
    "ResidualBlock",
    "Resize",
    "Shape",
    "Start",
    "TanhKit",
    "from_vector",
    "to_gaussian",
]
