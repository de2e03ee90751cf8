from __future__ import annotations

import hashlib

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.metrics.features import HOME_MADE, Extractor
from hvae.metrics.inception import COUNTER, SHA256, inception_features
from hvae.metrics.inception_network import AVERAGE, BLOCKS, CLASSES, POOLED, Block, Conv, InceptionV3, Mixed, Unit
from hvae.metrics.quality import quality

TORCHVISION = "8ca497103391675d239b6cbe936a080934f935dfd57b70343674200035f2c5e8"
"""Of the names and shapes of torchvision 0.28's inception_v3 with 1,008 classes and without its second head."""


def empty() -> InceptionV3:
    with torch.device("meta"):
        return InceptionV3()


def blank() -> dict[str, Tensor]:
    """Weights of every name and shape that cost no memory."""
    return {name: torch.zeros((), dtype=t.dtype).expand(t.shape) for name, t in empty().state_dict().items()}


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Random weights of the usual scale, so that pictures still differ at the end of the network."""
    random, found = torch.Generator().manual_seed(0), {}
    for name, t in empty().state_dict().items():
        if name.endswith("conv.weight"):
            found[name] = torch.randn(t.shape, generator=random) * (2 / t[0].numel()) ** 0.5
        elif name.endswith(("fc.weight", "fc.bias")):
            found[name] = torch.randn(t.shape, generator=random) / 100
        else:
            found[name] = torch.full(t.shape, float(name.endswith(("bn.weight", "running_var")))).to(t.dtype)
    return found


def test_names_and_shapes_are_those_of_the_published_file() -> None:
    state = empty().state_dict()
    lines = "\n".join(f"{name} {list(t.shape)}" for name, t in state.items())
    assert hashlib.sha256(lines.encode()).hexdigest() == TORCHVISION
    # 94 convolutions, each with four tensors and a counter of its norm; the classes' matrix and bias.
    assert len(state) == 94 * 6 + 2 and sum(w.numel() for w in empty().parameters()) == 23_850_960
    last = [name for name in state if name.startswith("Mixed_7c") and name.endswith("conv.weight")]
    assert [name.split(".")[1] for name in last] == [
        *("branch1x1", "branch3x3_1", "branch3x3_2a", "branch3x3_2b"),
        *("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a", "branch3x3dbl_3b", "branch_pool"),
    ]
    assert state["Mixed_6c.branch7x7dbl_4.conv.weight"].shape == (160, 160, 7, 1)
    assert state["fc.weight"].shape == (CLASSES, 2048) and "Mixed_6a.branch_pool.conv.weight" not in state


def test_widths_and_sizes_of_each_block() -> None:
    network, x = empty(), torch.empty(2, 192, 35, 35, device="meta")
    seen = {name: tuple((x := network.get_submodule(name)(x)).shape[1:]) for name in BLOCKS}
    assert set(seen.values()) == {(256, 35, 35), (288, 35, 35), (768, 17, 17), (1280, 8, 8), (2048, 8, 8)}
    assert seen["Mixed_5b"] == (256, 35, 35) and seen["Mixed_6a"] == (768, 17, 17) and seen["Mixed_7a"] == (1280, 8, 8)
    assert network(torch.empty(2, 3, 299, 299, device="meta")).shape == (2, 2048)


def test_pools_do_not_count_what_is_beyond_the_edge_and_the_last_takes_the_largest() -> None:
    x = torch.arange(9.0).view(1, 1, 3, 3)
    pools = {name: block.pool(x) for name, block in BLOCKS.items()}
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7b"):
        assert pools[name][0, 0, 0, 0] == (0 + 1 + 3 + 4) / 4 and pools[name][0, 0, 1, 1] == 4
        assert pools[name].shape == x.shape
    assert pools["Mixed_7c"].flatten().tolist() == [4, 5, 5, 7, 8, 8, 7, 8, 8]
    assert pools["Mixed_6a"].tolist() == pools["Mixed_7a"].tolist() == [[[[8]]]]


def test_a_branch_is_pooled_first_and_convolved_then() -> None:
    block = Mixed(1, Block({"branch1x1": [Conv(1, (1, 1))], POOLED: [Conv(1, (1, 1))]}, AVERAGE)).eval()
    nn.init.ones_(block.get_submodule("branch1x1.conv").weight)
    nn.init.constant_(block.get_submodule("branch_pool.conv").weight, -1.0)
    x = -torch.rand(1, 1, 4, 4)
    as_is, pooled = block(x)[0]
    assert block.width == 2 and not as_is.any(), "the rectifier comes last"
    expected = F.avg_pool2d(-x, 3, 1, 1, count_include_pad=False)[0, 0] / (1 + 1e-3) ** 0.5
    torch.testing.assert_close(pooled, expected)


def test_a_unit_is_a_convolution_a_norm_and_a_rectifier() -> None:
    unit = Unit(2, Conv(3, (1, 1))).eval()
    mean, spread, scale, shift = torch.randn(3), torch.rand(3), torch.randn(3), torch.randn(3)
    norm = {"running_mean": mean, "running_var": spread, "weight": scale, "bias": shift, COUNTER[1:]: torch.tensor(0)}
    unit.bn.load_state_dict(norm)
    x = torch.randn(5, 2, 1, 1)
    by_hand = (x[..., 0, 0] @ unit.conv.weight[..., 0, 0].T - mean) / (spread + 0.001).sqrt() * scale + shift
    torch.testing.assert_close(unit(x)[..., 0, 0], by_hand.relu())


def test_features_of_pictures_of_any_size_and_colour(weights: dict[str, Tensor]) -> None:
    extractor = inception_features(weights, sha256=SHA256 + "0" * 56)
    x = torch.rand(2, 1, 20, 24)
    found = extractor(x)
    assert found.shape == (2, 2048) and found.dtype == torch.float64 and (found >= 0).all()
    assert (found[0] - found[1]).abs().max() > 1e-3, "pictures that differ have features that differ"
    by_hand = F.interpolate((x[:1] * 255).round() / 255, (299, 299), mode="bilinear", align_corners=False)
    network = InceptionV3().eval()
    network.load_state_dict(weights)
    with torch.no_grad():
        torch.testing.assert_close(network(by_hand.repeat(1, 3, 1, 1)).double(), found[:1], rtol=1e-4, atol=1e-4)
    assert extractor.resizing == "bilinear without antialiasing to 299x299"
    assert extractor.name.endswith("6726825d.pth, sha256 6726825d0000), 2048 features")


def test_classes_are_told_without_the_bias(weights: dict[str, Tensor]) -> None:
    features = torch.randn(3, 2048, dtype=torch.float64)
    found = [inception_features({**weights, "fc.bias": torch.randn(CLASSES) * s}).classify for s in (0, 100)]
    told = [classify(features) for classify in found if classify]
    assert len(told) == 2 and torch.equal(*told)
    torch.testing.assert_close(told[0].sum(1), torch.ones(3).double())
    by_hand = (weights["fc.weight"].double() @ features[0]).exp()
    torch.testing.assert_close(told[0][0], by_hand / by_hand.sum())


def test_a_file_is_the_published_one_by_its_sha256() -> None:
    published, other = (inception_features(blank(), sha256=sha) for sha in (SHA256 + "ab", "ab" + SHA256))
    assert HOME_MADE not in (published.note, other.note)
    assert "comparable where data, split, count and resizing are the same" in published.note
    assert "if its weights are theirs" in other.note and "this file's is not" in other.note
    assert "published numbers use 50,000 samples, and FID is higher with 10,000" in published.noted(10_000)
    assert published.noted(50_000) == published.note


def test_counters_of_training_may_be_missing() -> None:
    bare = {name: value for name, value in blank().items() if not name.endswith(COUNTER)}
    network = inception_features(bare).network
    assert isinstance(network, InceptionV3) and len(network.state_dict()) == len(blank()) > len(bare)
    assert not network.training and not any(t.is_meta for t in network.state_dict().values())


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"fc.bias": None}, r"found 1 missing \(fc.bias\)"),
        ({"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}, r"2 of another shape \(fc.weight, fc.b"),
        ({"AuxLogits.fc.bias": torch.zeros(1)}, r"found 1 unknown \(AuxLogits.fc.bias\)"),
        ({"Mixed_7b.branch_pool.bn.bias": torch.full((192,), torch.nan)}, r"1 not finite \(Mixed_7b.branch_pool.bn.b"),
        ({name: None for name in blank()}, r"found 472 missing \(Conv2d_1a_3x3.conv.weight, .*\); give pt_inception-2"),
    ],
)
def test_weights_of_another_network_are_refused(change: dict[str, Tensor | None], line: str) -> None:
    changed = {name: value for name, value in {**blank(), **change}.items() if value is not None}
    with pytest.raises(HvaeError, match=f"x.pth: expected the 472 weights of the Inception.*{line}") as caught:
        inception_features(changed, source="x.pth")
    assert "\n" not in str(caught.value)


def test_the_score_of_a_network_that_knows_classes() -> None:
    def means(x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, 2).flatten(1)

    def sure(features: Tensor) -> Tensor:
        return (1000 * features).softmax(1)

    extractor = Extractor(name="means", network=means, classify=sure, note="", usual=500, sha256="ab")
    x = torch.rand(400, 1, 8, 8)
    same = quality(x.split(100), x.split(64), extractor)
    assert same.fid == pytest.approx(0, abs=1e-9) and same.sha256 == "ab" and same.no_inception_score == ""
    assert same.inception_score and 3 < same.inception_score.mean <= 4 and same.inception_score.classifier == "means"
    assert same.note == "; published numbers use 500 samples, and FID is higher with 400"
    many = Extractor(name="means", network=means, classify=lambda f: f.new_ones(len(f), 1008) / 1008)
    none = quality([x], [x], many)
    assert (
        none.inception_score is None and "10,080 pictures or more (10 splits, 1008 classes)" in none.no_inception_score
    )
    assert quality([x], [x], Extractor(name="means", network=means)).no_inception_score == ""
