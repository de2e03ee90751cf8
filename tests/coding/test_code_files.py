"""Files of codes: the indices that were sent come back, at the rate of their prior, and nothing damaged is shown."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from forgery import mutation, mutations
from tiny_lossy import waves

from hvae.coding import File, LossyCodec, Picture, opened, read
from hvae.coding.entropy.queue import Reader, Writer
from hvae.coding.entropy.symbols import Even
from hvae.coding.files.container import Block, write
from hvae.coding.lossy import rounding
from hvae.config.condition import ConditionConfig
from hvae.config.vqvae import VQVAE2Config
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.walk import Model, run
from hvae.weights import load_weights
from hvae.zoo import build

GOLDEN = Path(__file__).parents[1] / "fixtures" / "coding"
SHAPE, CODES = (3, 32, 32), 23
SMALL = {"codes": CODES, "dims": 4, "width": 8, "hidden": 4, "blocks": 1, "strides": (2, 2)}
UNIFORM = VQVAE2Config(**SMALL)
CAUSAL = VQVAE2Config(**SMALL, prior="transformer", prior_width=8, prior_layers=1, prior_heads=2)
SNAIL = replace(CAUSAL, prior="pixelsnail", prior_repeats=1)
PARALLEL = replace(CAUSAL, prior="parallel")
KINDS = {"uniform": UNIFORM, "transformer": CAUSAL, "pixelsnail": SNAIL, "parallel": PARALLEL}


def model_of(config: VQVAE2Config, seed: int = 0) -> Model:
    """Codes at vectors of a batch, and a prior that is not uniform where it has weights."""
    torch.manual_seed(seed)
    model = build(config, SHAPE, 8)
    model(torch.from_numpy(np.stack([p.levels for p in waves(8, SHAPE[1:], seed=9)])) / 255)
    for book in model.books.values():
        vectors, _ = book.pending[-1]
        book.codes.copy_(vectors[torch.randperm(len(vectors))[:CODES]])
    for name, weights in model.named_parameters():
        if "prior" in name:
            torch.nn.init.normal_(weights, std=0.3)
    return model.eval()


def codec(kind: str, seed: int = 0, model: Model | None = None) -> LossyCodec:
    config = KINDS[kind]
    return LossyCodec(model or model_of(config, seed), build=lambda shape: build(config, shape, 8), bits=8, run="tiny")


@pytest.fixture(scope="module", params=KINDS)
def same(request: pytest.FixtureRequest) -> LossyCodec:
    return codec(request.param)


def pictures(count: int = 4) -> list[Picture]:
    return waves(count, SHAPE[1:])


def test_the_codes_that_were_sent_come_back(same: LossyCodec) -> None:
    """Those that the encoder of the model itself finds, bit for bit; and the pictures."""
    x = np.stack([p.levels for p in pictures()])
    sent = rounding.encode(same.model, x, same.levels, 8)
    evidence = same.model.evidence(torch.from_numpy(x).double() / 255)
    with torch.no_grad():
        codes = {r.name: r.q.index for r in run(same.model, posterior, evidence).latents}
        receiving = rounding._Receiving(sent.chunks, lambda name, count: np.zeros(count))
        back = run(same.model, receiving, n=4)
    for name, index in codes.items():
        law = back[name].p
        assert torch.equal(back[name].value, torch.nn.functional.embedding(index, law.book).movedim(-1, 1))
        assert len(index.unique()) > 2
    made = same.compress(pictures())
    for seen, shown in zip(made.pictures, same.decompress(opened(made.content)), strict=True):
        assert np.array_equal(seen.levels, shown.levels)


def test_a_file_takes_the_nats_of_the_prior(same: LossyCodec) -> None:
    """Within 0.5 %, by the rates of the model in one parallel pass; the coder adds at most two words a level."""
    many = pictures(24)
    made = same.compress(many, verify=False)
    x = torch.from_numpy(np.stack([p.levels for p in many])).double() / 255
    with torch.no_grad():
        rates = run(same.model, posterior, same.model.evidence(x)).rates()
    bits = {name: float(nats.sum()) / math.log(2) for name, nats in rates.items()}
    for cost in made.levels:
        assert -1 < 8 * cost.bytes - bits[cost.name] < 64 + 1e-3 * bits[cost.name]
    assert abs(sum(8 * cost.bytes for cost in made.levels) / sum(bits.values()) - 1) < 0.005


def test_the_top_level_is_a_preview(same: LossyCodec) -> None:
    content = same.compress(pictures()).content
    few = same.compress(pictures(), 1)
    cut = opened(content[:-1])
    assert cut is not None and same.depth(cut) == (1, 2)
    for a, b in zip(few.pictures, same.decompress(cut), strict=True):
        assert np.array_equal(a.levels, b.levels)


def test_a_prior_of_other_weights_or_another_machine_is_refused(
    same: LossyCodec, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["same"]
    file = opened(same.compress(pictures(1)).content)
    assert file is not None
    with pytest.raises(HvaeError, match="made with another model"):
        codec(kind, seed=1).decompress(file)
    with pytest.raises(HvaeError, match="computes other probabilities"):
        same.decompress(File(replace(file.header, probabilities=bytes(8)), file.payloads))
    with pytest.raises(HvaeError, match="none have"):
        same.decompress(File(replace(file.header, order=101), file.payloads))


def forged(content: bytes, payload: bytes) -> File:
    """With another first chunk, whose checksum is right."""
    file = read(content)
    blocks = list(file.header.blocks)
    blocks[0] = Block(blocks[0].count, len(payload), zlib.crc32(payload), blocks[0].content)
    made = write(replace(file.header, blocks=tuple(blocks)), [payload, *map(bytes, file.payloads[1:])])
    found = opened(made)
    assert found is not None
    return found


def test_codes_out_of_range_are_refused() -> None:
    same, writer = codec("uniform"), Writer()
    places = 64
    Even(places, CODES).write(writer, np.full(places, CODES))
    with pytest.raises(HvaeError, match=f"z2 names a code beyond the {CODES} there are"):
        same.decompress(forged(same.compress(pictures(1)).content, writer.words().astype("<u4").tobytes()))


def test_forged_chunks_are_refused(same: LossyCodec) -> None:
    content = same.compress(pictures(1)).content
    chunk = bytes(read(content).payloads[0])
    for wrong in (b"", chunk[::-1], chunk[:-4], chunk * 2, chunk[:-1]):
        with pytest.raises(HvaeError, match="damaged"):
            same.decompress(forged(content, wrong))


def test_pictures_of_other_sizes(same: LossyCodec) -> None:
    """Whole under a uniform prior; refused by a trained one, whose places are weights."""
    if same.model.state_dict().keys() & {"levels.z1.prior.network.row"}:
        with pytest.raises(HvaeError, match=r"images of \(3, 32, 32\) alone; compress images"):
            same.compress(waves(1, (33, 21)))
        return
    made = same.compress(waves(1, (33, 21)))
    assert np.array_equal(same.decompress(opened(made.content))[0].levels, made.pictures[0].levels)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 23, 1 << 24])
def test_even_symbols_of_any_number_come_back(size: int) -> None:
    symbols, writer = np.random.default_rng(0).integers(size, size=200), Writer()
    Even(200, size).write(writer, symbols)
    assert np.array_equal(Even(200, size).read(Reader(writer.words())), symbols)
    assert 32 * len(writer.words()) < 200 * math.log2(size) * 1.001 + 64


def test_mutations_are_refused_or_previews(same: LossyCodec) -> None:
    """Bytes changed or cut, and headers forged with their checksums made right: an error of one line, or a preview."""
    file = same.compress(pictures(2))
    rng = np.random.default_rng(3)
    views = [same.decompress(opened(file.content), levels=k) for k in (1, 2)]
    pixels = {p.levels.tobytes() for view in views for p in view}
    for wrong in [*mutations(file.content, 300), *(mutation(rng, file.content) for _ in range(300))]:
        try:
            found = same.decompress(opened(wrong) or read(wrong))
        except HvaeError as fault:
            assert "\n" not in str(fault)
        else:
            whole = [p.levels for p in found if p.levels.shape == SHAPE]
            assert all(levels.tobytes() in pixels for levels in whole)


@pytest.mark.parametrize("kind", [CAUSAL.prior, SNAIL.prior, PARALLEL.prior])
def test_golden_files_of_codes_decode(kind: str) -> None:
    """Written once, they must decode for ever, on every machine; so must their beginning."""
    model = model_of(KINDS[kind], seed=7)
    model.load_state_dict(load_weights(GOLDEN / f"codes-{kind}.safetensors")[0])
    same, expected = codec(kind, model=model), np.load(GOLDEN / f"codes-{kind}.npz")
    content = (GOLDEN / f"codes-{kind}-v2.hvz").read_bytes()
    for levels in (1, 2):
        for i, picture in enumerate(same.decompress(opened(content), levels=levels)):
            assert np.array_equal(picture.levels, expected[f"{i}-{levels}"])


@pytest.mark.parametrize("kind", ["transformer", "pixelsnail", "parallel"])
def test_a_prior_that_hears_a_class_codes_under_its_context(kind: str) -> None:
    """The rate is that of p(z given y); a reader under another class is refused in one line."""
    heard = ConditionConfig(kind="class", classes=3, drop=0.1, enters="priors")
    config = replace(KINDS[kind], condition=heard)
    model = model_of(config)

    def under(label: int) -> LossyCodec:
        shaped = lambda shape: build(config, shape, 8)  # noqa: E731
        return LossyCodec(model, build=shaped, bits=8, context={"label": label})

    pictures = waves(3, SHAPE[1:], seed=1)
    files = {label: under(label).compress(pictures) for label in (1, 2)}
    x = torch.from_numpy(np.stack([p.levels for p in pictures])).double() / 255
    own = under(1).model
    with torch.no_grad():
        rates = run(own, posterior, own.evidence(x, {"label": 1})).rates()
    for level in files[1].levels:
        assert level.bits == pytest.approx(float(rates[level.name].sum()) / math.log(2), rel=1e-6)
    assert [level.bits for level in files[1].levels] != [level.bits for level in files[2].levels]
    back = under(1).decompress(read(files[1].content))
    assert all(np.array_equal(a.levels, b.levels) for a, b in zip(back, files[1].pictures, strict=True))
    with pytest.raises(HvaeError, match="under this context \\(label\\)"):
        under(2).decompress(read(files[1].content))
