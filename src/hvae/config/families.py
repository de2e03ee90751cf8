"""The families of models: one registry of names, configurations and what builds them, open to models of others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from hvae.config.biva import BIVAConfig
from hvae.config.clockwork import CWVAEConfig
from hvae.config.diffusion import VDMConfig
from hvae.config.iafvae import IAFVAEConfig
from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.config.nvae import NVAEConfig
from hvae.config.pixels import PixelCNNConfig, PixelVAEConfig
from hvae.config.qresvae import QResVAEConfig
from hvae.config.seqladder import SeqLadderConfig
from hvae.config.sequences import DMMConfig, SRNNConfig, STCNConfig, VRAEConfig, VRNNConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.config.vqvae import RQVAEConfig, VQVAE2Config, VQVAEConfig
from hvae.errors import HvaeError, short, unknown
from hvae.trust import attribute, current, is_module

Builder = Callable[..., Any]
"""(configuration, shape of one datum, bits a value) -> model."""
B = TypeVar("B", bound=Builder)
GROUP = "hvae.families"
"""Entry points of this group, name = module:Config, are families too."""


@dataclass(frozen=True)
class Family:
    """A name, the configuration that it stands for, and what builds a model of one: a callable, or MODULE:NAME of this
    library's own, which is imported with the first model."""

    name: str
    config: type[ModelConfig]
    builder: Builder | str

    def build(self, config: ModelConfig, shape: tuple[int, ...], bits: int) -> Any:
        """A model of the configuration."""
        builder = attribute(self.builder) if isinstance(self.builder, str) else self.builder
        return builder(config, shape, bits)


FAMILIES: dict[str, Family] = {
    kind.family: Family(kind.family, kind, f"hvae.zoo.{kind.family}:build")
    for kind in (
        VAEConfig,
        MarkovConfig,
        LVAEConfig,
        VLAEConfig,
        LadderConfig,
        VDVAEConfig,
        NVAEConfig,
        BIVAConfig,
        IAFVAEConfig,
        QResVAEConfig,
        VQVAEConfig,
        VQVAE2Config,
        RQVAEConfig,
        PixelCNNConfig,
        PixelVAEConfig,
        VDMConfig,
        VRNNConfig,
        SRNNConfig,
        DMMConfig,
        VRAEConfig,
        CWVAEConfig,
        STCNConfig,
        SeqLadderConfig,
    )
}
"""The families by name: those of this library, and those that `family` has registered."""


def family(config: type[ModelConfig], *, name: str = "") -> Callable[[B], B]:
    """Register what it decorates, a function (config, shape, bits) -> model or such a class, as builder of a family.

    `config` is a frozen dataclass that extends `ModelConfig`; the family is called MODULE:CONFIG unless it has a
    `name`.  From then on `hvae train CONFIG.yaml` takes `model.family: mypackage.mymodule:MyConfig`, where the user
    trusts mypackage.  Raises HvaeError for anything but such a dataclass, and for a name that is taken.

    >>> @dataclass(frozen=True, kw_only=True)
    ... class MyConfig(ModelConfig):
    ...     width: int = 8
    >>> @family(MyConfig, name="mine")
    ... def build(config, shape, bits):
    ...     return f"a model of width {config.width} for {shape}"
    >>> FAMILIES.pop("mine").build(MyConfig(width=4), (1, 8, 8), 1)
    'a model of width 4 for (1, 8, 8)'
    """
    if not (isinstance(config, type) and issubclass(config, ModelConfig) and is_dataclass(config)):
        raise HvaeError(f"expected a frozen dataclass that extends hvae.config.ModelConfig, got {short(config)}")
    title = name or f"{config.__module__}:{config.__qualname__}"
    earlier = FAMILIES.get(title)
    # A module that is imported again, under its own name, brings its family again.
    if earlier is not None and earlier.config.__qualname__ != config.__qualname__:
        raise HvaeError(f"a family named '{title}' is there already, of {earlier.config.__name__}; choose another name")

    def register(builder: B) -> B:
        config.family = title
        FAMILIES[title] = Family(title, config, builder)
        return builder

    return register


def family_of(name: str) -> Family:
    """The named family: one that is registered, an entry point, or MODULE:CONFIG of a package that the user trusts.

    Raises HvaeError for a name that is not there or not trusted, and for code that registers no such family.
    """
    if name in FAMILIES:
        return FAMILIES[name]
    source = next((point.value for point in _points() if point.name == name), name)
    if not is_module(source):
        raise unknown("model.family", name, [*FAMILIES, *(point.name for point in _points())])
    current().check(source, "model.family")
    return _imported(source)


def family_of_config(config: ModelConfig) -> Family:
    """The family of a configuration.  Raises HvaeError for one that nothing is registered to build."""
    for family in FAMILIES.values():
        if family.config is type(config):
            return family
    raise HvaeError(
        f"nothing is registered to build a {type(config).__name__}; decorate what builds it: @hvae.family(MyConfig)"
    )


def family_type(name: str) -> type[ModelConfig]:
    """The configuration of a named family."""
    return family_of(name).config


def _imported(source: str) -> Family:
    """The family whose configuration MODULE:CONFIG names, once its module has run."""
    config = attribute(source)
    with suppress(StopIteration):
        return next(family for family in FAMILIES.values() if family.config is config)
    raise HvaeError(
        f"model.family: {source} is no registered family; expected a configuration that is decorated with "
        "@hvae.family(MyConfig)"
    )


def _points() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))
