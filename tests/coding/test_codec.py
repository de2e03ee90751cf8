"""The codec: pictures to bytes and back, block by block; other models and other machines are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_codecs import drawings, tiny, tiny_model
from torch import Tensor

from hvae.coding import CLASSIC, Codec, Picture, Settings, read, without_model
from hvae.coding.files.classic import Levels
from hvae.coding.files.container import write
from hvae.coding.lossless import block as blocks
from hvae.coding.lossless.coder import Coder
from hvae.config.model import LadderConfig, LVAEConfig, VAEConfig
from hvae.config.sequences import VRNNConfig
from hvae.datum import Datum
from hvae.distributions import Bernoulli, standard_normal
from hvae.errors import HvaeError
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model
from hvae.zoo import build


def same(a: list[Picture], b: list[Picture]) -> bool:
    return len(a) == len(b) and all(
        x.name == y.name and x.mode == y.mode and np.array_equal(x.levels, y.levels) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("kind", ["vae", "chain", "colour"])
def test_pictures_of_many_sizes_come_back(kind: str) -> None:
    codec = tiny(kind)
    pictures = [p for size in ((1, 1), (4, 5), (33, 29), (8, 90)) for p in drawings(2, (codec.shape[0], *size))]
    made = codec.compress(pictures, Settings(block=150))
    assert made.order != "classic" or kind == "colour"
    assert same(codec.decompress(read(made.content)), pictures)
    assert made.kept == 0 and made.dims == sum(p.levels.size for p in pictures)


@pytest.mark.parametrize("shape", [(1, 4, 6, 8), (2, 60)])
def test_volumes_and_signals_come_back(shape: tuple[int, ...]) -> None:
    """Whole, one to each tile, by the model and without it; and no other shape is taken."""
    torch.manual_seed(0)
    model = build(LadderConfig(groups=(1, 1), width=8, latent=1), shape, bits=1)
    with torch.no_grad():
        [*model.get_submodule("leave").parameters()][-1].sub_(3.0)  # mostly 0, as the data are
    codec, random = Codec(model, bits=1), np.random.default_rng(0)
    some = [Picture("head", (random.random(shape) < 0.03).astype(np.uint8), 0) for _ in range(60)]
    made = codec.compress(some, Settings(block=40))
    assert made.order != "classic" and made.chained and not made.kept and made.dims == 60 * some[0].levels.size
    assert same(codec.decompress(read(made.content)), some)
    assert same(codec.decompress(read(made.content), only=43), some[43:44])
    flat = [Picture("flat", np.zeros(shape, np.uint8), 0)]
    kept = codec.compress(flat)
    assert kept.order == "classic" and same(without_model(read(kept.content)), flat)
    with pytest.raises(HvaeError, match="expected levels of a shape like"):
        codec.compress([Picture("other", np.zeros((*shape[:-1], 9), np.uint8), 0)])
    with pytest.raises(HvaeError, match="tiles are of pictures"):
        codec.sized((1, 8, 8))


def test_sequences_have_a_codec_of_their_own() -> None:
    model = build(VRNNConfig(latent=2, state=4, width=4), (5, 3), bits=1)
    with pytest.raises(HvaeError, match="use SeriesCodec"):
        Codec(model, bits=1)


def anywhere() -> Codec:
    """A ladder whose weights serve images of any size."""
    config = LadderConfig(groups=(0, 1, 1), width=8, latent=1, start="everywhere")
    torch.manual_seed(3)
    return Codec(build(config, (1, 8, 8), bits=1), bits=1, build=lambda shape: build(config, shape, bits=1))


@pytest.mark.parametrize("tile", [(1, 16, 16), (1, 13, 21), (1, 5, 40)])
def test_tiles_of_any_size_down_to_whole_pictures(tile: tuple[int, int, int]) -> None:
    pictures, codec = drawings(30, (1, 13, 21)), anywhere().sized(tile)
    made = codec.compress(pictures)
    file = read(made.content)
    assert file.header.shape == tile
    assert same(anywhere().decompress(file), pictures)


def test_weights_of_one_size_have_one_size_of_tiles() -> None:
    with pytest.raises(HvaeError, match=r"those of images of \(3, 8, 8\) alone.*start everywhere"):
        tiny("colour").sized((3, 16, 16))
    with pytest.raises(HvaeError, match="1 channels and 1 to 1024 pixels a side"):
        anywhere().sized((1, 8, 4000))


def test_vectors_come_back() -> None:
    codec = Codec(build(LVAEConfig(latents=(3, 2), widths=(8, 8)), shape=(40,), bits=1).eval(), bits=1)
    rows = np.random.default_rng(0).integers(0, 2, (50, 40), dtype=np.uint8)
    pictures = [Picture("rows", row, 0) for row in rows]
    assert same(codec.decompress(read(codec.compress(pictures).content)), pictures)
    coder = codec.coder(codec.calibrate(rows[:16]))
    payload, _ = blocks.encode(coder, rows)
    assert np.array_equal(blocks.decode(coder, payload, (40,), 50), rows)


def test_chosen_order() -> None:
    pictures = drawings(100)
    assert [tiny(kind).compress(pictures).order for kind in ("vae", "chain")] == ["bb-ans", "bit-swap"]


def test_one_picture_is_never_much_larger_than_its_png(codec: Codec) -> None:
    from hvae.coding import sizes

    flat = Picture("flat", np.zeros((1, 90, 120), dtype=np.uint8), 2)
    made = codec.compress([flat])
    assert made.order == "classic"
    assert len(made.content) <= min(sizes(flat.levels, 1).values()) + 150
    assert same(without_model(read(made.content)), [flat])
    assert same(codec.decompress(read(made.content)), [flat])


def test_a_picture_alone_needs_its_own_blocks_alone(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = drawings(90)
    file = read(codec.compress(pictures, Settings(block=30)).content)
    assert len(file.header.blocks) == 3
    decoded: list[int] = []
    plain = blocks.decode

    def noted(coder: Coder, payload: bytes, shape: tuple[int, ...], n: int) -> Levels:
        decoded.append(n)
        return plain(coder, payload, shape, n)

    monkeypatch.setattr(blocks, "decode", noted)
    assert same(codec.decompress(file, only=65), pictures[65:66])
    assert decoded == [30]
    with pytest.raises(HvaeError, match="expected an index of 0 to 89, got 90"):
        codec.decompress(file, only=90)


def test_a_damaged_block_spares_the_others(codec: Codec) -> None:
    pictures = drawings(90)
    content = bytearray(codec.compress(pictures, Settings(block=30)).content)
    content[-1] ^= 1
    file = read(bytes(content))
    assert same(codec.decompress(file, only=3), pictures[3:4])
    with pytest.raises(HvaeError, match="block 2 of the file is damaged"):
        codec.decompress(file)


def test_equal_arrays_share_one_entry(codec: Codec) -> None:
    pictures = [Picture("test", p.levels, 0) for p in drawings(100)]
    header = read(codec.compress(pictures).content).header
    assert [(item.name, item.count) for item in header.items] == [("test", 100)]


def test_other_weights_and_other_words_are_another_model(codec: Codec) -> None:
    pictures = drawings(100)
    file = read(codec.compress(pictures).content)
    model = tiny_model("vae")
    assert same(Codec(model, bits=1).decompress(file), pictures)
    for other in (Codec(model, bits=1, description={"step": 1}), tiny("chain")):
        with pytest.raises(HvaeError, match="made with another model"):
            other.decompress(file)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1e-7
    with pytest.raises(HvaeError, match="made with another model.*once at tiny"):
        Codec(model, bits=1).decompress(file)


def test_other_probabilities_are_refused_before_anything_is_decoded(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = read(codec.compress(drawings(100)).content)
    forged = replace(made.header, probabilities=b"another!")
    monkeypatch.setattr(blocks, "decode", None)
    with pytest.raises(HvaeError, match="computes other probabilities"):
        codec.decompress(read(write(forged, [made.payload(0)])))


def test_other_content_is_refused_whatever_the_cause(codec: Codec) -> None:
    made = read(codec.compress(drawings(100)).content)
    block = replace(made.header.blocks[0], content=made.header.blocks[0].content ^ 1)
    with pytest.raises(HvaeError, match="decodes to other images than were compressed"):
        codec.decompress(read(write(replace(made.header, blocks=(block,)), [made.payload(0)])))


@pytest.mark.parametrize("change", [{"order": 9}, {"shape": (1, 5, 4)}, {"bits": 2}, {"items": ()}, {"levels": {}}])
def test_headers_that_do_not_fit_are_refused(codec: Codec, change: dict[str, Any]) -> None:
    made = read(codec.compress(drawings(100)).content)
    with pytest.raises(HvaeError):
        codec.decompress(read(write(replace(made.header, **change), [made.payload(0)])))


class Fickle(Model):
    """A model that breaks the one promise: its p is another one when it sees data."""

    shape = (1, 4, 5)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        x = evidence.x
        law = standard_normal(self.weight.new_zeros(evidence.n), (1,))
        z = visit(Site("z1", law, None if x is None else law))
        logits = (0.1 * z[:, :, None, None] - 2 + 0.1 * (x is not None)).expand(evidence.n, 1, 4, 5)
        return visit(Site("x", Bernoulli(logits), value=x, data=True))


def test_blocks_that_do_not_come_back_are_kept_without_the_model() -> None:
    pictures, codec = drawings(200), Codec(Fickle(), bits=1)
    made = codec.compress(pictures, Settings(block=100))
    assert made.kept == 2
    assert same(codec.decompress(read(made.content)), pictures)


def test_the_callers_model_and_seed_stay_as_they_were() -> None:
    model = build(VAEConfig(latent=2, widths=(8,)), (1, 4, 5), bits=1).train()
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    codec = Codec(model, bits=1)
    codec.decompress(read(codec.compress(drawings(100)).content))
    assert torch.equal(torch.rand(1), expected)
    assert model.training and next(model.parameters()).dtype == torch.float32
    assert torch.get_num_threads() == threads


def test_the_same_pictures_give_the_same_file(codec: Codec) -> None:
    assert codec.compress(drawings(60)).content == codec.compress(drawings(60)).content


def test_progress_is_told(codec: Codec) -> None:
    told: list[tuple[int, int]] = []
    content = codec.compress(drawings(90), Settings(block=30), tick=lambda *at: told.append(at)).content
    assert told[-1] == (90, 90) and told == sorted(told)
    told.clear()
    codec.decompress(read(content), tick=lambda *at: told.append(at))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_faults_are_one_line(codec: Codec) -> None:
    for pictures, words in (
        ([], "at least one picture"),
        ([Picture("a", np.zeros((3, 4, 5), dtype=np.uint8), 3)], "expected levels of a shape like"),
        ([Picture("a", np.full((1, 4, 5), 2, dtype=np.uint8), 2)], "expected levels 0 to 1 as uint8"),
    ):
        with pytest.raises(HvaeError, match=words):
            codec.compress(pictures)
    with pytest.raises(HvaeError, match="expected blocks of 1 tile or more"):
        Settings(rows=65)
    with pytest.raises(HvaeError, match="more than 8 bits are not coded yet"):
        Codec(Fickle(), bits=12)


def test_a_classic_file_says_so(codec: Codec) -> None:
    file = read(codec.compress([Picture("flat", np.zeros((1, 40, 40), dtype=np.uint8), 2)]).content)
    assert file.header.order == CLASSIC and not file.header.levels
