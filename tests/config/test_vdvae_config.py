"""The architecture strings: what they say, what is published, and one clear line for each slip."""

from __future__ import annotations

import pytest

from hvae.config import PRESETS, RunConfig, VDVAEConfig, preset
from hvae.config.vdvae import PUBLISHED
from hvae.config.vdvae_blocks import Climb, Descent, decoder_blocks, encoder_blocks
from hvae.errors import HvaeError

SMALL = {"encoder": "8x2,8d2,4x1", "decoder": "4x1,8m4,8x2"}


def test_strings_are_spelt_out() -> None:
    assert encoder_blocks(" 7d2, 3 ,3x1,3d3") == (Climb(7, 2), Climb(3, 1), Climb(3, 1), Climb(3, 3))
    assert encoder_blocks("7d2")[0].above == 3
    assert decoder_blocks("1,4m1,4x2") == (Descent(1, 0), Descent(4, 1), Descent(4, 0), Descent(4, 0))


@pytest.mark.parametrize(
    ("name", "encoder", "decoder", "per_resolution"),
    [
        ("cifar10", 33, 43, {1: 1, 4: 3, 8: 6, 16: 11, 32: 22}),
        ("imagenet32", 48, 78, {1: 2, 4: 5, 8: 10, 16: 20, 32: 41}),
        ("imagenet64", 65, 75, {1: 2, 4: 4, 8: 8, 16: 16, 32: 32, 64: 13}),
        ("ffhq256", 68, 66, {1: 2, 4: 4, 8: 5, 16: 10, 32: 22, 64: 14, 128: 8, 256: 1}),
        ("ffhq1024", 70, 70, {1: 2, 4: 4, 8: 5, 16: 10, 32: 21, 64: 15, 128: 8, 256: 3, 512: 1, 1024: 1}),
    ],
)
def test_published_blocks(name: str, encoder: int, decoder: int, per_resolution: dict[int, int]) -> None:
    config = PUBLISHED[name]
    down = [block.resolution for block in decoder_blocks(config.decoder)]
    assert len(encoder_blocks(config.encoder)) == encoder
    assert config.levels == len(down) == decoder
    assert {r: down.count(r) for r in sorted(set(down))} == per_resolution
    assert tuple(sorted(per_resolution, reverse=True)) == config.resolutions


def test_published_widths() -> None:
    assert set(PUBLISHED["cifar10"].widths.values()) == {384}
    wide = PUBLISHED["ffhq1024"]
    assert [wide.widths[r] for r in (1024, 512, 256, 128, 1)] == [16, 32, 64, 512, 512]
    assert [wide.middle(r) for r in (1024, 512, 256, 128)] == [4, 8, 16, 128]


def test_published_inputs() -> None:
    """The constants are those of the released code: mean and deviation of each set in grey values."""
    told = {name: (-c.shift, 1 / c.scale) for name, c in PUBLISHED.items()}
    assert told["cifar10"] == pytest.approx((120.63838, 64.16736))
    assert told["imagenet32"] == pytest.approx((116.2373, 69.37404))
    assert told["imagenet64"] == pytest.approx((115.92961967, 69.37404))
    assert told["ffhq256"] == pytest.approx((112.8666757481, 69.84780273))
    assert told["ffhq1024"] == pytest.approx((0.4387 * 255, 0.2743 * 255))


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("vdvae-")])
def test_presets_keep_the_published_steps(name: str) -> None:
    run = preset(name, {"data.path": "/images"} if "ffhq" in name else {})
    assert RunConfig.from_yaml(run.to_yaml()) == run
    dims = 3 * run.model.resolutions[0] ** 2
    # Adam is blind to the loss being in nats an image if its epsilon, and the clipped norm, are as many times theirs.
    assert run.train.eps == pytest.approx(1e-8 * dims)
    clips = {"imagenet64": 220, "ffhq256": 130, "ffhq1024": 360}
    assert run.train.clip == pytest.approx(clips.get(name.removeprefix("vdvae-"), 200) * dims)
    assert (run.train.betas, run.train.weight_decay) == ((0.9, 0.9), 0.01)
    assert run.train.skip_factor > 0 and run.evaluate.draws == 1
    if "small" not in name:
        assert (run.train.schedule, run.train.warmup) == ("constant", 100)
        assert run.model.encoder == PUBLISHED[name.removeprefix("vdvae-")].encoder


