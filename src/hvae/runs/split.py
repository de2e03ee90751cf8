"""The split of a run: which images it is trained, validated and tested on, by the checksums of its provenance."""

from __future__ import annotations

from hvae.descriptions import DataRecord
from hvae.errors import HvaeError

PARTS = ("train", "valid", "test")


def split_changes(before: DataRecord, now: DataRecord) -> list[str]:
    """What of the images is not as it was, by part; records without checksums say nothing.

    >>> sums = {"train": "a", "valid": "b", "test": "c"}
    >>> before = {"sizes": {"train": 48, "valid": 6, "test": 6}, "checksums": sums}
    >>> split_changes(before, {"sizes": {"train": 49, "valid": 6, "test": 6}, "checksums": {**sums, "train": "d"}})
    ['train of 48 images now has 49']
    """
    old, new = before.get("checksums") or {}, now["checksums"]
    return [_change(before, now, part) for part in PARTS if part in old and old[part] != new[part]]


def _change(before: DataRecord, now: DataRecord, part: str) -> str:
    was, count = (record.get("sizes", {}).get(part, "some") for record in (before, now))
    return f"{part} of {was} images now has {count if was != count else 'other ones'}"


def refuse_changes(folder: object, changes: list[str]) -> None:
    """Raises HvaeError where there are any: images that a model was trained on may have moved into its test."""
    if changes:
        raise HvaeError(
            f"the images of {folder} are not those its training began with ({'; '.join(changes)}): give it those, or "
            "add --accept-changed-data, which every later number will say"
        )
