"""Published weights to a run folder that every other command takes: what `hvae import` does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hvae.caches import cache_folder
from hvae.checkpoints import describe
from hvae.checkpoints.imports import READERS, Converted, convert, sha256, unlike
from hvae.checkpoints.published import PUBLISHED, Published, of_file, published
from hvae.config.data import KNOWN
from hvae.config.evaluate import EvaluateConfig
from hvae.config.families import family_type
from hvae.config.model import ModelConfig
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig
from hvae.data.fetch import download
from hvae.descriptions import Origin, RunRecord
from hvae.errors import HvaeError, unknown
from hvae.files import expanded, free, making
from hvae.pretrained import WEIGHTS
from hvae.records import JSON
from hvae.runs.provenance import NAME as PROVENANCE
from hvae.runs.provenance import command, environment, now, write_json
from hvae.runs.source import CONFIG
from hvae.runs.subject import Tell
from hvae.study.building import size
from hvae.study.imported_data import about_data, check_data, known_set, own_images
from hvae.weights import save_weights

FREE = ("model.", "data.", "evaluate.")
"""The keys that an import takes."""


@dataclass(frozen=True)
class Source:
    """What is imported: a family, its file (None: to be downloaded) and its entry in the table, where it has one."""

    family: str
    file: Path | None
    entry: Published | None

    @property
    def name(self) -> str:
        """What the run folder is called unless the user says otherwise."""
        if self.entry is not None:
            return self.entry.name
        assert self.file is not None
        return self.file.stem


def source_of(what: str, file: str | Path | None) -> Source:
    """What is to be imported: a family's file, or a published model by its name.

    Raises HvaeError for a family without a file, and for a name that nobody has published.
    """
    place = expanded(file) if file else None
    if what in READERS:
        if place is None:
            raise HvaeError(f"expected a file of {what} weights, as in: hvae import {what} FILE")
        return Source(what, place, of_file(place.name, what))
    if what not in PUBLISHED and Path(what).exists():
        raise HvaeError(f"whose weights is {what}? Say it as in: hvae import {next(iter(READERS))} {what}")
    if what not in PUBLISHED:
        raise unknown("family or published model", what, [*READERS, *(n for n, e in PUBLISHED.items() if e.family)])
    entry = published(what)
    return Source(entry.family, place, entry)


def check_keys(keys: Mapping[str, str], folder: Path) -> None:
    """Raises HvaeError for keys that belong to a training, and for a folder that is used."""
    for key in keys:
        if not key.startswith(FREE):
            raise HvaeError(f"--{key} belongs to a training; at import only {'KEY, '.join(FREE)}KEY can be given")
    free(folder)


def written(source: Source, folder: Path, keys: Mapping[str, str], tell: Tell) -> JSON:
    """Read, check, convert and write; the folder appears whole or not at all.  What programs are told."""
    file = source.file or fetched(source, tell)
    conversion = converted(source, file, likeness(source.family, keys))
    config = configured(source, conversion, keys)
    check_data(config, conversion, file)
    imported = origin(source, file, sha256(file))
    levels, parameters = size(conversion.config, conversion.shape, conversion.bits)
    description = {
        **describe(config, conversion.shape, conversion.bits, {}),
        "step": conversion.step,
        "imported": imported,
    }
    with making(folder) as temporary:
        config.save(temporary / CONFIG)
        save_weights(temporary / WEIGHTS, conversion.weights, description)
        write_json(temporary / PROVENANCE, record(imported, parameters))
    tell(f"{source.family}, {levels} levels, {parameters:,} parameters; {_about(imported)}")
    tell(about_data(config, imported, folder))
    return {"run": str(folder), "family": source.family, "levels": levels, "parameters": parameters, **imported}


def likeness(family: str, keys: Mapping[str, str]) -> ModelConfig | None:
    """What the user tells of the model by keys, for a file that does not say it itself."""
    values = {key: value for key, value in keys.items() if key.startswith("model.")}
    return RunConfig(model=family_type(family)()).override(values).model if values else None


def converted(source: Source, file: Path, like: ModelConfig | None) -> Converted:
    """The weights of the file under our names.  A download that is not what it should be does not stay."""
    try:
        conversion = convert(source.family, file, like)
        _check_entry(source, conversion, file)
        return conversion
    except HvaeError as fault:
        if source.file is None:
            file.unlink(missing_ok=True)
            raise HvaeError(f"{fault}; the download was removed") from fault
        raise


def _check_entry(source: Source, conversion: Converted, file: Path) -> None:
    """Raises HvaeError for a file of another architecture than its entry's, whose number is not its own.

    Also where the entry was recognised by the name of the file alone: that name is of one published file, so that one
    of them is wrong, and a run folder that only lacks the number would still bear the name.
    """
    entry = source.entry
    if entry is None or entry.architecture is None or not (why := unlike(conversion, entry.architecture)):
        return
    renamed = " under another file name" if of_file(file.name, source.family) is entry else ""
    instead = f"; import it{renamed} without that name: hvae import {source.family} FILE" if source.file else ""
    raise HvaeError(f"{file} is not {entry.name}: {why}{instead}")


def fetched(source: Source, tell: Tell) -> Path:
    """The published file, from the cache or from its address."""
    entry = source.entry
    assert entry is not None
    by_hand = f"open {entry.address}, save {entry.file}, then: hvae import {entry.name} FILE"
    if entry.reach != "download":
        raise HvaeError(f"{entry.name} lies where only a browser gets it; {by_hand}")
    path = cache_folder() / "published" / entry.name / entry.file
    if path.is_file() and entry.sha256 in (None, sha256(path)):
        return path
    tell(f"downloading {entry.address} (licence of {entry.code}: {entry.licence})")
    try:
        download(entry.address, path, entry.sha256 or "")
    except HvaeError as fault:
        raise HvaeError(f"{fault}; {by_hand}") from fault
    return path


def configured(source: Source, conversion: Converted, keys: Mapping[str, str]) -> RunConfig:
    """The configuration of the run: the inferred model, the data where they are known, the protocol of the paper."""
    stated = (keys.get("data.name", ""), source.entry.data if source.entry else "", conversion.data)
    name = next((name for name in stated if name in KNOWN), "")
    config = RunConfig(
        model=conversion.config,
        data=known_set(name, conversion) if name else own_images(conversion),
        # Nothing here was averaged by us; `imported` in the description says whose weights these are.
        train=TrainConfig(ema=0.0),
        evaluate=EvaluateConfig(
            protocol="vdvae" if source.family == "vdvae" else "nvae",
            batch=16,
            split=source.entry.split if source.entry and not name else "test",
        ),
    )
    return config.override({key: value for key, value in keys.items() if not key.startswith("model.")})


def origin(source: Source, file: Path, digest: str) -> Origin:
    """Where the weights are from.  Raises HvaeError when the file is not the published one of that name."""
    entry = source.entry
    if entry is not None and entry.sha256 not in (None, digest):
        raise HvaeError(
            f"{file} has sha256 {digest}, but {entry.name} was published with {entry.sha256}; fetch it again"
        )
    here = Origin(file=file.name, bytes=file.stat().st_size, sha256=digest)
    if entry is None:
        return here
    return Origin(
        name=entry.name,
        code=entry.code,
        address=entry.address,
        licence=entry.licence,
        data=entry.data,
        tested=entry.tested,
        split=entry.split,
        expected=entry.expected,
        protocol=entry.protocol,
        note=entry.note,
        **here,
    )


def _about(imported: Origin) -> str:
    where = f" on {imported['tested']}" if imported.get("tested") else ""
    stated = f"; stated: {imported['expected']}{where}" if imported.get("expected") else ""
    return f"{imported['file']} has sha256 {imported['sha256']} (kept in {PROVENANCE}){stated}"


def record(imported: Origin, parameters: int) -> RunRecord:
    """provenance.json of a run that was not trained here."""
    return {
        **environment(),
        "started": now(),
        "commands": [command()],
        "parameters": parameters,
        "imported": imported,
        "data": {},
        "training": None,
    }
