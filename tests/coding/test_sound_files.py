"""Files of codes of sound: what they cost, what comes back, and files that are damaged."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hvae import Datum, build
from hvae.coding import File, Series, SoundCodec, read
from hvae.coding.lossy.layout import opened
from hvae.config.sequences import VRNNConfig
from hvae.config.vqvae import RQVAEConfig
from hvae.draw import each, posterior, prior
from hvae.errors import HvaeError
from hvae.walk import Model, run

CONFIG = {"codes": 16, "dims": 3, "width": 8, "hidden": 6, "blocks": 1, "stride": 4, "depth": 3, "sigma": 0.1}
STEPS = (70, 9, 8, 1)


def tiny(**changes: object) -> Model:
    torch.manual_seed(0)
    model = build(RQVAEConfig(**{**CONFIG, **changes}), (40, 2), bits=16).eval()
    model.prepare(Datum(torch.rand(8, 40, 2)))
    return model


def sounds() -> list[Series]:
    generator = np.random.default_rng(0)
    levels = [generator.integers(0, 2**16, (steps, 2)).astype(np.int32) for steps in STEPS]
    return [Series(f"{i}.wav", one, i % 2) for i, one in enumerate(levels)]


PRIOR = {"prior": "transformer", "prior_width": 8, "prior_layers": 1, "prior_heads": 2}


def trained() -> Model:
    """With a prior that is not the uniform one it starts as."""
    model = tiny(**PRIOR)
    for name, weights in model.named_parameters():
        if "prior." in name:
            torch.nn.init.normal_(weights, std=0.4)
    return model


@pytest.fixture(scope="module", params=[tiny, trained])
def codec(request: pytest.FixtureRequest) -> SoundCodec:
    return SoundCodec(request.param(), bits=16, run="here")


def test_what_comes_back_is_what_was_shown(codec: SoundCodec) -> None:
    file = codec.compress(sounds())
    back = codec.decompress(read(file.content))
    for one, other, sound in zip(back, file.series, sounds(), strict=True):
        assert np.array_equal(one.levels, other.levels)
        assert (one.name, one.padding, len(one.levels)) == (sound.name, sound.padding, len(sound.levels))
    for index in range(len(STEPS)):
        [alone] = codec.decompress(read(file.content), only=index)
        assert np.array_equal(alone.levels, back[index].levels)


def test_a_file_takes_the_nats_of_the_prior(codec: SoundCodec) -> None:
    """Within 0.5 %, by the rates of the model in one parallel pass; the coder adds at most two words a level."""
    generator = np.random.default_rng(1)
    many = [generator.integers(0, 2**16, (steps, 2)).astype(np.int32) for steps in range(441, 505)]
    series = [Series(f"{i}", one) for i, one in enumerate(many)]
    file = codec.compress(series, verify=False)
    rates = dict.fromkeys(codec.levels, 0.0)
    for one in series:
        with torch.no_grad():
            trace = codec.model(torch.from_numpy(one.levels).double()[None] / (2**16 - 1))
        for name, nats in trace.rates().items():
            rates[name] += float(nats.sum()) / math.log(2)
    for level in file.levels:
        assert -1 < 8 * level.bytes - rates[level.name] < 64 + 1e-3 * rates[level.name]
    assert abs(sum(8 * level.bytes for level in file.levels) / sum(rates.values()) - 1) < 0.005


def test_a_level_costs_log2_of_its_codebook_a_position() -> None:
    codec = SoundCodec(tiny(), bits=16)
    positions = sum(math.ceil(steps / 4) for steps in STEPS)
    for level in codec.compress(sounds()).levels:
        assert level.bits == pytest.approx(4 * positions)
        assert 0 <= 8 * level.bytes - level.bits <= 64, "up to two words"


def test_fewer_levels_show_what_the_model_makes_of_them(codec: SoundCodec) -> None:
    one, whole = sounds()[0], codec.compress(sounds()[:1])
    x = torch.from_numpy(one.levels).double()[None] / (2**16 - 1)
    model = codec.model
    for keep in (1, 2, 3):
        file = codec.compress([one], keep)
        [back] = codec.decompress(read(file.content))
        [preview] = codec.decompress(read(whole.content), levels=keep)
        trace = run(model, each({f"z{l}": prior(0.0) for l in range(1, 4 - keep)}, posterior), model.evidence(x))
        picture = (model.picture(trace)[0].clamp(0, 1) * (2**16 - 1)).detach().numpy()
        assert np.abs(back.levels - picture).max() < 1
        assert np.array_equal(back.levels, preview.levels)


def test_a_file_that_was_cut_shows_the_levels_that_are_there(codec: SoundCodec) -> None:
    content = codec.compress(sounds()).content
    part = opened(content[:-1])
    assert part is not None and codec.depth(part) == (2, 3)
    back, preview = codec.decompress(part), codec.decompress(read(content), levels=2)
    assert all(np.array_equal(a.levels, b.levels) for a, b in zip(back, preview, strict=True))
    with pytest.raises(HvaeError, match="was cut after 2 of 3 levels"):
        codec.decompress(part, levels=3)


def test_a_flipped_byte_is_refused(codec: SoundCodec) -> None:
    content = bytearray(codec.compress(sounds()).content)
    for at in range(40, len(content), 7):
        broken = bytes(content[:at] + bytes([content[at] ^ 8]) + content[at + 1 :])
        with pytest.raises(HvaeError):
            codec.decompress(read(broken))


def test_what_is_no_file_of_this_model(codec: SoundCodec) -> None:
    content = codec.compress(sounds()).content
    with pytest.raises(HvaeError, match="another model"):
        SoundCodec(tiny(depth=2), bits=16).decompress(read(content))
    with pytest.raises(HvaeError, match="no lossy codec of sound"):
        SoundCodec(build(VRNNConfig(latent=2, state=4, width=4), (5, 2), bits=1), bits=16)
    with pytest.raises(HvaeError, match="1 to 3 levels"):
        codec.compress(sounds(), 4)
    with pytest.raises(HvaeError, match="at least one sequence"):
        codec.compress([])


def test_a_chunk_that_claims_more_recordings_than_a_group_holds_is_refused(codec: SoundCodec) -> None:
    file = read(codec.compress(sounds()).content)
    blocks = (replace(file.header.blocks[0], count=10**12), *file.header.blocks[1:])
    with pytest.raises(HvaeError, match="at most 64 pictures or recordings to a chunk"):
        codec.decompress(File(replace(file.header, blocks=blocks), file.payloads))
