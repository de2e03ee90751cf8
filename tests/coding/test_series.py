"""Sequences as files: in the order of time, without loss, and refused where anything is wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import hvae
from hvae.coding import Uncodable, read
from hvae.coding.entropy.registry import data
from hvae.coding.files.container import File, write
from hvae.coding.files.header import Item
from hvae.coding.files.series import Series, squeezed, unsqueezed
from hvae.coding.lossless.block import started
from hvae.coding.lossless.chain import chained
from hvae.coding.lossless.seriescodec import SeriesCodec
from hvae.config.clockwork import CWVAEConfig
from hvae.config.model import ModelConfig
from hvae.config.seqladder import SeqLadderConfig
from hvae.config.sequences import DMMConfig, SRNNConfig, STCNConfig, VRAEConfig, VRNNConfig
from hvae.distributions import NormalMixture, OverTime, Tokens
from hvae.errors import HvaeError
from hvae.metrics import bounds
from hvae.walk import Model

SMALL = {"state": 6, "width": 6}
FAMILIES = [
    VRNNConfig(latent=2, **SMALL),
    VRNNConfig(latent=2, prior="standard", recurrence="storn", **SMALL),
    SRNNConfig(latent=2, **SMALL),
    DMMConfig(latent=2, transition=6, **SMALL),
    CWVAEConfig(latents=(2, 2), strides=(1, 3), **SMALL),
    VRAEConfig(latents=(3,), **SMALL),
    VRAEConfig(latents=(2, 2), bar=3, **SMALL),
    VRAEConfig(latents=(3,), width=6, state=8, heads=2, decoder="transformer", memory=4, chunk=3),
    STCNConfig(latents=(2, 2), dilations=(1, 2), width=6),
    SeqLadderConfig(latents=(2, 2), strides=(2, 4), width=8, heads=2),
    SeqLadderConfig(latents=(2, 2), strides=(2, 4), width=8, heads=2, decoder="recurrent", state=6),
]
LENGTHS = (7, 7, 4, 9, 2, 7)


def model_of(config: ModelConfig, step: tuple[int, ...] = (3,), bits: int = 1) -> Model:
    torch.manual_seed(0)
    return hvae.build(config, shape=(7, *step), bits=bits)


def series(step: tuple[int, ...] = (3,), top: int = 1, seed: int = 0) -> list[Series]:
    random = np.random.default_rng(seed)
    return [Series(f"s{n}", random.integers(0, top + 1, (n, *step)).astype(np.int32)) for n in LENGTHS]


def same(a: list[Series], b: list[Series]) -> bool:
    return all(np.array_equal(x.levels, y.levels) and x.name == y.name for x, y in zip(a, b, strict=True))


def quiet(count: int) -> tuple[list[Series], torch.Tensor]:
    """Sequences of sixteen keys that seldom sound, which a model that knows how often codes better than zlib does."""
    random = np.random.default_rng(1)
    lengths = [LENGTHS[n % len(LENGTHS)] for n in range(count)]
    given = [Series(f"s{i}", (random.random((n, 16)) < 0.06).astype(np.int32)) for i, n in enumerate(lengths)]
    return given, torch.from_numpy(np.concatenate([one.levels for one in given]))[None].float()


def knowing(config: ModelConfig, x: torch.Tensor) -> Model:
    """A model that begins with the marginals of x and whose latents say nothing."""
    model = model_of(config, (16,))
    with torch.no_grad():
        model.prepare(hvae.Datum(x))
        for name, weights in model.named_parameters():
            if "level" in name or "rungs" in name:
                weights.mul_(0.1)
    return model


@pytest.mark.parametrize("config", FAMILIES, ids=lambda c: type(c).__name__)
def test_every_family_comes_back(config: ModelConfig) -> None:
    given, x = quiet(60)
    codec = SeriesCodec(knowing(config, x), bits=1)
    coded = codec.compress(given)
    assert coded.kept == 0 and coded.account.seeds < len(given)
    file = read(coded.content)
    assert same(codec.decompress(file), given) and same(codec.decompress(file, only=3), given[3:4])


@pytest.mark.parametrize(
    ("likelihood", "bits", "step"),
    [("dmol", 8, (4,)), ("dmol", 16, (4,)), ("logistic", 8, (2,)), ("categorical", 4, (2,))],
)
def test_sound_and_other_levels_come_back(likelihood: str, bits: int, step: tuple[int, ...]) -> None:
    config = CWVAEConfig(latents=(2,), strides=(1,), likelihood=likelihood, **SMALL)  # type: ignore[arg-type]
    codec, given = SeriesCodec(model_of(config, step, bits), bits=bits), series(step, 2**bits - 1)
    assert same(codec.decompress(read(codec.compress(given).content)), given)


def test_symbols_come_back() -> None:
    config = VRAEConfig(likelihood="categorical", latents=(2,), vocabulary=11, **SMALL)
    codec = SeriesCodec(model_of(config, (), 4), bits=4, symbols=11, unit=1.0)
    given = series((), 10)
    assert same(codec.decompress(read(codec.compress(given).content)), given)
    with pytest.raises(HvaeError, match="values from 0 to 10"):
        codec.compress([Series("a", np.full(3, 11, np.int32))])


def test_the_stack_grows_by_minus_the_bound_of_whole_sequences() -> None:
    """Net bits of many sequences are minus their ELBO, up to the chance of one draw each."""
    model = model_of(VRNNConfig(latent=2, **SMALL))
    given = [np.random.default_rng(n).integers(0, 2, (7, 3)).astype(np.int32) for n in range(160)]
    codec = SeriesCodec(model, bits=1)
    coder = codec.coder(codec.calibrate(given[:4], 64.0))
    account = chained(coder, given, started(b"", 0, 1e4), bool)[1]
    x = torch.from_numpy(np.stack(given)).float()
    found = bounds(model, [x], samples=20).negative_elbo_nats.mean / math.log(2) * len(x)
    assert account.net == pytest.approx(account.trace, rel=5e-3)
    assert account.net == pytest.approx(found, abs=5 * account.spread + 0.01 * found)


def test_what_the_model_finds_unlikely_is_kept_without_it() -> None:
    model = model_of(VRNNConfig(latent=2, **SMALL))
    with torch.no_grad():
        for weights in model.leave.parameters():  # type: ignore[union-attr]
            weights.fill_(-4.0)
    given = [Series("a", np.ones((60, 3), np.int32)) for _ in range(6)]
    codec = SeriesCodec(model, bits=1)
    coded = codec.compress(given)
    assert coded.account.seeds == 6 and same(codec.decompress(read(coded.content)), given)


def test_real_numbers_are_refused() -> None:
    config = SRNNConfig(likelihood="normal", latent=2, **SMALL)
    with pytest.raises(Uncodable, match="real numbers"):
        SeriesCodec(model_of(config, (3,), 0), bits=0)
    with pytest.raises(Uncodable, match="gives no probability"):
        data(OverTime(NormalMixture(torch.zeros(4, 2), torch.zeros(4, 2, 3), torch.ones(4, 2, 3)), 2))


def test_tokens_over_time_are_coded_by_their_probabilities() -> None:
    law = OverTime(Tokens(torch.tensor([[0.0, 5.0], [5.0, 0.0]])), 2)
    code = data(law)
    assert code.size == 2 and code.total.tolist() == [code.total[0]] * 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 16])
def test_the_generic_format(bits: int) -> None:
    given = [one.levels for one in series((2,), 2**bits - 1)]
    back = unsqueezed(squeezed(given, bits), [one.shape for one in given], bits)
    assert all(np.array_equal(a, b) for a, b in zip(given, back, strict=True))
    for shapes in ([one.shape for one in given[1:]], [(one.shape[0] + 1, 2) for one in given]):
        with pytest.raises(HvaeError, match="kept without the model"):
            unsqueezed(squeezed(given, bits), shapes, bits)


def test_no_byte_may_change_and_none_be_missing() -> None:
    codec, given = SeriesCodec(model_of(FAMILIES[0]), bits=1), series()
    content = codec.compress(given).content
    for at in range(0, len(content), 7):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]):
            with pytest.raises(HvaeError):
                codec.decompress(read(damaged))


def forged(content: bytes, **changes: object) -> File:
    file = read(content)
    header = replace(file.header, **changes)  # type: ignore[arg-type]
    return read(write(header, [file.payload(i) for i in range(len(file.payloads))]))


@pytest.mark.parametrize(
    "items",
    [
        (Item("a", 10, 7, 1, 1),),
        (Item("a", 10, 1 << 30, 1, 6),),
        (Item("a", 10, 7, 2, 6),),
        (Item("a", 10, 0, 1, 6),),
        (Item("a", 0, 7, 7, 6),),
        (Item("a", 10, 3, 1, 6),),
    ],
)
def test_files_that_are_forged(items: tuple[Item, ...]) -> None:
    codec = SeriesCodec(model_of(FAMILIES[0]), bits=1)
    content = codec.compress(series()).content
    with pytest.raises(HvaeError):
        codec.decompress(forged(content, items=items))


def test_a_file_of_pictures_has_no_sequences_and_the_reverse() -> None:
    from hvae.coding import Picture
    from hvae.config.model import VAEConfig

    codec = SeriesCodec(model_of(FAMILIES[0]), bits=1)
    content = codec.compress(series()).content
    pictures = hvae.Codec(hvae.build(VAEConfig(latent=2, widths=(4,)), shape=(1, 4, 4), bits=1), bits=1)
    with pytest.raises(HvaeError):
        pictures.decompress(read(content))
    file = read(pictures.compress([Picture("a", np.eye(4, dtype=np.uint8)[None], 0)]).content)
    with pytest.raises(HvaeError, match="one of pictures"):
        codec.decompress(file)
    with pytest.raises(HvaeError):
        forged(content, order=0)


def test_another_model_is_named() -> None:
    content = SeriesCodec(model_of(FAMILIES[0]), bits=1).compress(series()).content
    with pytest.raises(HvaeError, match="another model"):
        SeriesCodec(model_of(FAMILIES[2]), bits=1).decompress(read(content))
