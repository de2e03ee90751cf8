"""PixelSNAIL: the recorded cases of rosinality/vq-vae-2-pytorch, what each position sees, and drawing with a cache."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from recorded import Arrays, recorded
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.pixelsnail import Around, PixelSNAIL
from hvae.nn.weightnorm import Normed

CASES = Path(__file__).parents[3] / "shared/parity/next"
SIZES = {
    "pixelsnail_top": {"places": (4, 4), "layers": 2, "heads": 8},
    "pixelsnail_bottom": {"places": (8, 8), "layers": 1, "heads": 0, "context": 8},
}
PARTS = (  # what the released code calls the parts of ours
    ("enter.above", "horizontal.conv.conv"),
    ("enter.left", "vertical.conv.conv"),
    ("near.0.context.0", "resblocks.0.condition.conv"),
    ("near.0.first", "resblocks.0.conv1.conv.conv"),
    ("near.0.second", "resblocks.0.conv2.conv.conv"),
    ("keys.", "key_resblock."),
    ("queries.", "query_resblock."),
    ("attention.", "causal_attention."),
    ("join.beside.0", "out_resblock.aux_conv.conv"),
    ("join.", "out_resblock."),
    ("resblock.first", "resblock.conv1.conv"),
    ("resblock.second", "resblock.conv2.conv"),
)


def theirs(name: str) -> str:
    for ours, other in PARTS:
        name = name.replace(ours, other)
    if name == "leave":
        return "out.1.conv"
    return name.replace(".leave", ".out.conv")


def effective(case: Arrays, name: str) -> Tensor:
    """A weight from its direction and its length."""
    v, g = case[f"param/{name}.weight_v"], case[f"param/{name}.weight_g"]
    return v * g / torch.linalg.vector_norm(v, dim=tuple(range(1, v.ndim)), keepdim=True)


def fill(network: nn.Module, case: Arrays, rename: dict[str, str] | None = None) -> None:
    for name, layer in network.named_modules():
        other = (rename or {}).get(name, theirs(name))
        if isinstance(layer, Normed):
            layer.direction.copy_(case[f"param/{other}.weight_v"].view_as(layer.direction))
            layer.gain.copy_(case[f"param/{other}.weight_g"].view_as(layer.gain))
            layer.bias.copy_(case[f"param/{other}.bias"])
        elif isinstance(layer, nn.Conv2d):
            layer.weight.copy_(effective(case, other))
            if layer.bias is not None:
                layer.bias.copy_(case[f"param/{other}.bias"])


def case_of(name: str) -> Arrays:
    path = CASES / name / f"{name}.npz"
    if not path.is_file():
        pytest.skip("the recorded cases of rosinality/vq-vae-2-pytorch ef5f67c4 are not here")
    return recorded(path)


@torch.no_grad()
def context_of(case: Arrays, codes: str) -> Tensor | None:
    """What the released code makes of the codes above: residual blocks at their scale, then twice as large."""
    if f"{codes}/condition" not in case:
        return None
    around = Around(12, 8, blocks=2).double()
    parts = {"enter": "cond_resnet.blocks.0.conv"} | {
        f"blocks.{b}.{ours}": f"cond_resnet.blocks.{b + 1}.{other}.conv"
        for b in range(2)
        for ours, other in (("first", "conv1"), ("second", "conv2"))
    }
    fill(around, case, parts)
    one_hot = F.one_hot(case[f"{codes}/condition"], 12).movedim(-1, 1).double()
    return F.interpolate(around(one_hot), scale_factor=2)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("codes", ["vq", "random"])
@torch.no_grad()
def test_the_recorded_case(name: str, codes: str) -> None:
    case = case_of(name)
    network = PixelSNAIL(12, width=16, hidden=8, **SIZES[name]).double().eval()
    fill(network, case)
    index, context = case[f"{codes}/code"], context_of(case, codes)
    logits = network(index, context)
    torch.testing.assert_close(logits, case[f"{codes}/logits"], rtol=0, atol=1e-9)
    nats = F.cross_entropy(logits, index, reduction="none").flatten(1).sum(1)
    torch.testing.assert_close(nats, case[f"{codes}/nll_per_image"], rtol=0, atol=1e-9)


@pytest.fixture(params=[0, 2])
def network(request: pytest.FixtureRequest) -> PixelSNAIL:
    torch.manual_seed(0)
    network = PixelSNAIL(6, (3, 4), width=8, hidden=4, layers=2, heads=request.param, context=3).double().eval()
    nn.init.normal_(network.leave.weight)
    return network


def test_a_position_sees_those_before_it_alone(network: PixelSNAIL) -> None:
    index, context = torch.randint(6, (1, 3, 4)), torch.zeros(1, 3, 3, 4, dtype=torch.float64)
    for place in range(12):
        other = index.clone()
        other.view(-1)[place] = (other.view(-1)[place] + 1) % 6
        moved = (network(index, context) != network(other, context)).any(1)[0].flatten()
        assert not moved[: place + 1].any()
        assert place == 11 or moved[place + 1 :].any()


def test_drawing_with_a_cache_computes_what_one_pass_does(network: PixelSNAIL) -> None:
    context = torch.randn(5, 3, 3, 4, dtype=torch.float64)
    seen: list[Tensor] = []

    def choose(logits: Tensor) -> Tensor:
        seen.append(logits)
        return torch.randint(6, (len(logits),))

    index = network.draw(5, choose, context)
    assert len(seen) == 12, "each position runs once"
    torch.testing.assert_close(torch.stack(seen, 2).view(5, 6, 3, 4), network(index, context), atol=1e-12, rtol=0)


def test_an_untrained_network_is_uniform() -> None:
    network = PixelSNAIL(6, (3, 4), width=8, hidden=4, layers=1, heads=2)
    log_p = network(torch.randint(6, (2, 3, 4))).log_softmax(1)
    assert torch.equal(log_p, torch.full_like(log_p, -math.log(6)))


@pytest.mark.parametrize(
    ("keys", "message"), [({"heads": 3}, "expected a width that 6"), ({"kernel": 4}, "expected an odd kernel")]
)
def test_sizes_that_do_not_fit(keys: dict[str, int], message: str) -> None:
    with pytest.raises(HvaeError, match=message):
        PixelSNAIL(6, (3, 4), **{"width": 8, "hidden": 4, "layers": 1, "heads": 2, **keys})
