"""hvae import: published weights to a run folder that every other command takes."""

from __future__ import annotations

import platform
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae import __version__
from hvae.cli.models import size
from hvae.cli.parser import Parser, split_dotted
from hvae.cli.voice import Voice
from hvae.config.data import KNOWN, DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.families import family_type
from hvae.config.presets import YOUR_FOLDER
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig
from hvae.errors import HvaeError, unknown
from hvae.files import free, making
from hvae.runs.protocol import UNSEEN, held_out, layout
from hvae.runs.provenance import NAME as PROVENANCE
from hvae.runs.provenance import command, machine, now, packages, write_json
from hvae.runs.source import CONFIG, expected_shape
from hvae.study.places import check_place

if TYPE_CHECKING:
    from hvae.checkpoints.imports import Converted
    from hvae.checkpoints.published import Published
    from hvae.config.model import ModelConfig

ABOUT = (
    "Turn weights that others have published into a run folder, which hvae evaluate, sample, encode and report take. "
    "Give the family and a file, or the name of a published model (hvae models --published), which is downloaded into "
    "the cache. Every name and shape of the weights is checked; nothing in a file is ever executed. A vdvae file does "
    "not say its architecture: for one that was not published give --model.encoder, decoder, shift and scale."
)
EXAMPLES = (
    "hvae import vdvae-cifar10-seed1",
    "hvae import vdvae imagenet32-iter-1700000-model-ema.th --out runs/vdvae-imagenet32",
    "hvae import nvae checkpoint.pt --data.name cifar10",
    "hvae import vdvae mine-model-ema.th --model.encoder 32x4,32d2,16x2 --model.decoder 16x2,32m16,32x3",
    "hvae import nvae-celeba64 checkpoint.pt --data.path ~/celeba",
)
FREE = ("model.", "data.", "evaluate.")


def parser() -> Parser:
    made = Parser("import", ABOUT, EXAMPLES, "FAMILY FILE | NAME [FILE] [--out FOLDER] [--data.KEY VALUE ...]")
    made.add_argument("what", metavar="FAMILY|NAME", help="vdvae, nvae, or a name from hvae models --published")
    made.add_argument("file", nargs="?", metavar="FILE", help="the file of a family, or one fetched by hand for NAME")
    made.add_argument("-o", "--out", default="", metavar="FOLDER", help="the run folder to write [runs/NAME]")
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        source = asked(args)
        folder = Path(args.out or Path("runs") / source.name)
        check_place(folder)
        _check(dotted, folder)
        found = written(source, folder, dotted, voice)
    voice.answer(found)
    if not args.json:
        voice.show(f"run folder: {folder}; measure it with: hvae evaluate {folder}")


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


def asked(args: Namespace) -> Source:
    """What the words of the command mean."""
    from hvae.checkpoints.imports import READERS
    from hvae.checkpoints.published import PUBLISHED, of_file, published

    file = Path(args.file).expanduser() if args.file else None
    if args.what in READERS:
        if file is None:
            raise HvaeError(f"expected a file of {args.what} weights, as in: hvae import {args.what} FILE")
        return Source(args.what, file, of_file(file.name, args.what))
    if args.what not in PUBLISHED and Path(args.what).exists():
        raise HvaeError(f"whose weights is {args.what}? Say it as in: hvae import {next(iter(READERS))} {args.what}")
    if args.what not in PUBLISHED:
        raise unknown(
            "family or published model", args.what, [*READERS, *(n for n, e in PUBLISHED.items() if e.family)]
        )
    entry = published(args.what)
    return Source(entry.family, file, entry)


def _check(dotted: Mapping[str, str], folder: Path) -> None:
    for key in dotted:
        if not key.startswith(FREE):
            raise HvaeError(f"--{key} belongs to a training; at import only {'KEY, '.join(FREE)}KEY can be given")
    free(folder)


