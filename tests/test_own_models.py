"""Models of one's own: they train, are measured, sampled, encoded, decoded and compressed like any family."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import hvae
from hvae.config import preset
from hvae.config.data import DataConfig
from hvae.data import ImageData, load
from hvae.errors import HvaeError
from hvae.metrics import activity, contribution, mutual
from hvae.metrics.maps import usual_maps
from hvae.study.progress import bars
from hvae.study.work import Work

OWN = Path(__file__).parents[1] / "examples" / "own"
MODELS = {"vrnn": "VRNN", "conditional_vae": "ConditionalVAE", "vqvae": "VQVAE", "diffusion": "Diffusion"}


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load(DataConfig(name="digits", bits=1))


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> hvae.Model:
    monkeypatch.syspath_prepend(str(OWN))
    torch.manual_seed(0)
    built: hvae.Model = getattr(__import__(request.param), MODELS[request.param])((1, 8, 8))
    for name in (*MODELS, "demo"):
        sys.modules.pop(name, None)
    return built


def context(model: hvae.Model, n: int) -> dict[str, torch.Tensor]:
    return {"label": torch.arange(n) % 10} if model.conditions else {}


def test_it_trains_on_a_split_with_labels(model: hvae.Model, data: ImageData, tmp_path: Path) -> None:
    config = preset("digits", {"train.steps": 30, "train.batch": 32, "train.warmup": 5}).train
    is_diffusion = "snr" in dict(model.named_buffers())
    objective = hvae.ELBO(draw=hvae.thin(2)) if is_diffusion else hvae.ELBO()
    before = hvae.bounds(model.eval(), data.test.batches(60)).negative_elbo_nats.mean
    result = hvae.fit(model, objective, data.train, config, tmp_path / "run", valid=data.valid)
    assert result.step == 30
    assert hvae.bounds(model, data.test.batches(60)).negative_elbo_nats.mean < before - 3


@pytest.mark.parametrize("model", ["diffusion"], indirect=True)
def test_a_thinned_diffusion_is_not_sampled(model: hvae.Model) -> None:
    for count in (1, 2, 19):
        with pytest.raises(HvaeError, match=r"cannot be left out: thin\(\) needs data"):
            hvae.run(model, hvae.thin(count, hvae.prior()), n=3)
    assert hvae.run(model, hvae.thin(20, hvae.prior()), n=3).x.shape == (3, 1, 8, 8)


def test_it_is_measured(model: hvae.Model, data: ImageData) -> None:
    batches = list(data.test.some(range(20)).batches(10))
    result = hvae.bounds(model.eval(), batches, samples=3)
    assert result.negative_iw_nats.mean <= result.negative_elbo_nats.mean + 3
    assert set(activity(model, batches).levels) == set(hvae.names(model)) == set(mutual(model, batches).levels)
    assert contribution(model, batches).top[-1].negative_bound_nats.mean > 0


def test_it_samples_and_its_levels_come_back(model: hvae.Model, data: ImageData) -> None:
    datum = data.test.batch(range(6))
    pictures = hvae.sample(model.eval(), 6, context=context(model, 6), temperature=0.8, seed=1)
    assert pictures.shape == (6, 1, 8, 8) and 0 <= float(pictures.min()) <= float(pictures.max()) <= 1
    latents = hvae.encode(model, datum, seed=3)
    known = {name: datum.context[name] for name in model.conditions}
    is_fed_back = any(isinstance(name, tuple) and name[0] == "x" for name in model(datum).values())
    back, again = hvae.decode(model, latents, context=known), hvae.reconstruct(model, datum, seed=3)
    # Rows that are drawn go into those after them, so that two decodings differ by the draws of the data.
    torch.testing.assert_close(back, again, atol=0.3 if is_fed_back else 1e-5, rtol=0)
    assert hvae.from_top(model, datum, counts=[0, 1]).shape == (2, 6, 1, 8, 8)
    assert hvae.top_held(model, datum, repeats=2).shape == (6, 2, 1, 8, 8)
    assert len(hvae.traverse(model, datum, directions=1, steps=3)) == len(hvae.names(model))
    assert hvae.interpolate(model, datum[:3], datum[3:], 3).shape == (3, 3, 1, 8, 8)


def test_a_conditional_model_asked_without_its_condition_says_so(
    monkeypatch: pytest.MonkeyPatch, data: ImageData
) -> None:
    monkeypatch.syspath_prepend(str(OWN))
    from conditional_vae import ConditionalVAE

    model = ConditionalVAE((1, 8, 8))
    with pytest.raises(hvae.HvaeError, match="this model is conditional: 'label' is a class from 0 to 9"):
        hvae.sample(model, 3)
    with pytest.raises(hvae.HvaeError, match="this model is conditional"):
        model(data.test.batch([0]).x)


def test_a_network_trains_on_arrays_with_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(OWN))
    from conditional_vae import ConditionalVAE

    x, y = np.random.default_rng(0).random((20, 1, 8, 8)) > 0.5, np.arange(20) % 10
    config = preset("digits", {"train.steps": 2, "train.batch": 8}).train
    hvae.fit(ConditionalVAE((1, 8, 8)), hvae.ELBO(), (x.astype(np.float32), y), config, tmp_path / "run")
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_maps_are_drawn_where_there_are_places_alone(model: hvae.Model, data: ImageData) -> None:
    subject: Any = SimpleNamespace(run=SimpleNamespace(model=model.eval(), noun="images"), data=data)
    batches = list(data.test.some(range(6)).batches(3))
    if Work(subject, bars(None)).no_places():
        with pytest.raises(HvaeError, match="maps are of images"):
            usual_maps(model, batches)
    else:
        assert usual_maps(model, batches).mean
