r"""Latents as features for other models: one number a dimension, or one a channel, batch after batch.

    means    E[z_l] under q(z_l | z_{>l}, x), the levels above at their modes: no chance
    draws    the mean of K joint draws z ~ q(z | x), which as K grows is E[z_l] under q(z | x); K = 1 is one draw

Shapes: `B` data of one batch; `C` channels of a latent; `D` features of a level; `...` a latent's own shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvae.counts import whole
from hvae.datum import Datum
from hvae.draw import mode, posterior
from hvae.engine import TORCH, Answers, Engine, Question
from hvae.errors import unknown
from hvae.explore.frame import check_levels, levels, placed
from hvae.seeds import part_seed
from hvae.site import Key, Pin, as_key, pin, read_pin, spelled
from hvae.walk import Evidence, Model, run, still

Pool = Callable[[Tensor], Tensor]


def _over_places(value: Tensor) -> Tensor:
    return value.flatten(2).mean(2) if value.ndim > 2 else value


def _side_by_side(value: Tensor) -> Tensor:
    return value.flatten(1)


def _as_it_is(value: Tensor) -> Tensor:
    return value


POOLS: dict[str, Pool] = {"mean": _over_places, "flatten": _side_by_side, "none": _as_it_is}
"""What becomes of a latent (B, C, ...): its mean over places (B, C), all its numbers (B, D), or itself."""
TABLES = ("mean", "flatten")
"""The pools that put a datum into one row."""


def features(
    model: Model,
    batches: Iterable[Tensor | Datum],
    *,
    levels: Sequence[str] = (),
    pool: str = "mean",
    draws: int = 0,
    seed: int = 0,
    engine: Engine = TORCH,
) -> Iterator[dict[Pin, Tensor]]:
    """The features of each batch, {level: (B, ...)}, in the order of `levels` (all, top first, by default).

    Arguments: `batches`, tensors (B, *model.shape) or `Datum`s, each walked at once; `pool`, a name of `POOLS`;
    `draws`, 0 for posterior means, K for the mean of K joint draws; `seed` of these, each batch with noise of its
    own; `engine`, who computes.  A level that recurs in time has one entry a step.  Raises HvaeError for a level or
    pool that there is not.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> rows = features(model, torch.ones(5, 1, 4, 4).split(3))
    >>> [{name: tuple(value.shape) for name, value in some.items()} for some in rows]
    [{'z2': (3, 2), 'z1': (3, 4)}, {'z2': (2, 2), 'z1': (2, 4)}]
    """
    names = named(levels, model)
    if pool not in POOLS:
        raise unknown("pool", pool, POOLS)
    seed, draws = whole("seed", seed), whole("draws", draws)
    return _features(_Reader(model, engine, draws), batches, names, POOLS[pool], seed)


def _features(
    reader: _Reader, batches: Iterable[Tensor | Datum], names: Sequence[str], pool: Pool, seed: int
) -> Iterator[dict[Pin, Tensor]]:
    for number, batch in enumerate(batches):
        with still(reader.model, part_seed(seed, number)):
            values = reader.read(batch)
            some = {pin(key): pool(values[key]).float().cpu() for name in names for key in values if key[0] == name}
        yield some


@dataclass(frozen=True, eq=False)
class _Reader:
    """The latents of a batch, (B, ...) by variable: means of q, or the mean of so many joint draws."""

    model: Model
    engine: Engine
    draws: int

    def read(self, batch: Tensor | Datum) -> dict[Key, Tensor]:
        evidence = self.engine.evidence(self.model, placed(self.model, batch))
        if not self.draws:
            return _keyed(self.engine.answer(self._means, evidence))
        total: dict[Key, Tensor] = {}
        for _ in range(self.draws):
            for key, value in _keyed(self.engine.answer(self._values, evidence)).items():
                share = value / self.draws
                total[key] = total[key] + share if key in total else share
        return total

    @property
    def _means(self) -> Question:
        def of(evidence: Evidence, _: Tensor) -> Answers:
            return {spelled(r.key): (r.q or r.law).mean() for r in run(self.model, mode, evidence).latents}

        return Question(name="means", model=self.model, of=of)

    @property
    def _values(self) -> Question:
        def of(evidence: Evidence, _: Tensor) -> Answers:
            return {spelled(r.key): r.value for r in run(self.model, posterior, evidence).latents}

        return Question(name="values", model=self.model, of=of)


def _keyed(answers: Answers) -> dict[Key, Tensor]:
    return {as_key(read_pin(text)): value for text, value in answers.items()}


def named(words: Sequence[str], model: Model) -> list[str]:
    """The levels that are asked for, none meaning all; `z9..z5` stands for these two and those between, top first.

    Raises HvaeError for a level that the model does not have, with the nearest that it has.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 3, 2), widths=(8, 8, 8)), shape=(1, 4, 4), bits=1)
    >>> named(["z3..z2"], model), named(["z1", "z3"], model)
    (['z3', 'z2'], ['z1', 'z3'])
    """
    names = levels(model)
    members = [name for word in words for name in _range(word, names)]
    check_levels(members, names)
    return list(dict.fromkeys(members)) or names


def _range(word: str, names: Sequence[str]) -> list[str]:
    ends = word.split("..")
    check_levels(ends, names)
    first, last = sorted((names.index(ends[0]), names.index(ends[-1])))
    return list(names[first : last + 1])


def row(some: Mapping[Pin, Tensor]) -> Tensor:
    """The features of a batch side by side, {level: (B, D)} -> (B, sum of D)."""
    return torch.cat([value.flatten(1) for value in some.values()], 1)


def column_names(some: Mapping[Pin, Tensor]) -> list[str]:
    """A name for each column of `row`.

    >>> column_names({"z2": torch.zeros(5, 2), "z1": torch.zeros(5, 1)})
    ['z2_0', 'z2_1', 'z1_0']
    """
    return [f"{spelled(level)}_{i}" for level, value in some.items() for i in range(value[0].numel())]