def written(source: Source, folder: Path, dotted: Mapping[str, str], voice: Voice) -> dict[str, Any]:
    """Read, check, convert and write; the folder appears whole or not at all.  What programs are told."""
    from hvae.checkpoints import describe
    from hvae.checkpoints.imports import sha256
    from hvae.checkpoints.runs import WEIGHTS
    from hvae.weights import save_weights

    file = source.file or fetched(source, voice)
    made = converted(source, file, likeness(source.family, dotted))
    config = configured(source, made, dotted)
    _check_data(config, made, file)
    imported = origin(source, file, sha256(file))
    levels, parameters = size(made.config, made.shape, made.bits)
    description = {**describe(config, made.shape, made.bits, {}), "step": made.step, "imported": imported}
    with making(folder) as temporary:
        config.save(temporary / CONFIG)
        save_weights(temporary / WEIGHTS, made.weights, description)
        write_json(temporary / PROVENANCE, record(imported, parameters))
    voice.tell(f"{source.family}, {levels} levels, {parameters:,} parameters; {_about(imported)}")
    voice.tell(_about_data(config, imported, folder))
    return {"run": str(folder), "family": source.family, "levels": levels, "parameters": parameters, **imported}


def likeness(family: str, dotted: Mapping[str, str]) -> ModelConfig | None:
    """What the user tells of the model by keys, for a file that does not say it itself."""
    told = {key: value for key, value in dotted.items() if key.startswith("model.")}
    return RunConfig(model=family_type(family)()).override(told).model if told else None


def converted(source: Source, file: Path, like: ModelConfig | None) -> Converted:
    """The weights of the file under our names.  A download that is not what it should be does not stay."""
    from hvae.checkpoints.imports import convert

    try:
        made = convert(source.family, file, like)
        _check_entry(source, made, file)
        return made
    except HvaeError as fault:
        if source.file is None:
            file.unlink(missing_ok=True)
            raise HvaeError(f"{fault}; the download was removed") from fault
        raise


def _check_entry(source: Source, made: Converted, file: Path) -> None:
    """Raises HvaeError for a file of another architecture than its entry's, whose number is not its own.

    Also where the entry was recognised by the name of the file alone: that name is of one published file, so that one
    of them is wrong, and a run folder that only lacks the number would still bear the name.
    """
    from hvae.checkpoints.imports import unlike
    from hvae.checkpoints.published import of_file

    entry = source.entry
    if entry is None or entry.architecture is None or not (why := unlike(made, entry.architecture)):
        return
    renamed = " under another file name" if of_file(file.name, source.family) is entry else ""
    instead = f"; import it{renamed} without that name: hvae import {source.family} FILE" if source.file else ""
    raise HvaeError(f"{file} is not {entry.name}: {why}{instead}")


def fetched(source: Source, voice: Voice) -> Path:
    """The published file, from the cache or from its address."""
    from hvae.data.fetch import cache_folder, download

    entry = source.entry
    assert entry is not None
    by_hand = f"open {entry.address}, save {entry.file}, then: hvae import {entry.name} FILE"
    if entry.reach != "download":
        raise HvaeError(f"{entry.name} lies where only a browser gets it; {by_hand}")
    path = cache_folder() / "published" / entry.name / entry.file
    if path.is_file():
        return path
    voice.tell(f"downloading {entry.address} (licence of {entry.code}: {entry.licence})")
    try:
        download(entry.address, path, entry.sha256 or "")
    except HvaeError as fault:
        raise HvaeError(f"{fault}; {by_hand}") from fault
    return path


def configured(source: Source, made: Converted, dotted: Mapping[str, str]) -> RunConfig:
    """The configuration of the run: the inferred model, the data where they are known, the protocol of the paper."""
    stated = (dotted.get("data.name", ""), source.entry.data if source.entry else "", made.data)
    name = next((name for name in stated if name in KNOWN), "")
    config = RunConfig(
        model=made.config,
        data=_known(name, made) if name else _yours(made),
        # Nothing here was averaged by us; `imported` in the description says whose weights these are.
        train=TrainConfig(ema=0.0),
        evaluate=EvaluateConfig(
            protocol="vdvae" if source.family == "vdvae" else "nvae",
            batch=16,
            split=source.entry.split if source.entry and not name else "test",
        ),
    )
    return config.override({key: value for key, value in dotted.items() if not key.startswith("model.")})


