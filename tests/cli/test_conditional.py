"""A conditional model behind the commands: under the context of the data, or the one that the user names."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import hvae
from hvae.checkpoints.runs import describe
from hvae.config.data import DataConfig
from hvae.config.families import FAMILIES
from hvae.data import load
from hvae.distributions import Bernoulli, Normal, standard_normal
from hvae.errors import HvaeError
from hvae.runs.images import InputImages, Origin
from hvae.site import Visit
from hvae.study.conditions import Meanings, by_name, other_classes

Command = Callable[..., Any]
FEW = {"normal": 60, "number": 20}


@dataclass(frozen=True, kw_only=True)
class ToyConfig(hvae.ModelConfig):
    """A class-conditional VAE."""

    dims: int = 3


class Toy(hvae.Model):
    def __init__(self, config: ToyConfig, shape: tuple[int, ...], bits: int) -> None:
        super().__init__()
        self.shape, self.dims = tuple(shape), config.dims
        self.conditions = {"label": hvae.Condition(classes=10)}
        pixels = torch.Size(shape).numel()
        self.read, self.write = nn.Linear(pixels + 10, 2 * self.dims), nn.Linear(self.dims + 10, pixels)

    def features(self, datum: hvae.Datum) -> dict[str, Tensor]:
        return {"z1": self.read(torch.cat([datum.x.flatten(1), self.one_hot(datum.context["label"])], 1))}

    def walk(self, visit: Visit, evidence: hvae.Evidence) -> Tensor:
        y, raw = self.one_hot(evidence.context["label"]), evidence.feature("z1")
        q = None if raw is None else Normal(raw[:, : self.dims], raw[:, self.dims :].clamp(-5, 3).exp())
        z = visit(hvae.Site("z1", standard_normal(y, (self.dims,)), q))
        return visit(evidence.site(Bernoulli(self.write(torch.cat([z, y], 1)).unflatten(1, self.shape))))

    def one_hot(self, label: Tensor) -> Tensor:
        return F.one_hot(label, 10).to(self.read.weight)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of moments on binary digits."""
    hvae.family(ToyConfig, name="conditional-toy")(Toy)
    folder = tmp_path_factory.mktemp("conditional") / "run"
    keys = {
        "model.family": "conditional-toy",
        "data.bits": 1,
        "objective.free_bits.nats": 0,
        "objective.warmup.length": 0,
    }
    config = hvae.preset("digits", {**keys, "train.steps": 4, "train.batch": 16, "train.accelerator": "cpu"})
    data = load(config.data)
    description = describe(config, data.shape, data.bits, data.provenance.to_dict())
    model = hvae.build(config.model, shape=data.shape, bits=data.bits)
    hvae.fit(model, hvae.ELBO(), data.train, config.train, folder, description=description)
    yield folder
    FAMILIES.pop("conditional-toy")


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """A folder of images without labels."""
    (tmp_path / "blank").mkdir()
    for i in range(12):
        pixels = np.random.default_rng(i).integers(2, size=(8, 8), dtype=np.uint8)
        Image.fromarray(255 * pixels).save(tmp_path / "blank" / f"{i:02d}.png")
    return tmp_path / "blank"


def test_own_data_are_scored_under_their_labels(conditional: Path) -> None:
    scores = hvae.score(conditional, "test", **FEW)
    data = hvae.load(conditional)
    assert len(scores) == 20 and scores.scores["nll"].isfinite().all()
    under_seven = hvae.score(conditional, "test", context={"label": 7}, **FEW)
    assert not torch.equal(scores.scores["nll"], under_seven.scores["nll"])
    assert data.model.conditions


def test_images_without_labels_need_a_context(conditional: Path, blank: Path, command: Command) -> None:
    said = command("score", conditional, "--data", blank)
    assert said.code == 2 and said.err.count("\n") == 1
    assert "this model is conditional: 'label' is a class from 0 to 9, and the data bring none" in said.err
    assert "--context label=0" in said.err
    said = command("score", conditional, "--data", blank, "--context", "label=7", "--json")
    assert said.code == 0, said.err
    named = hvae.score(conditional, blank, context={"label": "7"})
    numbered = hvae.score(conditional, blank, context={"label": torch.full((12,), 7)})
    assert named.to_dict() == numbered.to_dict() == {**said.json, "csv": None}


