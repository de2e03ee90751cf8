"""What a run says of its user's machine, taken out before the run is given away.

Known keys are set to what they are without a user (`data.root`), commands lose the options that name places, and in all
other text absolute paths, upward ones, and the names of user and machine give way to a word that stands for them.
"""

from __future__ import annotations

import getpass
import re
import shlex
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hvae.config.data import KNOWN
from hvae.config.presets import PRESETS
from hvae.config.presets.preset import YOUR_FILE, YOUR_FOLDER
from hvae.descriptions import DataRecord, Description, RunRecord
from hvae.files import expanded
from hvae.records import JSON
from hvae.runs.provenance import retyped

PLACE, SOMEBODY = "PLACE", "NAME"
_PATHS = re.compile(
    r"""file://[^\s'"]*                                    # an address of a file
    | (?<![A-Za-z])[A-Za-z]:[\\/][^\s'",;]*                # C:\\...
    | \\\\[\w.-]+\\[^\s'",;]*                              # \\\\server\\...
    | (?<![\w.:/)\]~])(?:~\w*)?/[A-Za-z_.][^\s'",;:)\]]*   # /..., ~/..., ~name/...
    | (?<![\w./])\.{1,2}/[^\s'",;:)\]]*                    # ./... and ../...
    """,
    re.VERBOSE,
)
_COMMON = {"root", "user", "admin", "localhost", "hvae", "runner", "ubuntu", "main"}
"""Names of users and machines that tell nothing of them, and are words of a record."""
_DROPPED = (
    *("--data.root", "--data.attributes", "--data.captions", "--evaluate.factors", "--evaluate.features"),
    *("--out", "-o", "--trust"),
)
_STANDS = {"--data.path": YOUR_FOLDER, "--train.init": "RUN"}
_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_PRIVATE = {"data": ("root", "attributes", "captions"), "train": ("init",), "evaluate": ("factors",)}
"""Keys of a configuration that hold places, by section; `data.path` and `evaluate.features` may hold others too."""
_DESCRIBED = ("config", "shape", "bits", "data", "step", "classes", "data_changes", "imported")
_KEPT = ("hvae", "packages", "python", "machine", "started", "finished", "seed", "parameters", "training", "pulled")


