"""What a command is given: a preset, a configuration file, or a run folder."""

from __future__ import annotations

from pathlib import Path

from hvae.config.data import KNOWN, SEQUENCES, DataConfig
from hvae.config.presets import PRESETS, is_open, preset
from hvae.config.run import Overrides, RunConfig
from hvae.errors import HvaeError, unknown
from hvae.pretrained import find, is_packaged

CONFIG = "config.yaml"


def resolve(source: str, overrides: Overrides | None = None) -> RunConfig:
    """The configuration that a preset's name, a YAML file or a run folder stands for, with dotted keys changed.

    Raises HvaeError for anything else, and for a preset that lacks the place of the user's images.
    """
    config = outlined(source, overrides)
    if is_open(config.data):
        raise HvaeError(f"this preset needs your images; add --data.path {config.data.path}")
    return config


def outlined(source: str, overrides: Overrides | None = None) -> RunConfig:
    """The same, where a preset for images of the user's may still lack their place."""
    return _named(source).override(overrides or {})


def _named(source: str) -> RunConfig:
    path = Path(source)
    if source in PRESETS:
        return preset(source)
    if path.is_dir() and not is_packaged(source):
        return stored(path)
    if path.is_file():
        return RunConfig.load(path)
    if is_packaged(source):
        return packaged(source)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise HvaeError(f"no file or folder at {source}; expected a configuration (YAML), a run folder, or a preset")
    raise unknown("preset, file or folder", source, PRESETS, "hvae models")


def packaged(name: str) -> RunConfig:
    """The configuration of a model that comes with the library."""
    from hvae.weights import read_weights

    return RunConfig.from_dict(read_weights(find(name).weights).description["config"])


def stored(folder: Path) -> RunConfig:
    """The configuration of a run folder.  Raises HvaeError for any other."""
    if not (folder / CONFIG).is_file():
        raise HvaeError(f"{folder} holds no {CONFIG}; expected a folder that 'hvae train' has written")
    return RunConfig.load(folder / CONFIG)


def shown_for_help(words: list[str]) -> RunConfig:
    """The configuration whose keys a help text shows: that of the first word that names one, else the default's."""
    for word in words:
        if word in PRESETS or Path(word).exists():
            return _named(word)
    return preset("digits")


def is_stated(data: DataConfig) -> bool:
    """Whether a configuration says what form its data have, so that `expected_shape` need not read them."""
    return data.name in KNOWN or bool(data.size and data.channels and data.bits)


def expected_shape(config: RunConfig) -> tuple[tuple[int, ...], int]:
    """Shape and bits of the data a configuration asks for: from the catalogue where it can, else by reading them."""
    from hvae.data import load_any
    from hvae.data.catalogue import SETS
    from hvae.data.lookup import base
    from hvae.data.sequences.catalogue import expected_form

    if config.data.name in SEQUENCES:
        return expected_form(config.data)
    data, entry = config.data, SETS.get(base(config.data.name))
    if entry is None:
        if data.size and is_stated(data):
            return (data.channels, *data.size), data.bits
        content = load_any(data)
        return content.shape, content.bits
    shape = (data.channels or entry.shape[0], *(data.size or entry.shape[1:]))
    single = data.name.endswith(("-binary", "-dynamic"))
    return shape, 1 if single else data.bits or entry.bits
