"""Rounded latents: what is sent, what it costs, and that every decoder sees what the encoder saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from processes import finished
from tiny_codecs import tiny, tiny_model
from tiny_lossy import CONFIG, LEVELS, SHAPE, codec, untrained, waves

from hvae.coding import Codec, LossyCodec, Picture, Uncodable, opened, psnr, quantised, read
from hvae.coding.entropy.curves import UNIT
from hvae.coding.entropy.queue import Reader, Writer
from hvae.coding.lossy import rounding as levels_of
from hvae.coding.lossy.layout import LOSSY
from hvae.coding.lossy.residues import DITHERS, HALF, Dither, Residues, shaken
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.walk import run
from hvae.weights import load_weights
from hvae.zoo import build

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "fixtures" / "coding"
SIZES = [(16, 16), (16, 16), (33, 21), (1, 1), (5, 64)]


def several() -> list[Picture]:
    return [waves(1, size, seed)[0] for seed, size in enumerate(SIZES)]


@pytest.mark.parametrize("dither", [0.0, -0.31])
@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
def test_symbols_have_the_masses_of_the_prior_and_come_back(scale: float, dither: float) -> None:
    code = Residues(np.full(400, scale), np.full(400, dither))
    index = np.arange(1, 2 * HALF)[None].repeat(400, 0)
    masses = np.diff(code.cumulative(index)[0], prepend=0, append=UNIT)
    assert masses.sum() == UNIT and (masses >= 0).all()
    cdf = torch.distributions.Normal(*torch.tensor([0.0, scale], dtype=torch.float64)).cdf
    k = torch.arange(-5, 6, dtype=torch.float64)
    assert np.allclose(
        masses[HALF - 5 : HALF + 6] / UNIT, (cdf(k + dither + 0.5) - cdf(k + dither - 0.5)).numpy(), atol=2e-5
    )
    symbols = np.random.default_rng(0).normal(size=400) * scale
    symbols = (symbols.round().astype(np.int64) + HALF).clip(0, 2 * HALF - 1)
    symbols[:2] = 0, 2 * HALF - 1  # what no trained model sends still comes back
    writer = Writer()
    code.write(writer, symbols)
    reader = Reader(writer.words())
    assert np.array_equal(code.read(reader), symbols)
    reader.check_end()


def test_every_decoder_sees_what_the_encoder_saw() -> None:
    """Bit for bit, by a codec of its own, whatever the sizes; and what it sees looks like the picture."""
    pictures = several()
    made = codec().compress(pictures)
    back = codec().decompress(opened(made.content))
    for picture, seen, found in zip(pictures, made.pictures, back, strict=True):
        assert np.array_equal(seen.levels, found.levels) and seen.levels.shape == picture.levels.shape
        assert (found.name, found.mode) == (picture.name, picture.mode)
    assert made.psnr == psnr([p.levels for p in pictures], [p.levels for p in back], 8) > 18


def test_a_file_takes_the_bits_of_its_trace() -> None:
    """Within 1 % (and two words a level): masses by the model, at the values sent, against bytes."""
    made = codec().compress(waves(24, (48, 48)))
    for cost in made.levels:
        assert cost.bits * 0.99 - 64 < 8 * cost.bytes < cost.bits * 1.01 + 64
    total = sum(cost.bits for cost in made.levels)
    assert abs(sum(8 * cost.bytes for cost in made.levels) / total - 1) < 0.01
    assert len(made.content) - sum(cost.bytes for cost in made.levels) < 320


def test_with_dither_a_file_takes_the_rate_of_training() -> None:
    """The ELBO against bytes, within 1 %: the values sent are distributed as those of training."""
    pictures, same = np.stack([p.levels for p in waves(48, (48, 48))]), codec()
    model = same.sized((3, 48, 48))
    sent = levels_of.encode(model, pictures, same.levels, 8, shaken)
    torch.manual_seed(0)
    x = torch.from_numpy(pictures).double() / 255
    with torch.no_grad():
        traces = [run(model, posterior, model.evidence(x)) for _ in range(4)]
    nats = float(torch.stack([sum(t.rates().values()).sum() for t in traces]).mean())
    bits = 8 * sum(len(chunk.payload) for chunk in sent.chunks.values())
    assert abs(bits * np.log(2) / nats - 1) < 0.01
    elbo = float(torch.stack([t.elbo().sum() for t in traces]).mean())
    assert abs(sent.elbo - elbo) < 0.05 * nats


@pytest.mark.parametrize("dither", DITHERS)
def test_both_dithers_come_back(dither: Dither) -> None:
    pictures, same = np.stack([p.levels for p in waves(3, SHAPE[1:])]), codec()
    sent = levels_of.encode(same.model, pictures, same.levels, 8, dither)
    assert np.array_equal(levels_of.decode(same.model, sent.chunks, 3, 8, dither), sent.levels)


def test_an_encoder_takes_the_better_dither() -> None:
    """And the file says which; the bound is that of the values sent."""
    pictures, same = waves(6, SHAPE[1:]), codec()
    levels = np.stack([p.levels for p in pictures])
    bounds = [levels_of.encode(same.model, levels, same.levels, 8, dither).elbo for dither in DITHERS]
    assert bounds[0] != bounds[1]
    assert read(same.compress(pictures).content).header.order == LOSSY + int(np.argmax(bounds))


def test_dithers_are_even_and_differ_between_levels() -> None:
    a, b = shaken("z1", 4096), shaken("z2", 4096)
    assert -0.5 <= a.min() < -0.49 < 0.49 < a.max() < 0.5 and abs(a.mean()) < 0.02
    assert abs(float(np.corrcoef(a, b)[0, 1])) < 0.05 and np.array_equal(a[:9], shaken("z1", 9))


def test_more_levels_are_larger_and_better() -> None:
    pictures = waves(24, (32, 32))
    made = [codec().compress(pictures, keep) for keep in (1, 2, LEVELS)]
    assert [len(m.levels) for m in made] == [1, 2, LEVELS]
    assert len(made[0].content) < len(made[1].content) < len(made[2].content)
    assert made[0].psnr < made[2].psnr
    assert [m.levels[0] for m in made] == [made[0].levels[0]] * 3


@pytest.mark.parametrize("dither", DITHERS)
def test_fewer_levels_are_the_preview_of_more(dither: Dither, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the top level shows what a file of all shows by its top level, unless its encoder chose otherwise."""
    monkeypatch.setattr("hvae.coding.lossy.codec.DITHERS", (dither,))
    pictures, same = several(), codec()
    few, all_of_it = same.compress(pictures, 1), same.compress(pictures)
    preview = same.decompress(opened(all_of_it.content), levels=1)
    assert all(np.array_equal(a.levels, b.levels) for a, b in zip(few.pictures, preview, strict=True))