def test_folders_name_classes_of_the_run(conditional: Path, blank: Path, tmp_path: Path) -> None:
    for title, of in (("3", "named"), ("9", "named"), ("cat", "strange")):
        (tmp_path / of / title).mkdir(parents=True)
        for path in sorted(blank.iterdir())[:6]:
            Image.open(path).save(tmp_path / of / title / path.name)
    named = hvae.score(conditional, tmp_path / "named")
    context = {"label": [3] * 6 + [9] * 6}
    assert torch.equal(named.scores["nll"], hvae.score(conditional, tmp_path / "named", context=context).scores["nll"])
    with pytest.raises(HvaeError, match="this model is conditional"):
        hvae.score(conditional, tmp_path / "strange")


def test_labels_of_other_classes_are_taken_as_they_are_and_said() -> None:
    data = load(DataConfig(name="digits", bits=1))
    model = Toy(ToyConfig(), data.shape, 1)
    images = InputImages(origin=Origin(data.provenance, "test"), split=data.test, grey=data.test, classes=data.classes)
    assert other_classes(images, model, data.classes) == ""
    assert "digits-binary mean other classes than those of the run" in other_classes(images, model, ["shirt", "shoe"])
    turned = by_name(images, model, Meanings(lambda: data.classes[::-1])).split
    assert torch.equal(turned.labels, 9 - data.test.labels)
    assert by_name(images, model, Meanings(lambda: ["shirt"])).split.labels is None


@pytest.mark.usefixtures("conditional")
@pytest.mark.parametrize("name", ["folder", "npy"])
def test_data_without_the_condition_are_refused_before_training(
    name: str, blank: Path, tmp_path: Path, command: Command
) -> None:
    np.save(tmp_path / "blank.npy", np.arange(640, dtype=np.uint8).reshape(10, 8, 8) % 2)
    place = {"folder": blank, "npy": tmp_path / "blank.npy"}[name]
    words = ("--model.family", "conditional-toy", "--data.name", name, "--data.path", place, "--data.bits", 1)
    words += ("--objective.warmup.length", 0, "--objective.free_bits.nats", 0, "--train.steps", 2)
    said = command("train", "digits", "--out", tmp_path / "new", *words)
    assert said.code == 2 and "'label' is a class from 0 to 9, and the run's own data bring none" in said.err, said.err
    assert not (tmp_path / "new").exists()


def test_data_in_memory_bring_their_labels(conditional: Path) -> None:
    x, y = torch.zeros(12, 1, 8, 8), torch.arange(12) % 10
    scores = hvae.score(conditional, hvae.Datum(x, {"label": y}))
    assert torch.equal(scores.scores["nll"], hvae.score(conditional, x, context={"label": y}).scores["nll"])


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("label", "--context: expected NAME=VALUE, as in --context label=7, got label"),
        ("label=11", "context['label']: expected a class from 0 to 9, got 11"),
        ("label=cat", "no class named 'cat'"),
        ("labl=3", "no condition named 'labl'; did you mean 'label'?"),
        ("label=1,2,3", "context['label']: expected shape"),
    ],
)
def test_contexts_that_say_nothing(word: str, line: str, conditional: Path, blank: Path, command: Command) -> None:
    said = command("score", conditional, "--data", blank, "--context", word)
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1, said.err


def test_samples_are_drawn_under_a_context(conditional: Path, tmp_path: Path, command: Command) -> None:
    said = command("sample", conditional, "-o", tmp_path / "x.npy")
    assert said.code == 2 and "this model is conditional" in said.err and "--context label=0" in said.err
    # The class named "7" of digits has the number 7.
    words = ("sample", conditional, "-n", 2, "--seed", 1, "-o", tmp_path / "x.npy")
    assert command(*words, "--context", "label=7").code == 0
    expected = hvae.sample(hvae.load(conditional).model, 2, context={"label": 7}, seed=1)
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "x.npy")), expected)
    assert command(*words, "--context", "label=7,3").code == 0
    assert not np.array_equal(np.load(tmp_path / "x.npy")[1], expected[1])


