"""What a decoder takes from its first walk: the same bits, with fewer layers computed."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from tiny_codecs import drawings, tiny
from torch import Tensor, nn

from hvae.coding.entropy.stack import Stack
from hvae.coding.lossless import bitsback
from hvae.coding.lossless.coder import ORDERS, Coder, with_enough_noise
from hvae.coding.lossless.recall import Memory

KINDS = ["vae", "chain", "grouped", "colour"]


def noted(layer: nn.Module, x: Tensor) -> tuple[Memory, Tensor]:
    memory = Memory(layer)
    with memory.noting(), torch.no_grad():
        return memory, layer(x)


def recalled(memory: Memory, layer: nn.Module, x: Tensor) -> Tensor:
    with memory.recalling(), torch.no_grad():
        y: Tensor = layer(x)
        return y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 4])
def test_a_decoder_with_memory_and_one_without_agree_to_the_last_bit(
    kind: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = tiny(kind)
    levels = np.stack([one.levels for one in drawings(rows, codec.shape)])
    coder = Coder(codec.model, ORDERS[0], codec.calibrate(levels), codec.bits)
    coded = with_enough_noise(lambda stack: coder.encode(stack, levels))
    outcomes, taken = [], []

    def remembering(model: nn.Module, most: int) -> Memory:
        taken.append(Memory(model, most))
        return taken[-1]

    for most in (1 << 20, 0):
        monkeypatch.setattr(bitsback, "Memory", partial(remembering, most=most))
        stack: Stack = coded.copy()
        outcomes.append((coder.decode(stack, rows).tobytes(), stack.words().tobytes()))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == levels.tobytes()
    assert taken[0].taken > 0
    assert taken[1].taken == 0


@pytest.mark.parametrize("layer", [nn.Conv2d(2, 3, 3, padding=1), nn.Sequential(nn.SiLU(), nn.Conv2d(2, 3, 1))])
def test_an_answer_is_taken_for_an_equal_input_alone(layer: nn.Module) -> None:
    x = torch.arange(36.0, dtype=torch.float64).view(2, 2, 3, 3)
    layer = layer.double()
    memory, y = noted(layer, x)
    other = x + 2**-45 * (x == 17)
    assert recalled(memory, layer, other).equal(layer(other))
    assert recalled(memory, layer, x[:1]).shape == (1, 3, 3, 3)
    assert memory.taken == 0
    assert recalled(memory, layer, x.clone()).equal(y)
    assert memory.taken == 1


def test_what_is_done_to_a_map_afterwards_does_not_count() -> None:
    layer, x = nn.Linear(3, 3), torch.ones(2, 3)
    memory, y = noted(layer, x)
    first = y.clone()
    y.add_(1.0)
    x.mul_(2.0)
    assert recalled(memory, layer, torch.ones(2, 3)).equal(first)
    assert recalled(memory, layer, x).equal(layer(x))


def test_calls_of_one_layer_are_told_apart_by_their_inputs() -> None:
    layer = nn.Linear(3, 2)
    memory = Memory(layer)
    inputs = [torch.full((1, 3), float(at)) for at in range(3)]
    with memory.noting(), torch.no_grad():
        answers = [layer(x) for x in inputs]
    assert all(recalled(memory, layer, inputs[at]).equal(answers[at]) for at in (2, 0, 1))
    assert memory.taken == 3


class Counting(nn.Linear):
    """A layer that keeps a state: it answers differently each time."""

    calls = 0

    def forward(self, input: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(input) + self.calls


@pytest.mark.parametrize("layer", [Counting(2, 2), nn.Sequential(Counting(2, 2), nn.SiLU())])
def test_layers_of_others_are_computed_again(layer: nn.Module) -> None:
    x = torch.ones(1, 2)
    memory, y = noted(layer, x)
    assert not recalled(memory, layer, x).equal(y)
    assert memory.taken == 0


def test_a_layer_is_itself_again_after_a_fault() -> None:
    layer = nn.Linear(2, 2)
    memory = Memory(layer)
    with pytest.raises(RuntimeError), memory.noting():
        layer(torch.ones(1, 3))
    assert "forward" not in layer.__dict__


def test_a_chain_that_answers_with_more_than_a_map_is_computed_again() -> None:
    chain, x = nn.Sequential(nn.Linear(2, 3), nn.GRU(3, 4)), torch.randn(5, 2)
    memory, first = noted(chain, x)
    again = recalled(memory, chain, x)
    assert memory.taken == 0
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
