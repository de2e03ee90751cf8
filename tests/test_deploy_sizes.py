"""Files for pictures of any size: each equals the model built for that size, or says whose weights are of one size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from families import FAMILIES, SHAPE

from hvae.checkpoints import LoadedRun, describe
from hvae.config import preset
from hvae.config.model import LadderConfig, ModelConfig, VLAEConfig
from hvae.deploy import Decoder, Encoder
from hvae.deploy.formats import FORMATS, difference, exported
from hvae.deploy.sizes import Build, free, resized
from hvae.errors import HvaeError
from hvae.study.export import export
from hvae.walk import Model
from hvae.zoo import build

SMALL = {"width": 4, "latent": 2, "start": "everywhere"}
OF_EVERY_SIZE: dict[str, tuple[LadderConfig, tuple[int, ...]]] = {
    "scales": (LadderConfig(groups=(0, 1, 1), **SMALL), (1, 7, 7)),
    "attention": (LadderConfig(groups=(1, 1), attention=(0, 2), norm="group", **SMALL), (1, 8, 8)),
    "signal": (LadderConfig(groups=(0, 1, 1), **SMALL), (1, 12)),
    "volume": (LadderConfig(groups=(0, 1, 1), **SMALL), (1, 4, 4, 4)),
}


def builder(config: ModelConfig, bits: int = 1) -> Build:
    return lambda shape: build(config, shape=shape, bits=bits)


@pytest.mark.parametrize("name", OF_EVERY_SIZE)
@pytest.mark.parametrize("part", [Decoder, Encoder])
def test_one_program_takes_every_size(name: str, part: type[Decoder | Encoder]) -> None:
    config, shape = OF_EVERY_SIZE[name]
    model = builder(config)(shape)
    sizes = free(model, builder(config))
    module, before = exported(part(sizes.model, sizes)).module(), tuple(sizes.model.shape)
    for times in ((2, 3, 4), (3, 1, 2)):
        reference = part(resized(model, builder(config), sizes.scaled(times[: len(shape) - 1])))
        assert difference(reference, lambda arguments: as_tuple(module(*arguments))) < 1e-5
    assert sizes.model.shape == before


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_follows_the_size_or_says_why_not(name: str) -> None:
    torch.manual_seed(0)
    try:
        model = builder(FAMILIES[name])(SHAPE)
        Decoder(model)
        sizes = free(model, builder(FAMILIES[name]))
    except HvaeError as fault:
        assert "own size" in str(fault) or "not exported" in str(fault)
        return
    reference = Decoder(resized(model, builder(FAMILIES[name]), sizes.scaled((2, 3))))
    assert difference(reference, lambda arguments: as_tuple(Decoder(sizes.model, sizes)(*arguments))) < 1e-5


@pytest.mark.parametrize("to", FORMATS)
def test_a_file_takes_every_size(to: str, tmp_path: Path) -> None:
    for library in FORMATS[to].needs:
        pytest.importorskip(library)
    run = ladder_run(tmp_path, start="everywhere")
    written = export(run, tmp_path / f"any{FORMATS[to].suffix}", to=to, part="encoder", size="any")
    assert written.difference < 1e-4


@pytest.mark.parametrize(
    ("start", "size", "line"), [("placed", "any", "start everywhere"), ("everywhere", "all", "no size named 'all'")]
)
def test_refusals(start: str, size: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=line):
        export(ladder_run(tmp_path, start=start), to="pt2", size=size)
    assert not list(tmp_path.iterdir())


def test_levels_that_are_no_maps_keep_their_size() -> None:
    config = VLAEConfig(latents=(2, 2), widths=(4, 4))
    with pytest.raises(HvaeError, match="own size"):
        free(builder(config)(SHAPE), builder(config))


def ladder_run(folder: Path, start: str) -> LoadedRun:
    keys = {"model.groups": (1, 1), "model.width": 4, "model.latent": 2, "model.start": start}
    config = preset("mnist-static-ladder").override(keys)
    model: Model = build(config.model, shape=(1, 6, 6), bits=1)
    return LoadedRun(model, config, {**describe(config, model.shape, 1, {}), "step": 0}, folder)


def as_tuple(outputs: torch.Tensor | Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    return (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)
