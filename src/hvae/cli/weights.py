"""hvae inspect of run folders without config.yaml, as a call of hvae.fit leaves them: what their weights say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from hvae.cli.voice import Voice, table
from hvae.config.run import RunConfig
from hvae.pretrained import WEIGHTS
from hvae.runs.source import CONFIG, outlined

NOTE = (
    "no configuration stands beside these weights: levels, FLOPs and memory are those of a model that only the code "
    "which built it knows (hvae.inspection.inspect)"
)


def weights_of(source: Path) -> Path | None:
    """The weights of a run folder or file without a configuration that `hvae inspect` could build; None of others."""
    path = source / WEIGHTS if source.is_dir() and not (source / CONFIG).is_file() else source
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    from hvae.weights import read_weights

    return None if "config" in read_weights(path).description else path


def configured(source: str, changed: Mapping[str, str]) -> RunConfig:
    """The configuration of a preset, a YAML file or a run: of one without config.yaml, that which its weights hold."""
    path = Path(source)
    folder, file = path / WEIGHTS, path.suffix == ".safetensors" and path.is_file()
    if not file and ((path / CONFIG).is_file() or not folder.is_file()):
        return outlined(source, changed)
    from hvae.checkpoints import load

    return load(path).config.override(changed)


def show_weights(path: Path, voice: Voice, *, each: bool) -> None:
    """The tensors of a file: how many numbers each part of the model has, or `each` of them with its shape."""
    from hvae.weights import read_weights

    stored = read_weights(path)
    shapes = {name: list(t.shape) for name, t in stored.tensors.items()}
    sizes = {name: t.numel() for name, t in stored.tensors.items()}
    step = stored.description.get("step")
    voice.answer({"weights": str(path), "step": step, "numbers": sum(sizes.values()), "tensors": shapes})
    if voice.machine:
        return
    if each:
        voice.show("\n".join(f"{name}  {'x'.join(map(str, shape)) or 'scalar'}" for name, shape in shapes.items()))
        return
    after = f", after step {step:,}" if isinstance(step, int) else ""
    voice.show(f"{path}: {len(sizes):,} tensors of {sum(sizes.values()):,} numbers{after}")
    voice.show(_parts(sizes))
    voice.show(NOTE)


def _parts(sizes: Mapping[str, int]) -> object:
    """Tensors and numbers of each part that a model names itself."""
    tensors, numbers = Counter[str](), Counter[str]()
    for name, size in sizes.items():
        part = name.partition(".")[0]
        tensors[part] += 1
        numbers[part] += size
    rows = table("part", "tensors", "numbers")
    for part, count in tensors.items():
        rows.add_row(part, f"{count:,}", f"{numbers[part]:,}")
    return rows
