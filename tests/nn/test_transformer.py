"""The causal Transformer: what each position sees, and that drawing with a cache computes what one pass does."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.fading import Fading
from hvae.nn.transformer import CausalAlong, CausalTransformer


@pytest.fixture
def network() -> CausalTransformer:
    torch.manual_seed(0)
    network = CausalTransformer(6, (3, 4), width=8, layers=2, heads=2).double().eval()
    nn.init.normal_(network.leave.weight)
    return network


def test_a_position_sees_those_before_it_alone(network: CausalTransformer) -> None:
    index = torch.randint(6, (1, 3, 4))
    other = index.clone()
    other[0, 1, 1] = (other[0, 1, 1] + 1) % 6
    moved = (network(index) != network(other)).any(1)[0]
    after = torch.arange(12).view(3, 4) > 5
    assert torch.equal(moved, after), "the ones after (1, 1) in raster order, and each of them"


def test_the_context_is_seen_at_every_position(network: CausalTransformer) -> None:
    """At its own position it moves the code there: it is known before any code is."""
    index, context = torch.randint(6, (1, 3, 4)), torch.randn(1, 8, 3, 4, dtype=torch.float64)
    other = context.clone()
    other[0, :, 1, 1] = torch.randn(8, dtype=torch.float64)
    moved = (network(index, context) != network(index, other)).any(1)[0]
    assert torch.equal(moved, torch.arange(12).view(3, 4) >= 5)


@pytest.mark.parametrize("has_context", [False, True])
def test_drawing_with_a_cache_computes_what_one_pass_does(network: CausalTransformer, has_context: bool) -> None:
    context = torch.randn(5, 8, 3, 4, dtype=torch.float64) if has_context else None
    seen: list[Tensor] = []

    def choose(logits: Tensor) -> Tensor:
        seen.append(logits)
        return torch.randint(6, (len(logits),))

    index = network.draw(5, choose, context)
    assert len(seen) == 12, "each position runs once"
    torch.testing.assert_close(torch.stack(seen, 2).view(5, 6, 3, 4), network(index, context), atol=1e-12, rtol=0)


def test_an_untrained_network_is_uniform() -> None:
    network = CausalTransformer(6, (3, 4), width=8, layers=2, heads=2)
    log_p = network(torch.randint(6, (2, 3, 4))).log_softmax(1)
    assert torch.equal(log_p, torch.full_like(log_p, -math.log(6)))


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(HvaeError, match="expected a width that 3 heads divide, got 8"):
        CausalTransformer(6, (3, 4), width=8, layers=1, heads=3)


def test_attention_fades_with_distance() -> None:
    """Two heads of slopes 1/16 and 1/256, written out; nothing from as far as the reach."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, 7, 4, dtype=torch.float64) for _ in range(3))
    scores = query @ key.transpose(2, 3) / 2
    for i in range(7):
        for j in range(7):
            scores[0, :, i, j] -= torch.tensor([1 / 16, 1 / 256]) * (i - j) if 0 <= i - j < 3 else math.inf
    expected = scores.softmax(3) @ value
    torch.testing.assert_close(Fading(2, reach=3)(query, key, value), expected)
    torch.testing.assert_close(Fading(2, reach=3)(query[:, :, 5:], key, value), expected[:, :, 5:])


def test_attention_to_both_sides_leaves_out_what_does_not_exist() -> None:
    """In parts of the reach or at once; a position that does not exist hears itself beside those that do."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 2, 7, 4, dtype=torch.float64) for _ in range(3))
    within = torch.arange(7) < torch.tensor([7, 4])[:, None]
    scores = query @ key.transpose(2, 3) / 2
    for row in range(2):
        for i in range(7):
            for j in range(7):
                heard = -2 <= i - j < 3 and (within[row, j] or i == j)
                scores[row, :, i, j] -= torch.tensor([1 / 16, 1 / 256]) * abs(i - j) if heard else math.inf
    attend = Fading(2, reach=3, ahead=2, within=within)
    torch.testing.assert_close(attend(query, key, value), scores.softmax(3) @ value)


def test_codes_along_a_sequence_are_drawn_as_they_are_scored() -> None:
    torch.manual_seed(0)
    network = CausalAlong(6, width=8, layers=2, heads=2).double().eval()
    nn.init.normal_(network.leave.weight)
    context, steps = torch.randn(3, 8, 9, dtype=torch.float64), list[Tensor]()

    def most_probable(logits: Tensor) -> Tensor:
        steps.append(logits)
        return logits.argmax(1)

    with torch.no_grad():
        index = network.draw(most_probable, context)
        torch.testing.assert_close(torch.stack(steps, 2), network(index, context))
        torch.testing.assert_close(network(index[:, :4], context[..., :4]), network(index, context)[..., :4])
        other = index.clone()
        other[:, 5] = (other[:, 5] + 1) % 6
        moved = (network(index, context) != network(other, context)).any(1)
    assert torch.equal(moved, (torch.arange(9) > 5).expand(3, -1))