def test_latents_keep_the_context_of_their_images(
    conditional: Path, blank: Path, tmp_path: Path, command: Command
) -> None:
    latents, out = tmp_path / "z.npz", tmp_path / "x.npy"
    assert command("encode", conditional, "--data", "test", "-n", 5, "--mode", "--out", latents).code == 0
    assert command("decode", conditional, latents, "--out", out).code == 0
    run = hvae.load(conditional)
    data = load(run.config.data).test.batch(range(5))
    values = hvae.encode(run.model, data, draw=hvae.mode)
    expected = hvae.decode(run.model, values, context={"label": data.context["label"]})
    torch.testing.assert_close(torch.from_numpy(np.load(out)), expected)
    assert command("decode", conditional, latents, "--out", out, "--context", "label=2").code == 0
    assert not np.array_equal(np.load(out), expected)
    assert command("encode", conditional, "--data", blank, "--out", latents).code == 2
    assert command("encode", conditional, "--data", blank, "--out", latents, "--context", "label=2").code == 0


def test_ways_go_under_the_context_of_their_first_end(conditional: Path, tmp_path: Path, command: Command) -> None:
    words = ("interpolate", conditional, "--data", "test", "--pairs", 2, "--steps", 3, "--out", tmp_path / "way.npy")
    assert command(*words).code == 0 and np.load(tmp_path / "way.npy").shape == (3, 2, 1, 8, 8)
    labelled = np.load(tmp_path / "way.npy")
    assert command(*words, "--context", "label=0").code == 0
    assert not np.array_equal(np.load(tmp_path / "way.npy"), labelled)


def test_models_without_conditions_say_so(run: Path, tmp_path: Path, command: Command) -> None:
    said = command("sample", run, "-o", tmp_path / "x.npy", "--context", "label=7")
    assert said.code == 2 and "this model has no conditions, got 'label'; leave --context out" in said.err


def test_pictures_are_compressed_under_one_context(conditional: Path, tmp_path: Path, command: Command) -> None:
    words = ("compress", conditional, "test", tmp_path / "x.hvz", "-n", 3, "--workers", 1)
    said = command(*words)
    assert said.code == 2 and "--context label=0" in said.err and not (tmp_path / "x.hvz").exists()
    said = command(*words, "--context", "label=7")
    assert said.code == 0, said.err
    back = command("decompress", tmp_path / "x.hvz", tmp_path / "back", "--workers", 1, "--context", "label=7")
    assert back.code == 0, back.err
    run = hvae.load(conditional)
    levels = load(run.config.data).test.levels(range(3)).numpy()
    assert np.array_equal(np.load(tmp_path / "back" / "test.npy"), levels)
    assert command("decompress", tmp_path / "x.hvz", tmp_path / "other", "--context", "label=2").code == 2


def test_runs_are_evaluated_reported_and_inspected(conditional: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(conditional, tmp_path / "run")
    few = {"evaluate.limit": 20, "evaluate.samples": 2}
    evaluation = hvae.evaluate(folder, measures="likelihood,activity", overrides=few)
    assert "Samples" in hvae.report(folder).read_text() and "z1" in evaluation.uses()
    assert hvae.inspect(hvae.load(folder).model, batch=16).levels[0].dims == 3


@pytest.mark.parametrize("value", ["cat", ["cat", "dog"], None, [[1], [2, 3]]])
def test_a_context_that_holds_no_numbers_is_an_error_of_one_line(value: Any) -> None:
    model = Toy(ToyConfig(), (1, 8, 8), 1)
    for work in (
        lambda: hvae.sample(model, 2, context={"label": value}),
        lambda: model.nothing(None, {"label": value}),
    ):
        with pytest.raises(HvaeError, match=r"context\['label'\]: expected a number, or a tensor or list of them, got"):
            work()