def _known(name: str, made: Converted) -> DataConfig:
    """A known set, brought to the form that the model wants where that is larger (by padding) or has fewer bits."""
    from hvae.data.catalogue import SETS
    from hvae.data.lookup import base

    published = SETS[base(name)]
    height, width = made.shape[1:]
    size = (height, width) if height > published.shape[1] and width > published.shape[2] else None
    # Binarised sets have their one bit by name.
    bits = 0 if made.bits in (1, published.bits) else made.bits
    return DataConfig(name=name, size=size, crop="none" if size is None else "pad", bits=bits)


def _yours(made: Converted) -> DataConfig:
    """Images that only the user knows.  None are held out: those that were, the model has probably been trained on."""
    channels, *size = made.shape
    return DataConfig(
        name="folder",
        path=YOUR_FOLDER,
        size=(size[0], size[1]),
        crop="center",
        channels=channels,
        bits=made.bits,
        valid=0,
        test=0,
    )


def _check_data(config: RunConfig, made: Converted, file: Path) -> None:
    shape, bits = expected_shape(config)
    if (tuple(shape), bits) != (made.shape, made.bits):
        raise HvaeError(
            f"{file} is of a model for images of {made.shape} with {made.bits} bits, but {config.data.name} has "
            f"{tuple(shape)} with {bits}; set data.size, data.crop, data.channels and data.bits, or name other data"
        )


def _about_data(config: RunConfig, imported: Mapping[str, Any], folder: Path) -> str:
    data, split, tested = config.data, config.evaluate.split, imported.get("tested", "")
    if data.name in KNOWN:
        return f"data: {data.name}; protocol {config.evaluate.protocol} (other data: import it with --data.name)"
    if held_out(data, split):
        return f"data: {data.path}; the model was probably trained on what is drawn from it: compare no number of them"
    if data.name != "folder":
        return f"data: {data.path}, whose part {split} has to be {tested or UNSEEN}"
    unknown = "not known from the file (--data.name NAME for a known set)" if data.path == YOUR_FOLDER else data.path
    return f"data: {unknown}; to evaluate, {layout(split, tested)}: hvae evaluate {folder} --data.path FOLDER"


def origin(source: Source, file: Path, digest: str) -> dict[str, Any]:
    """Where the weights are from.  Raises HvaeError when the file is not the published one of that name."""
    entry = source.entry
    if entry is not None and entry.sha256 not in (None, digest):
        raise HvaeError(
            f"{file} has sha256 {digest}, but {entry.name} was published with {entry.sha256}; fetch it again"
        )
    known = ("name", "code", "address", "licence", "data", "tested", "split", "expected", "protocol", "note")
    facts = {key: getattr(entry, key) for key in known} if entry is not None else {}
    return {**facts, "file": file.name, "bytes": file.stat().st_size, "sha256": digest}


def _about(imported: Mapping[str, Any]) -> str:
    where = f" on {imported['tested']}" if imported.get("tested") else ""
    stated = f"; stated: {imported['expected']}{where}" if imported.get("expected") else ""
    return f"{imported['file']} has sha256 {imported['sha256']} (kept in {PROVENANCE}){stated}"


def record(imported: Mapping[str, Any], parameters: int) -> dict[str, Any]:
    """provenance.json of a run that was not trained here."""
    return {
        "hvae": __version__,
        "packages": packages(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": machine(),
        "started": now(),
        "commands": [command()],
        "parameters": parameters,
        "imported": dict(imported),
        "data": {},
        "training": None,
    }
