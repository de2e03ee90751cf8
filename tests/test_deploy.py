"""Decoders and encoders as files: every family exports with open rows or says why not, and the files say the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from families import EACH_KIND, family

from hvae import Model, mode, names, prior, run, sample
from hvae.checkpoints import LoadedRun, describe
from hvae.config import preset
from hvae.config.condition import ConditionConfig
from hvae.config.diffusion import VDMConfig
from hvae.config.flow import FlowConfig, FlowKind
from hvae.config.model import LadderConfig, LVAEConfig, ModelConfig, VAEConfig
from hvae.deploy import Decoder, Encoder, Noise
from hvae.deploy.formats import FORMATS, METADATA, PT2, difference, exported
from hvae.errors import HvaeError
from hvae.study.export import export
from hvae.study.gifts.pull import pull
from hvae.walk import still
from hvae.zoo import build

REFUSED = (
    "walk one step after another",
    "no scaled and shifted normal noise",
    "one pixel after another",
    "no latents",
    "diffusions",
)


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Decoder:
    try:
        return Decoder(family(request.param))
    except HvaeError as fault:
        assert any(reason in str(fault) for reason in REFUSED), fault
        pytest.skip(str(fault))


def small(**keys: object) -> Model:
    torch.manual_seed(0)
    config = LadderConfig(groups=(1, 1), width=4, latent=2, likelihood="dmol", mixtures=2, **keys)
    return build(config, shape=(1, 6, 6), bits=4).eval()


def loaded(model: Model, config: ModelConfig, folder: Path) -> LoadedRun:
    whole = preset("digits").override({"model.family": config.family})
    return LoadedRun(model, whole, {**describe(whole, model.shape, 4, {}), "step": 0}, folder)


@pytest.mark.parametrize("program", EACH_KIND, indirect=True)
@pytest.mark.parametrize("part", [Decoder, Encoder])
def test_any_number_of_rows(program: Decoder, part: type[Decoder | Encoder]) -> None:
    one = part(program.model)
    module = exported(one).module()
    assert difference(one, lambda arguments: _tuple(module(*arguments))) < 1e-9


def _tuple(outputs: object) -> tuple[torch.Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else tuple(outputs if isinstance(outputs, list) else [outputs])


def test_noise_is_that_of_the_prior() -> None:
    """The same standard normal numbers give what a draw from the prior gives, at a temperature too."""
    model = family("ladder-residual")
    with still(model, seed=3):
        trace = run(model, prior(0.7), n=4)
    noise = {r.key: (r.value - r.law.loc) / (0.7 * r.law.scale) for r in trace.latents}
    with still(model):
        again = run(model, Noise(noise, torch.full((len(noise),), 0.7, dtype=torch.float64)), n=4)
    torch.testing.assert_close(again["z1"].value, trace["z1"].value)
    torch.testing.assert_close(model.picture(again), model.picture(trace))


def test_encoder_gives_the_trace_of_posterior_means() -> None:
    model = family("lvae-mlp-residual")
    encoder = Encoder(model)
    arguments = list(encoder.arguments(3))
    arguments[-1] = torch.zeros_like(arguments[-1])  # temperatures
    with still(model, seed=0):
        *values, rates, elbo = encoder(*arguments)
        trace = run(model, mode, model.evidence(arguments[0]))
    for name, value in zip(names(model), values, strict=True):
        torch.testing.assert_close(value, trace[name].value)
    torch.testing.assert_close(rates[:, 0], trace.rates()[names(model)[0]])
    torch.testing.assert_close(elbo, trace.elbo())


def test_temperature_zero_is_the_mean_of_every_level() -> None:
    model = small()
    decoder = Decoder(model)
    arguments = list(decoder.arguments(2))
    arguments[len(decoder.keys)] = torch.zeros(len(decoder.keys))
    with still(model):
        torch.testing.assert_close(decoder(*arguments), sample(model, 2, temperature=0.0))


@pytest.mark.parametrize("to", ["onnx", "pt2", "openvino"])
@pytest.mark.parametrize("part", ["decoder", "encoder"])
def test_files_give_what_the_model_gives(to: str, part: str, tmp_path: Path) -> None:
    for library in FORMATS[to].needs:
        pytest.importorskip(library)
    written = export(loaded(small(), LadderConfig(), tmp_path), to=to, part=part)
    assert written.file.is_file() and written.difference < 1e-4
    assert not list(tmp_path.glob(".*")), "nothing temporary stays"


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_unlikely_data_cost_what_they_cost(to: str, tmp_path: Path) -> None:
    """Where a pixel lies hundreds of scales away, log sigma(x) is x, and no infinity."""
    for library in FORMATS[to].needs:
        pytest.importorskip(library)
    model = small()
    with torch.no_grad():
        for weights in model.leave.parameters():
            weights.mul_(100)
    assert export(loaded(model, LadderConfig(), tmp_path), to=to, part="encoder").difference < 1e-4


def test_an_onnx_file_explains_itself(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = small(condition=ConditionConfig(kind="class", classes=3, width=4))
    written = export(loaded(model, LadderConfig(), tmp_path), tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(written.file.read_bytes())
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    assert about["levels"] == {"z2": [2, 3, 3], "z1": [2, 6, 6]} and about["data"]["shape"] == [1, 6, 6]
    assert about["conditions"] == {"label": "a class from 0 to 2"}
    noise = {f"noise_{name}": np.zeros((7, *shape), np.float32) for name, shape in about["levels"].items()}
    label = {"context_label": np.arange(7) % 3}
    (pictures,) = session.run(None, {**noise, "temperature": np.ones(2, np.float32), **label})
    assert pictures.shape == (7, 1, 6, 6) and np.abs(pictures[0] - pictures[1]).max() > 0


@pytest.mark.parametrize("run", ["digits", "copy", "trained"])
def test_a_file_says_the_licence_of_weights_that_have_a_card(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if run != "digits":
        pull("digits", out=run)
    if run == "trained":
        (tmp_path / run / "card.json").unlink()
    written = export(run, tmp_path / "a.pt2", to="pt2")
    kept = {METADATA: ""}
    torch.export.load(written.file, extra_files=kept)
    assert json.loads(kept[METADATA]).get("licence") == (None if run == "trained" else "cc-by-4.0")


def test_a_file_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.deploy.formats.difference", lambda *_: float("nan"))
    with pytest.raises(HvaeError, match="differs from the model"):
        export(loaded(small(), LadderConfig(), tmp_path), to="pt2")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("broken", [0, 1, -1])
def test_what_is_no_number_differs_in_every_output(broken: int) -> None:
    encoder = Encoder(small())

    def outputs(arguments: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        right = [t.clone() for t in encoder(*arguments)]
        right[broken][0] = float("nan")
        return tuple(right)

    assert np.isnan(difference(encoder, outputs))


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"to": "tflite"}, "no format named 'tflite'"),
        ({"part": "middle"}, "no part named 'middle'"),
        ({"to": "pt2", "out": "a.onnx"}, "ends in .pt2"),
    ],
)
def test_refusals(keys: dict[str, str], line: str, tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=line):
        export(loaded(small(), LadderConfig(), tmp_path), **keys)


def test_a_folder_is_no_file_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.deploy.formats.exported", lambda *_: pytest.fail("long work before the refusal"))
    (tmp_path / "a.pt2").mkdir()
    with pytest.raises(HvaeError, match="is a folder"):
        export(loaded(small(), LadderConfig(), tmp_path), tmp_path / "a.pt2", to="pt2")


@pytest.mark.parametrize("steps", [0, 3, 50])
def test_diffusions_are_refused_before_the_trace(steps: int) -> None:
    config = VDMConfig(widths=(4,), blocks=1, steps=steps, schedule="linear", attention="none")
    for part in (Decoder, Encoder):
        with pytest.raises(HvaeError, match="diffusions choose how many levels"):
            part(build(config, shape=(1, 8, 8), bits=4))


def test_a_missing_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.deploy.formats.find_spec", lambda name: None)
    with pytest.raises(HvaeError, match=r"'onnx', 'onnxscript' and 'onnxruntime' .* -m pip install 'onnx>"):
        export(loaded(small(), LadderConfig(), tmp_path))


def test_codes_say_why_not() -> None:
    with pytest.raises(HvaeError, match="UniformCodes"):
        Decoder(family("vqvae"))


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_coins_keep_their_tails(to: str, tmp_path: Path) -> None:
    """Logits of several hundreds, where a sigmoid is 0 and its logarithm is not."""
    for library in FORMATS[to].needs:
        pytest.importorskip(library)
    torch.manual_seed(0)
    model = build(LVAEConfig(latents=(3, 2), widths=(6, 6), likelihood="bernoulli"), shape=(1, 4, 4), bits=1).eval()
    *_, last = (layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer.out_features == 16)
    last.weight.data *= 1000
    encoder = Encoder(model)
    with still(model, seed=0):
        assert float(encoder(*encoder.arguments(2))[-1].min()) < -500
    assert export(loaded(model, LVAEConfig(), tmp_path), to=to, part="encoder").difference < 1e-5


def test_a_bare_ladder_of_vectors() -> None:
    model = build(LVAEConfig(latents=(3, 2), widths=(6, 6), likelihood="gaussian"), shape=(5,)).eval()
    module = exported(Decoder(model)).module()
    assert module(*Decoder(model).arguments(7)).shape == (7, 5)


def test_what_is_no_picture_is_not_called_one() -> None:
    model = build(LVAEConfig(latents=(3, 2), widths=(6, 6), likelihood="gaussian"), shape=(5,)).eval()
    assert Decoder(model).outputs == ("data",) and Decoder(small()).outputs == ("picture",)


def test_a_full_disk_does_not_end_the_process() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    flat = torch.export.export(torch.nn.Flatten(), (torch.zeros(2, 3, 4),))
    with pytest.raises(OSError, match="No space left"):
        PT2().write(flat, Decoder(small()), "{}", full)


def test_a_write_that_a_library_is_refused_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("basic_ios::clear: iostream error")

    monkeypatch.setattr("hvae.deploy.formats.PT2.write", refused)
    with pytest.raises(HvaeError, match="could not write .*x.pt2: the disk does not take it; free some space"):
        export("digits", to="pt2", out=tmp_path / "x.pt2")
    assert not [*tmp_path.iterdir()]


def pushed(kind: FlowKind, side: str, latent: int) -> Model:
    flow = FlowConfig(transforms=3, hidden=(4,), bins=3, **{side: kind})
    return build(VAEConfig(latent=latent, widths=(8,), flow=flow), shape=(1, 4, 4), bits=1).eval()


@pytest.mark.parametrize("kind", ["affine", "spline"])
def test_a_flow_that_is_drawn_from_channel_by_channel_is_refused_before_it_is_traced(kind: FlowKind) -> None:
    """Three maps of 43 channels are 129 networks in a row, and of 42 channels as many as a graph may have."""
    with pytest.raises(HvaeError, match="129 networks in a row for z1.* affine-coupling .* --part encoder"):
        Decoder(pushed(kind, "prior", 43))
    for model in (pushed(kind, "prior", 42), pushed("affine-coupling", "prior", 43), pushed(kind, "posterior", 43)):
        assert Decoder(model).names == ["noise_z1", "temperature"]
    assert Encoder(pushed(kind, "prior", 43)).outputs == ("z1", "rates", "elbo")


def test_progress_names_the_work_before_it_begins(tmp_path: Path) -> None:
    steps = list[tuple[int, int, str]]()
    export(loaded(small(), LadderConfig(), tmp_path), to="pt2", progress=lambda *step: steps.append(step))
    names = ("export tracing", "export writing .pt2", "export comparing", "export")
    assert steps == [(i, 3, name) for i, name in enumerate(names)]
