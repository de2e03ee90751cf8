"""Run folders: from a finished training back to a model.

A run folder holds `model.safetensors`: the averaged weights and, inside it, a JSON description (the configuration, the
shape and bit depth of the data, their provenance, the step).  That one file is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvae.checkpoints.mapping import fit
from hvae.config.run import RunConfig
from hvae.errors import HvaeError
from hvae.walk import Model
from hvae.weights import load_weights
from hvae.zoo import build

WEIGHTS = "model.safetensors"
_KEYS = ("config", "shape", "bits", "data", "step")


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """A trained model (averaged weights, evaluation mode, CPU) and all that its file says about it."""

    model: Model
    config: RunConfig
    description: Mapping[str, Any]
    folder: Path

    @property
    def step(self) -> int:
        """Steps of training behind the weights."""
        return int(self.description["step"])

    @property
    def bits(self) -> int:
        """Bits a value of the data."""
        return int(self.description["bits"])

    def build(self, shape: Sequence[int]) -> Model:
        """An untrained model of the run's configuration for data of another shape."""
        return build(self.config.model, shape=shape, bits=self.bits)


def describe(config: RunConfig, shape: Sequence[int], bits: int, data: Mapping[str, Any]) -> dict[str, Any]:
    """The description that makes a weight file loadable; `data` is the provenance.  Training adds the step."""
    return {"config": config.to_dict(), "shape": list(shape), "bits": bits, "data": dict(data)}


def load(run: str | Path) -> LoadedRun:
    """The model of a run folder (or of a weight file).  Tensors and text are read; nothing is executed.

    Every name and shape of the weights is checked against the model that the description asks for.  Raises HvaeError
    when the file is missing, damaged, of another version, or does not fit its own description.
    """
    run = Path(run)
    path = run / WEIGHTS if run.is_dir() or run.suffix != ".safetensors" else run
    if not run.exists():
        raise HvaeError(f"no run at {run}; expected a folder that 'hvae train' has written, or a .safetensors file")
    weights, description = load_weights(path)
    missing = [key for key in _KEYS if key not in description]
    if missing:
        raise HvaeError(f"{path} does not say its {', '.join(missing)}; it was not written by hvae train")
    config, model = _described(path, description)
    fit(weights, model.state_dict(), str(path))
    model.load_state_dict(weights)
    return LoadedRun(model.eval(), config, description, path.parent)


def _described(path: Path, description: Mapping[str, Any]) -> tuple[RunConfig, Model]:
    try:
        config = RunConfig.from_dict(description["config"])
        return config, build(config.model, shape=description["shape"], bits=int(description["bits"]))
    except (HvaeError, TypeError, ValueError) as fault:
        raise HvaeError(f"{path}: its description cannot be used: {fault}") from fault
