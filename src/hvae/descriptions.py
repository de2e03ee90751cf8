"""What is stored beside weights, key by key: the description inside a weights file, provenance.json and card.json.

Both are JSON, read with its bounds and forms (`hvae.records`); these types name the keys that the rest relies on.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from hvae.records import JSON


class DataRecord(TypedDict, total=False):
    """The identity of a data set, as `hvae.data.Provenance.to_dict` gives it; empty where it is unknown."""

    name: str
    source: str
    sizes: dict[str, int]
    checksums: dict[str, str]
    bits: int
    shape: list[int]
    binarisation: str
    version: str
    transforms: list[str]
    tally: JSON
    sequences: JSON
    """The form of sequences; absent for images."""
    columns: dict[str, JSON | list[float]]
    """Of a table, what each column holds: its range, {"whole": range} or {"names": names}; absent for other data."""
    captions: JSON
    """What the tokens of captions stand for; absent where there are no captions."""


class Origin(TypedDict):
    """The file that imported weights come from; with a name, the published entry it is."""

    file: str
    bytes: int
    sha256: str
    name: NotRequired[str]
    code: NotRequired[str]
    data: NotRequired[str]
    expected: NotRequired[str]
    protocol: NotRequired[str]
    address: NotRequired[str | None]
    licence: NotRequired[str | None]
    tested: NotRequired[str | None]
    split: NotRequired[str | None]
    note: NotRequired[str | None]


class Description(TypedDict):
    """What makes a weights file loadable: the configuration, the form of the data, and where both come from."""

    config: JSON
    shape: list[int]
    bits: int
    data: DataRecord
    step: NotRequired[int]
    """Steps of training behind the weights; training adds it."""
    data_changes: NotRequired[list[str]]
    """Accepted changes of the images since training began."""
    classes: NotRequired[list[str]]
    """Names of the classes of a condition, in the order of their numbers, where the data name them."""
    imported: NotRequired[Origin]


class Machine(TypedDict):
    """The hardware of a run."""

    cpu: str
    cores: int | None
    threads: int
    gpus: list[str]


class Pulled(TypedDict):
    """Where a run was pulled from: a repository at one of its revisions, or a packaged model of a version of hvae."""

    source: str
    revision: str
    sha256: str
    """Of its weights file."""


class RunRecord(TypedDict, total=False):
    """provenance.json of a run folder: code, machine, commands, data and training; empty where there is no file."""

    hvae: str
    packages: dict[str, str]
    python: str
    platform: str
    machine: Machine
    started: str
    finished: str
    commands: list[str]
    seed: int
    parameters: int | None
    data: DataRecord
    data_changes: list[str]
    training: JSON | None
    imported: Origin
    pulled: Pulled


class Seal(TypedDict):
    """What a file is known by."""

    sha256: str
    bytes: int


class Licensed(TypedDict):
    """The data of a card."""

    name: str
    licence: str


class Figure(TypedDict):
    """A number of a card, in the words in which an evaluation says what it is of."""

    name: str
    value: str
    note: str


class Card(TypedDict, total=False):
    """card.json of a run that is given away, whose form is `hvae.pretrained.FACTS`; empty where there is no file."""

    name: str
    about: str
    family: str
    levels: list[str]
    parameters: int
    shape: list[int]
    bits: int
    data: Licensed
    licence: str
    commands: list[str] | None
    seed: int | None
    hvae: str | None
    step: int | None
    seconds: float | None
    """Of training."""
    machine: Machine | None
    headline: str
    numbers: list[Figure]
    conclusion: str
    limits: list[str]
    precision: str
    bytes: int
    """Of the weights file."""
    files: dict[str, Seal]