@dataclass(frozen=True)
class Scrubber:
    """Takes paths and names out of texts and records; `places` are those that this run knows, however they look."""

    places: tuple[str, ...] = ()
    people: tuple[str, ...] = ()

    def text(self, text: str) -> str:
        """The text with a word in the place of each path and each name.

        >>> Scrubber(("/data/my sets",), ("alice",)).text("read /data/my sets/a.png, ~/b and train/test by alice")
        'read PLACE/a.png, PLACE and train/test by NAME'
        """
        text = self.unplaced(text)
        for name in self.people:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", SOMEBODY, text)
        return text

    def unplaced(self, text: str) -> str:
        """The text with a word in the place of each path."""
        for place in self.places:
            text = text.replace(place, PLACE)
        return _PATHS.sub(PLACE, text)

    def record(self, value: Any) -> Any:
        """The same for every text of a JSON value; of keys, which may be words of ours, paths alone."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.unplaced(key): self.record(item) for key, item in value.items()}
        return [self.record(item) for item in value] if isinstance(value, list | tuple) else value

    def command(self, words: Sequence[str]) -> str:
        """A command without the options that name places; what it reads is named by what it is.

        >>> Scrubber().command(["hvae", "train", "my/a.yaml", "--data.root=/data", "--train.steps", "9", "-o", "x"])
        'hvae train CONFIG.yaml --train.steps 9'
        """
        return shlex.join(self.text(word) for word in _public(words))

    def data(self, data: DataRecord) -> DataRecord:
        """The identity of a data set without the place it was read from and the names of files."""
        if not data:
            return data
        own = cast(DataRecord, self.record(data))
        kind, of_user, path = data["name"].partition(":")
        own["name"] = f"{kind}:{_stand_in({'name': kind, 'path': path})}" if of_user else kind
        own["source"] = "" if self.text(data["source"]) != data["source"] else data["source"]
        if "tally" in own:
            own["tally"] = {**own["tally"], "bad": []}
        return own

    def config(self, config: JSON) -> JSON:
        """The configuration as somebody else would begin with it."""
        own = {section: dict(values) if isinstance(values, Mapping) else values for section, values in config.items()}
        for section, keys in _PRIVATE.items():
            own.get(section, {}).update(dict.fromkeys(keys, ""))
        data, evaluate = own["data"], own["evaluate"]
        data["path"] = _stand_in(data)
        evaluate["features"] = "" if _is_place(evaluate.get("features", "")) else evaluate.get("features", "")
        return own

    def description(self, description: Description) -> Description:
        """What makes a weights file loadable, and no more."""
        own = {key: self.record(value) for key, value in description.items() if key in _DESCRIBED}
        own["config"] = self.config(description["config"])
        own["data"] = self.data(description["data"])
        return cast(Description, own)

    def provenance(self, record: RunRecord) -> RunRecord:
        """The record of a run: code, kind of machine, commands, data and training."""
        own = {key: self.record(value) for key, value in record.items() if key in (*_KEPT, "data_changes", "imported")}
        commands = retyped(record.get("commands", []))
        kind = str(record.get("platform", "")).partition("-")[0]
        data = self.data(record.get("data", {}))
        lines = [self.command(shlex.split(line)) for line in commands]
        return cast(RunRecord, {**own, "platform": kind, "commands": lines, "data": data})

    def evaluation(self, record: JSON) -> JSON:
        """The numbers of a run."""
        return {**self.record(record), "data": self.data(record["data"])} if record else {}


def scrubber(config: JSON, data: DataRecord, folder: Path) -> Scrubber:
    """One that knows the places of a run, and who works here."""
    values = [config.get(section, {}).get(key, "") for section, keys in _PRIVATE.items() for key in keys]
    source, path = data.get("source", ""), config["data"].get("path", "")
    here = [str(folder.absolute()), str(Path.cwd()), str(expanded("~"))]
    places = {place for place in [*values, *here, *(one for one in (source, path) if _is_place(one))] if len(place) > 3}
    return Scrubber(tuple(sorted(places, key=len, reverse=True)), tuple(_people()))


def _people() -> Iterator[str]:
    with suppress(Exception):  # a machine may lack either
        yield from _telling(getpass.getuser())
    yield from _telling(expanded("~").name)
    with suppress(Exception):
        yield from _telling(socket.gethostname())


def _telling(name: str) -> list[str]:
    return [] if len(name) < 3 or name.lower() in _COMMON else [name]


def _is_place(value: str) -> bool:
    return "/" in value or "\\" in value or value.startswith("~")


def _stand_in(data: JSON) -> str:
    """What stands for a user's own data; a data set of the hub keeps its name, unless it is a folder here."""
    name, path = data["name"], data.get("path", "")
    if name in KNOWN:
        return ""
    if name == "hub" and _HUB.fullmatch(path) and not Path(path).exists():
        return str(path)
    return YOUR_FOLDER if name in ("folder", "sequences", "hub") else YOUR_FILE


def _public(words: Sequence[str]) -> Iterator[str]:
    """The words of a command but places: hvae, the command, a preset, options with their values."""
    rest = iter(words)
    for at, word in enumerate(rest):
        option, equals, value = word.partition("=")
        if option in _DROPPED:
            next(rest, "") if not equals else ""
        elif option in _STANDS:
            text = value if equals else next(rest, "")
            yield from (option, text if option == "--data.path" and _is_of_hub(words, text) else _STANDS[option])
        elif at > 1 and not word.startswith("-") and _is_source(words, word):
            yield "CONFIG.yaml" if word.endswith((".yaml", ".yml")) else "RUN"
        else:
            yield word


def _is_of_hub(words: Sequence[str], path: str) -> bool:
    return not {"hub", "--data.name=hub"}.isdisjoint(words) and bool(_HUB.fullmatch(path)) and not Path(path).exists()


def _is_source(words: Sequence[str], word: str) -> bool:
    """Whether a word that is no option names a file or a folder: no preset, and no value of an option before it."""
    before = words[words.index(word) - 1]
    is_value = before.startswith("-") and "=" not in before and before not in ("--resume", "--json", "--dry-run")
    return not is_value and word not in PRESETS
