"""Whether the images of a configuration are where it says, before any of them is read."""

from __future__ import annotations

from pathlib import Path

from hvae.config.data import KNOWN, DataConfig
from hvae.data.lookup import check_known
from hvae.errors import HvaeError
from hvae.files import expanded, resolved
from hvae.picturefolders import SUFFIXES, listed

ARRAYS = {".npy": "npy", ".npz": "npy", ".gz": "idx", "": "idx", ".csv": "table", ".parquet": "table"}
"""The reader of an array file by the ending of its name."""
PRESETS = {"folder": "photos-small or greyscale-small", "npy": "arrays", "idx": "arrays", "table": "table"}
"""What trains on the images of each reader."""
WHAT = {
    "folder": "a folder of images",
    "npy": "an .npy or .npz file, or a folder of them",
    "idx": "IDX files",
    "table": "a .csv or .parquet file",
}
HELD = {"npy": ".npy", "idx": "idx", "table": ".csv"}
"""What the name of a file holds in a folder that is read whole."""


def reader_of(path: Path) -> str:
    """How a file or folder of the user's is read, as `data.name` has it: folder, npy or idx; empty for other files.

    A folder is one of arrays if it holds some and no picture; one picture is a folder of one.
    """
    if not path.is_dir():
        return "folder" if path.suffix.lower() in SUFFIXES else ARRAYS.get(path.suffix.lower(), "")
    names = sorted(file.name.lower() for file in path.iterdir() if not file.name.startswith("."))
    arrays = ["npy" if name.endswith(".npy") else "idx" for name in names if name.endswith(".npy") or "-idx" in name]
    return arrays[0] if arrays and not listed(path).files else "folder"


def check_there(config: DataConfig) -> None:
    """Raises HvaeError where no look into the images is needed to know that they cannot be read: nothing is at their
    place, or what is there is read by another reader.  What the network may bring counts as there."""
    if config.name in KNOWN:
        check_known(config)
    elif config.name in WHAT:
        there(config)


def there(config: DataConfig) -> Path:
    """The file or folder of a user's images.  Raises HvaeError where there is none, or one for another reader."""
    path = expanded(config.path)
    if not path.exists():
        what = "folder" if config.name == "folder" else "file or folder"
        raise HvaeError(f"data.path={config.path}: no such {what} (looked in {resolved(path)})")
    better = _better(config.name, path)
    if better == config.name:
        return path
    got = WHAT.get(better, "a folder without any" if path.is_dir() else "a file")
    got = "a picture" if better == "folder" and path.is_file() else got
    advice = "name another place"
    if better:
        advice = f"set --data.name {better}, or take the preset {PRESETS[better]}"
    raise HvaeError(f"data.path={config.path}: expected {WHAT[config.name]}, got {got}; {advice}")


def _better(name: str, path: Path) -> str:
    """The reader that a place is for: this one wherever it may be right, another, or empty for none."""
    if not path.is_dir():
        suffix = path.suffix.lower()
        other = "folder" if suffix in SUFFIXES else ARRAYS.get(suffix, "") if suffix else ""
        return other if other or name == "folder" else name
    if name != "folder":
        is_data_set = any(HELD[name] in file.name.lower() for file in path.iterdir() if not file.name.startswith("."))
        return name if is_data_set else "folder" if listed(path).files else ""
    # A folder without anything is told from one of pictures when it is read.
    return reader_of(path)