def test_defaults_are_neutral() -> None:
    """Constants of some data set would be silently wrong for all others: 2 x - 1 unless told."""
    config = VDVAEConfig(**SMALL)
    assert (255 + config.shift) * config.scale == pytest.approx(1) and config.shift * config.scale == pytest.approx(-1)


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"encoder": "8x2,8e2"}, "model.encoder: expected items such as 32x11 .*got '8e2'"),
        ({"encoder": "8x2,8m2"}, "model.encoder: expected items .*got '8m2'"),
        ({"encoder": ""}, "model.encoder: expected items .*got ''"),
        ({"encoder": "8x0"}, "model.encoder: expected items .*got '8x0'"),
        ({"encoder": "8x99999"}, "model.encoder: expected items .*got '8x99999'"),
        ({"encoder": "8x2,8d2,5x1"}, "model.encoder: expected resolution 4 after 8d2, got 5"),
        ({"encoder": "8x2,4x1"}, "model.encoder: expected resolution 8 after 8x1, got 4"),
        ({"encoder": "8d9"}, "model.encoder: .*pool by at most the resolution, got 8d9"),
        ({"decoder": "4x1,8d4"}, "model.decoder: expected items such as 32x21 .*got '8d4'"),
        ({"decoder": "4m1,8m4"}, "model.decoder: expected 4x1 first, got 4m1"),
        ({"decoder": "4x1,8x2"}, "model.decoder: expected 4x1, or a finer one that begins as in 8m4.*got 8x1"),
        ({"decoder": "4x1,8m2"}, "model.decoder: expected .*got 8m2"),
        ({"decoder": "8x1,4m8"}, "model.decoder: expected .*got 4m8"),
        ({"decoder": "4x1,8m4,16m8"}, "model.decoder: resolution 16 has no feature; .*at 8, 4"),
        ({"decoder": "4x1"}, "model.decoder: expected it to lead from resolution 4 to 8"),
        ({"decoder": "8x1"}, "model.decoder: expected it to lead from resolution 4 to 8"),
        (
            {"custom_widths": "4=12"},
            "model.custom_widths: expected resolution:channels as in 16:32,8:64, got '4=12'",
        ),
        ({"custom_widths": "8:12,8:24"}, "model.custom_widths: expected each resolution once, got '8:12,8:24'"),
        ({"custom_latents": "8:2,4:2,8:2"}, "model.custom_latents: expected each resolution once"),
        ({"attention": "8:4,8:2"}, "model.attention: expected each resolution once"),
        ({"custom_widths": "4:0"}, "model.custom_widths: expected resolution:channels"),
        ({"custom_widths": "2:500"}, "model.custom_widths: resolution 2 is not among"),
        ({"custom_widths": "4:12"}, r"model.custom_widths: expected widths that grow .*got \[384, 12\] at \[8, 4\]"),
        ({"custom_widths": "8:500"}, "model.custom_widths: expected widths that grow"),
        ({"bottleneck": 0.001}, "model.bottleneck: expected a fraction that leaves at least one channel, got 0.001"),
        ({"scale": float("nan")}, "model.scale: expected a finite number, got nan"),
        ({"shift": float("inf")}, "model.shift: expected a finite number, got inf"),
        ({"latent": 0}, "model.latent: expected at least 1"),
    ],
)
def test_slips_are_one_line(told: dict[str, object], line: str) -> None:
    with pytest.raises(HvaeError, match=line) as fault:
        VDVAEConfig(**{**SMALL, **told})
    assert "\n" not in str(fault.value)


def test_strings_come_from_the_command_line() -> None:
    run = RunConfig().override({"model.family": "vdvae", "model.encoder": "8x1,8d2", "model.decoder": "4x1,8m4"})
    assert run.model.levels == 2
    with pytest.raises(HvaeError, match="model.likelihood: no choice named 'dmol-vdvae'; did you mean 'dmol-vdvae5'"):
        run.override({"model.likelihood": "dmol-vdvae"})