def test_large_pictures_are_cut_into_equal_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.coding.lossy.layout.SIDE", 20)
    picture = waves(1, (45, 21))
    made = codec().compress(picture)
    file = opened(made.content)
    assert file is not None and [b.count for b in file.header.blocks] == [6] * LEVELS
    back = codec().decompress(file)[0].levels
    assert back.shape == (3, 45, 21) and np.array_equal(back, made.pictures[0].levels)


def test_one_picture_of_many_is_decoded_alone() -> None:
    pictures = several()
    made = codec().compress(pictures)
    ticks: list[tuple[int, int]] = []
    one = codec().decompress(opened(made.content), only=2, tick=lambda *at: ticks.append(at))
    assert len(one) == 1 and np.array_equal(one[0].levels, made.pictures[2].levels) and ticks == [(1, 1)]
    with pytest.raises(HvaeError, match="index of 0 to 4, got 5"):
        codec().decompress(opened(made.content), only=5)


def test_threads_do_not_count() -> None:
    before, found = torch.get_num_threads(), set()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.add(codec().compress(several()).content)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(found) == 1


def test_training_mode_autocast_and_random_numbers_do_not_count() -> None:
    model, pictures = untrained(), several()
    plain = codec(model).compress(pictures).content
    torch.manual_seed(77)
    state = torch.get_rng_state()
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.enable_grad():
        assert codec(model.train()).compress(pictures).content == plain
    assert torch.equal(torch.get_rng_state(), state)


def golden() -> LossyCodec:
    model = untrained()
    model.load_state_dict(load_weights(GOLDEN / "lossy.safetensors")[0])
    return codec(model)


def test_the_golden_file_decodes() -> None:
    """Written once, it must decode for ever, on every machine; so must its beginning."""
    content, expected = (GOLDEN / "lossy-v2.hvz").read_bytes(), np.load(GOLDEN / "lossy.npz")
    for levels in (1, 2, LEVELS):
        back = golden().decompress(opened(content), levels=levels)
        assert len(back) == 3
        for i, picture in enumerate(back):
            assert np.array_equal(picture.levels, expected[f"{i}-{levels}"])


@pytest.mark.parametrize(("capability", "threads"), [("default", 2), ("avx2", 1)])
def test_another_process_another_instruction_set(capability: str, threads: int) -> None:
    told = {"ATEN_CPU_CAPABILITY": capability, "OMP_NUM_THREADS": str(threads)}
    told |= {"MKL_CBWR": "COMPATIBLE"} if capability == "default" else {}
    code = f"import torch; torch.set_num_threads({threads}); import test_lossy as t; t.test_the_golden_file_decodes()"
    done = finished("-c", code, environment=told)
    assert done.returncode == 0, done.stderr


def test_lossless_models_and_lossy_ones_are_told_apart() -> None:
    assert quantised(untrained()) == ["z3", "z2", "z1"] and quantised(tiny_model("colour")) == []
    with pytest.raises(HvaeError, match="no lossy codec"):
        LossyCodec(tiny_model("colour"), build=lambda shape: build(CONFIG, shape), bits=8)
    with pytest.raises(Uncodable, match="Gaussian"):
        Codec(untrained(), bits=8).compress(waves(2, (16, 16)))
    with pytest.raises(Uncodable, match="made for rounding"):
        levels_of.decode(tiny("colour").model, {}, 1, 8)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "at least one picture"),
        ([Picture("a", np.zeros((1, 4, 4), np.uint8), 2)], r"expected levels of a shape like \(3, 16, 16\)"),
        ([Picture("a", np.zeros((3, 4, 4), np.float32), 3)], "expected levels 0 to 255 as uint8"),
        ([Picture("a", np.zeros((3, 0, 4), np.uint8), 3)], "1 to 268435456 pixels"),
    ],
)
def test_what_cannot_be_coded_is_one_line(pictures: list[Picture], message: str) -> None:
    with pytest.raises(HvaeError, match=message):
        codec().compress(pictures)


@pytest.mark.parametrize("keep", [0, 4, -1])
def test_levels_that_there_are_not(keep: int) -> None:
    with pytest.raises(HvaeError, match=f"expected 1 to 3 levels, got {keep}"):
        codec().compress(waves(1, SHAPE[1:]), keep)
