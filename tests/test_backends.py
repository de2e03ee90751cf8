"""Other runtimes in place of torch: the same random numbers, the same answers, and torch where they differ."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from families import SEQUENCE, SHAPE, data, family
from torch import Tensor

from hvae import Model, sample
from hvae.config.condition import ConditionConfig
from hvae.config.model import LadderConfig, MarkovConfig
from hvae.datum import Datum
from hvae.deploy import Backend, backend
from hvae.deploy.converted import Converted
from hvae.deploy.formats import PT2
from hvae.deploy.store import DIGESTS, folder
from hvae.deploy.tape import Handing, recording
from hvae.distributions.discrete import Bernoulli
from hvae.distributions.normal import Normal
from hvae.distributions.quantised import Uniform
from hvae.engine import TORCH, Question
from hvae.errors import HvaeError
from hvae.explore.features import features
from hvae.explore.frame import drawn_picture, mean_picture
from hvae.explore.sample import Sampling
from hvae.metrics.likelihood import bounds
from hvae.metrics.outliers import measure
from hvae.walk import Evidence
from hvae.zoo import build


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def graph(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> Backend:
    """A back end whose graphs torch runs: quickly converted, and there wherever torch is."""
    monkeypatch.setitem(backend.BACKENDS, "onnxruntime", PT2())
    return Backend("onnxruntime", "a model", lines.append)


def ladder(**keys: object) -> Model:
    torch.manual_seed(0)
    config = LadderConfig(groups=(1, 1), width=4, latent=2, likelihood="dmol", mixtures=2, **keys)
    return build(config, shape=(1, 6, 6), bits=4).eval()


SLOW = pytest.param("compile", marks=pytest.mark.slow)
"""Its code is compiled by the compiler of C++, which takes its time."""


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", SLOW])
def test_runtimes_draw_the_pictures_of_torch(name: str, lines: list[str]) -> None:
    """In every chunk: what data would draw of the generator is drawn too, though nobody looks at it."""
    for library in backend.BACKENDS[name].needs:
        pytest.importorskip(library)
    other = Backend(name, "a model", lines.append)
    how = {"temperature": 0.9, "seed": 5, "chunk": 3}
    pictures = Sampling(**how, engine=other).draw(ladder(), 8, mean_picture)
    assert other.use.name == name and other.use.difference < 1e-5 and not lines
    torch.testing.assert_close(pictures, sample(ladder(), 8, **how), atol=1e-5, rtol=0)
    assert (pictures[0] - pictures[3]).abs().max() > 1e-2, "chunks draw numbers of their own"


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_arguments_that_no_answer_depends_on_may_be_no_inputs(name: str, lines: list[str]) -> None:
    for library in backend.BACKENDS[name].needs:
        pytest.importorskip(library)
    other, model = Backend(name, "a model", lines.append), ladder()
    evidence = other.evidence(model, Datum(torch.rand(3, *model.shape)))
    twice = Question(name="twice", model=model, of=lambda known, _: {"z1": 2 * known.features["z1"]})
    answer = other.answer(twice, evidence)["z1"]
    assert other.use.name == name and not lines
    torch.testing.assert_close(answer, 2 * evidence.features["z1"])


def test_levels_at_their_modes_draw_no_numbers(graph: Backend) -> None:
    how = {"temperature": {"z2": 0.0, "z1": 0.7}, "seed": 5, "chunk": 3}
    pictures = Sampling(**how, engine=graph).draw(ladder(), 8, mean_picture)
    assert graph.use.name == "onnxruntime"
    torch.testing.assert_close(pictures, sample(ladder(), 8, **how), atol=1e-5, rtol=0)


def test_one_graph_serves_every_temperature_and_context(graph: Backend) -> None:
    model = ladder(condition=ConditionConfig(kind="class", classes=3, width=4))
    for temperature in (1.0, 0.5):
        how = {"temperature": temperature, "seed": 1, "context": {"label": torch.arange(5) % 3}}
        pictures = Sampling(**how, engine=graph).draw(model, 5, mean_picture)
        torch.testing.assert_close(pictures, sample(model, 5, **how), atol=1e-5, rtol=0)
    assert graph.use.name == "onnxruntime" and len(graphs()) == 1


def graphs() -> list[Path]:
    return [path for path in folder().iterdir() if path.is_dir()]


def test_bottom_up_models_are_answered_too(graph: Backend) -> None:
    """Their walks draw levels on the way up where data are known, and on the way down where they are generated."""
    pictures = Sampling(seed=1, engine=graph).draw(markov(), 5, mean_picture)
    assert graph.use.name == "onnxruntime"
    torch.testing.assert_close(pictures, sample(markov(), 5, seed=1), atol=1e-5, rtol=0)


def test_a_graph_is_converted_once_and_never_trusted_damaged(
    graph: Backend, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:

    def draw() -> Tensor:
        engine = Backend("onnxruntime", "a model", lines.append)
        return Sampling(seed=1, engine=engine).draw(ladder(), 2, mean_picture)

    first = draw()
    assert folder().stat().st_mode & 0o777 == 0o700
    (place,) = graphs()
    assert set(json.loads((place / DIGESTS).read_text())) == {"graph.pt2"}
    with monkeypatch.context() as patch:
        patch.setattr("hvae.deploy.converted.exported", lambda *_: pytest.fail("converted again"))
        torch.testing.assert_close(draw(), first)
    content = (place / "graph.pt2").read_bytes()
    (place / "graph.pt2").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    torch.testing.assert_close(draw(), first)
    assert (place / "graph.pt2").read_bytes() == content and not lines
    other = ladder()
    next(other.parameters()).data += 0.01
    Sampling(seed=1, engine=graph).draw(other, 2, mean_picture)
    assert len(graphs()) == 2, "other weights are another graph"


def test_wrong_answers_give_way_to_torch_in_one_line(
    graph: Backend, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Converted.answer

    def wrong(self: Converted, question: Question, evidence: Evidence, numbers: Sequence[Tensor]) -> dict[str, Tensor]:
        return {name: 1.01 * value for name, value in right(self, question, evidence, numbers).items()}

    monkeypatch.setattr(Converted, "answer", wrong)
    pictures = Sampling(seed=1, chunk=2, engine=graph).draw(ladder(), 6, mean_picture)
    assert torch.equal(pictures, sample(ladder(), 6, seed=1, chunk=2))
    assert len(lines) == 1 and "differ from torch's by 1.0e-02" in lines[0] and "torch computes instead" in lines[0]
    assert graph.use.to_dict()["instead_of"] == "onnxruntime"


def test_a_runtime_that_fails_later_gives_way_with_the_same_random_numbers(
    graph: Backend, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Converted.answer

    def broken(self: Converted, question: Question, evidence: Evidence, numbers: Sequence[Tensor]) -> object:
        if evidence.n == 1:
            raise RuntimeError("no memory\nleft")
        return right(self, question, evidence, numbers)

    monkeypatch.setattr(Converted, "answer", broken)
    pictures = Sampling(seed=1, chunk=2, engine=graph).draw(ladder(), 5, mean_picture)
    torch.testing.assert_close(pictures, sample(ladder(), 5, seed=1, chunk=2), atol=1e-5, rtol=0)
    assert lines == ["onnxruntime is not used: no memory left; torch computes instead"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("vdm", "diffusions"), ("pixelvae", "one pixel after another"), ("vqvae2-prior", "one code after another")],
)
def test_models_without_a_graph_say_why(graph: Backend, lines: list[str], name: str, reason: str) -> None:
    model = family(name)
    pictures = Sampling(seed=1, engine=graph).draw(model, 2, mean_picture)
    assert torch.equal(pictures, sample(model, 2, seed=1))
    assert len(lines) == 1 and reason in lines[0]


def test_what_is_no_plain_sample_is_refused(graph: Backend) -> None:
    with pytest.raises(HvaeError, match="pinned levels"):
        Sampling(given={"z2": torch.zeros(1, 2, 3, 3)}, engine=graph).draw(ladder(), 2, mean_picture)
    with pytest.raises(HvaeError, match="drawn pixels"):
        Sampling(engine=graph).draw(ladder(), 2, drawn_picture)


def test_no_back_end_of_that_name() -> None:
    with pytest.raises(HvaeError, match="no back end named 'onnx'"):
        Backend("onnx", "a model")


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.deploy.formats.find_spec", lambda name: None)
    with pytest.raises(HvaeError, match=r"the package 'openvino' .* -m pip install 'openvino>"):
        Backend("openvino", "a model")


def test_numbers_are_drawn_as_torch_draws_them() -> None:
    """Channels last or first, and coins whatever their chances: then the generator is where torch has it."""
    maps = torch.zeros(3, 4, 5, 6).to(memory_format=torch.channels_last)
    torch.manual_seed(7)
    with recording() as calls:
        values = [Uniform(maps).sample(), Normal(maps, maps + 1).sample(), Bernoulli(maps + 0.3).sample()]
    state = torch.get_rng_state()
    torch.manual_seed(7)
    numbers = [call.drawn(3) for call in calls]
    assert torch.equal(torch.get_rng_state(), state) and [c.kind for c in calls] == ["uniform", "normal", "coins"]
    torch.testing.assert_close(numbers[1], values[1])
    with Handing(numbers[:2]):
        torch.testing.assert_close(Uniform(maps).sample(), values[0])
        torch.testing.assert_close(Normal(maps, maps + 1).sample(), values[1])
        with pytest.raises(HvaeError, match="coins"):
            Bernoulli(maps).sample()


def test_torch_is_the_default() -> None:
    assert Sampling().engine is TORCH and not TORCH.use.is_other


def markov() -> Model:
    torch.manual_seed(0)
    return build(MarkovConfig(latents=(3, 2), widths=(8, 6), likelihood="gaussian"), shape=(1, 6, 6), bits=4).eval()


def images(n: int = 7) -> Tensor:
    return torch.randint(0, 16, (n, 1, 6, 6), generator=torch.Generator().manual_seed(2)) / 15


@pytest.mark.parametrize("build_model", [ladder, markov])
def test_bounds_are_those_of_torch_for_every_draw(graph: Backend, build_model: Callable[[], Model]) -> None:
    """Every datum, K = 5 in chunks of 2 draws, on the same random numbers."""
    both: list[list[dict[str, Tensor]]] = [[], []]
    for sums, engine in zip(both, (TORCH, graph), strict=True):
        batches = images().split(4)
        bounds(build_model(), batches, 5, chunk_rows=8, engine=engine, keep=lambda _, one, to=sums: to.append(one))
    assert graph.use.name == "onnxruntime" and len(both[0]) == 6
    for right, got in zip(*both, strict=True):
        for name, value in right.items():
            torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("beside", "name"), [(3e-5, "onnxruntime"), (3e-4, "torch")])
def test_a_level_that_says_nothing_is_held_to_nats_not_to_its_rounding(
    graph: Backend, beside: float, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, right = ladder(), torch.tensor([1e-5, 2e-5, 0.0])
    question = Question(name="rate", model=model, of=lambda known, _: {"rate/z2": right + 0 * known.data.sum()})
    monkeypatch.setattr(Converted, "answer", lambda *_: {"rate/z2": right + beside})
    graph.answer(question, model.evidence(torch.rand(3, *model.shape)))
    assert graph.use.name == name


def test_scores_are_those_of_torch_at_every_cut(graph: Backend) -> None:
    right, got = (measure(ladder(), images().split(3), bits=4, engine=engine) for engine in (TORCH, graph))
    assert graph.use.name == "onnxruntime" and len(graphs()) == 3, "features, terms, terms above any cut"
    pairs = [(right.log_p, got.log_p), *((right.beyond[k], got.beyond[k]) for k in right.beyond)]
    for one, other in [*pairs, *((right.rates[name], got.rates[name]) for name in right.rates)]:
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("draws", [0, 2])
def test_features_are_those_of_torch(graph: Backend, draws: int) -> None:
    model = ladder()
    right, got = (list(features(model, images().split(3), draws=draws, engine=engine)) for engine in (TORCH, graph))
    assert graph.use.name == "onnxruntime"
    for one, other in zip(right, got, strict=True):
        for name in one:
            torch.testing.assert_close(other[name], one[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "reason"), [("vdm", "diffusions"), ("vrnn", "one step after another")])
def test_bounds_of_models_without_a_graph_are_torchs(graph: Backend, lines: list[str], name: str, reason: str) -> None:
    model, x = family(name), data(4, SEQUENCE if name == "vrnn" else SHAPE)
    right, got = (bounds(model, x.split(2), 2, engine=engine) for engine in (TORCH, graph))
    assert right == got and len(lines) == 1 and reason in lines[0]


def test_data_with_gaps_are_torchs(graph: Backend, lines: list[str]) -> None:
    datum = Datum(images(), observed=torch.rand(7, 1, 6, 6) > 0.3)
    assert bounds(ladder(), [datum], engine=graph) == bounds(ladder(), [datum])
    assert len(lines) == 1 and "missing" in lines[0]
