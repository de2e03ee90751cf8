"""A run that is told captions: its pages speak in words, and the lines of Python beside them run as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hvae
from hvae.errors import HvaeWarning
from hvae.study.conditions import numbers

Ask = Callable[..., Any]
TINY = {
    **{"model.family": "ladder", "model.groups": (1, 1), "model.width": 8, "model.latent": 2},
    **{"model.likelihood": "dmol", "model.condition.kind": "text", "model.condition.drop": 0.2},
    **{"model.condition.width": 8, "objective.free_bits.nats": 0, "objective.warmup.length": 0},
    **{"data.name": "folder", "data.captions": "beside", "data.tokens": "word", "data.valid": 4, "data.test": 4},
    **{"train.steps": 2, "train.batch": 8, "train.accelerator": "cpu", "evaluate.measures": "activity"},
}
CELLS = {"z2": [1, 2], "z1": [3, 4]}
SAID = {"text": "a dark square"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from hvae.studio.app import Studio
    from hvae.studio.shown import Shown

    place, random = tmp_path_factory.mktemp("captions"), np.random.default_rng(0)
    for i in range(24):
        word, light = (("dark", 20), ("light", 230))[i % 2]
        picture = place / "pictures" / word / f"{i}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((light + random.integers(-9, 10, (8, 8))).astype(np.uint8)).save(picture)
        picture.with_suffix(".txt").write_text(f"a {word} square")
    hvae.train("digits", out=place / "run", overrides={**TINY, "data.path": str(place / "pictures")})
    studio = Studio([Shown(0, Path(place / "run"))])
    studio.desk.beside()
    return studio


def test_the_lines_of_a_grid_draw_its_pictures(ask: Ask) -> None:
    reply = ask("draw", seeds=CELLS, context=SAID, guidance=3.0)
    scope: dict[str, Any] = {}
    exec(reply.info["python"], scope)
    shown = (255 * scope["pictures"]).round().numpy().astype(int).transpose(0, 2, 3, 1)
    assert np.abs(reply.pictures["grid"][0].astype(int) - shown).max() <= 1
    assert "'text=a dark square'" in reply.info["command"]


def test_the_lines_of_a_picture_run(ask: Ask) -> None:
    own = ask("own", place=0).info["picture"]
    lines = ask("picture", picture=own, context=SAID).info["python"]
    scope: dict[str, Any] = {}
    exec(lines.replace("x = ...", "import torch; x = torch.zeros(1, 1, 8, 8)"), scope)
    assert scope["trace"].elbo().shape == (1,)
    assert list(scope["x"].context) == ["text"], "the pictures of all levels are told the caption too"
    assert scope["pictures"].shape[1:] == (1, 1, 8, 8)


def test_words_of_which_none_is_known_are_refused(ask: Ask) -> None:
    reply = ask("draw", seeds=CELLS, context={"text": "zebra"})
    assert reply.status == 400 and "in the words of the training captions" in reply.info["error"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a zebra square", "text: training captions have no 'zebra'; it is read as unknown"),
        ("a yak, square", "text: training captions have no 'yak', ','; they are read as unknown; of one of 4 words"),
        ("a dark square indeed", "text: of one of 4 words the first 3 are read"),
    ],
)
def test_what_the_model_does_not_hear_is_said_as_the_shell_says_it(text: str, line: str, ask: Ask, studio: Any) -> None:
    opened = studio.runs[0].opened
    with pytest.warns(HvaeWarning) as shell:
        numbers(opened.model, {"text": text}, opened.meanings)
    said = ask("draw", seeds=CELLS, context={"text": text}).info["warnings"]
    assert said == [str(shell[0].message)] and said[0].startswith(line)
    assert "warnings" not in ask("draw", seeds=CELLS, context=SAID).info
