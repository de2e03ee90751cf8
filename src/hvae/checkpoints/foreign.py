"""Safe reading of foreign PyTorch files: tensors, plain values and parsed arguments, without executing anything.

A pickle is a program: it may name any function of any installed package and call it.  Three fences stand before it:

1. every name in the file is looked for before anything is built, and one that is not on the list below ends it;
2. objects are built by the weights-only reader of `torch.load`, which accepts no other names either;
3. the sizes that an archive declares are compared with the file, so that a small file cannot ask for a large memory.
"""

from __future__ import annotations

import mmap
import pickletools
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvae.checkpoints.mapping import some
from hvae.errors import HvaeError

KINDS = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
NAMES = frozenset(
    (
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        *(f"torch {kind}Storage" for kind in KINDS),
        "torch Size",
        "_codecs encode",
        "argparse Namespace",
        "numpy dtype",
        "numpy.core.multiarray scalar",
        "numpy._core.multiarray scalar",
    )
)
"""All that a pickle may name.  The last four are read as our own inert stand-ins below."""

LEGACY_PICKLES = 5
"""A file of before PyTorch 1.6: a magic number, a version, the machine, the content, the keys of the storages."""

_SHARING = 4


class Arguments(dict[str, Any]):
    """Replacement for `argparse.Namespace`: a plain dict of a command's arguments."""

    def __setstate__(self, values: Mapping[str, Any]) -> None:
        self.update(values)


class _Type:
    """Replacement for `numpy.dtype`: its letter and byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


_CODES = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b"}
_CODES |= {"u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?"}


def _scalar(kind: _Type, raw: bytes) -> float | int | bool:
    """Replacement for numpy's scalar constructor: the number itself."""
    value: float | int | bool = struct.unpack(kind.order + _CODES[kind.code], raw)[0]
    return value


_STAND_INS: list[Any] = [
    (Arguments, "argparse.Namespace"),
    (_Type, "numpy.dtype"),
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
]


def read(path: str | Path) -> Any:
    """What a file of `torch.save` holds: dicts, lists, numbers, texts, tensors on the CPU, and `Arguments`.

    Both forms are read, the zip archive and the older chain of pickles.  Tensors of an archive stay in the file until
    they are used: unused ones, such as the optimiser's, cost no memory.

    Raises HvaeError when the file is missing, of another kind, cut short, or names anything that could run code.
    """
    path = Path(path)
    if not path.is_file():
        raise HvaeError(f"no file at {path}; expected weights saved by PyTorch, such as model.th or checkpoint.pt")
    head = _head(path)
    archive = head.startswith(b"PK")
    if not archive and not head.startswith(b"\x80"):
        raise HvaeError(f"{path}: expected a file saved by PyTorch, found {_kind(head)}")
    _check_names(path, _names_in_archive(path) if archive else _names_in_chain(path))
    content = _loaded(path, archive)
    _check_sizes(path, content)
    return content


def tensors(content: Any, path: Path, what: str) -> dict[str, Tensor]:
    """A dict of tensors by name; `what` names the expected source.  Raises HvaeError for anything else."""
    if isinstance(content, Mapping) and content and all(isinstance(v, Tensor) for v in content.values()):
        return {str(name): value.detach() for name, value in content.items()}
    raise HvaeError(f"{path}: expected {what}, found {describe(content)}")


def describe(content: Any) -> str:
    """The content of a file in a few words.

    >>> describe({"epoch": 3, "state_dict": {}})
    'a dict of epoch, state_dict'
    """
    if isinstance(content, Mapping):
        return f"a dict of {some(map(str, content))}" if content else "an empty dict"
    return f"one {type(content).__name__}"


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as f:
            return f.read(64)
    except OSError as fault:
        raise HvaeError(f"cannot read {path}: {fault.strerror}; see its permissions") from fault


def _kind(head: bytes) -> str:
    """The kind of a file by its first bytes."""
    text = head.lstrip().lower()
    kinds = {
        b"<!doctype": "a web page (the download needs a browser)",
        b"<html": "a web page (the download needs a browser)",
        b"\x1f\x8b": "a gzip file; unpack it first",
        b"\x89hdf": "an HDF5 file",
    }
    if not head.strip(b"\0"):
        return "an empty file"
    if head[8:9] == b"{":
        return "a safetensors file; hvae load and hvae evaluate take those that hvae has written"
    return next((kind for magic, kind in kinds.items() if text.startswith(magic)), "something else")


def _names_in_archive(path: Path) -> Iterable[str]:
    """The names in the pickle of an archive whose every entry lies plain and whole in the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            broken = archive.testzip() if not _oversized(path, entries) else "its list of contents"
            if broken:
                raise HvaeError(f"{path} is damaged: {broken} is not what the archive says; fetch the file again")
            programs = [e.filename for e in entries if e.filename.rpartition("/")[2] == "data.pkl"]
            if len(programs) != 1:
                raise HvaeError(f"{path}: expected a file saved by PyTorch, found an archive of {_listed(entries)}")
            return list(_names(BytesIO(archive.read(programs[0]))))
    except HvaeError:
        raise
    except Exception as fault:  # An archive can be damaged in ways that its reader does not foresee.
        raise _damaged(path, fault) from fault


def _listed(entries: list[zipfile.ZipInfo]) -> str:
    return some(entry.filename for entry in entries) or "nothing"


def _oversized(path: Path, entries: list[zipfile.ZipInfo]) -> bool:
    """Whether an archive claims more than it holds.  PyTorch never compresses: what does would grow when read."""
    plain = all(e.compress_type == zipfile.ZIP_STORED and e.file_size == e.compress_size for e in entries)
    return not plain or sum(e.file_size for e in entries) > path.stat().st_size


def _names_in_chain(path: Path) -> Iterator[str]:
    """The names in the pickles with which an older file begins, each before what follows it is looked at.

    So a file with code is told from a damaged one also where it holds fewer pickles than PyTorch writes.
    """
    try:
        # Mapped, since a pickle may declare a text longer than any memory: a map reads no further than the file.
        with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as stream:
            for _ in range(LEGACY_PICKLES):
                yield from _names(stream)
    except Exception as fault:  # Bytes that are no pickle can fail in any way.
        raise _damaged(path, fault) from fault


def _names(stream: Any) -> Iterator[str]:
    """Every name in one pickle, without building anything of it.

    >>> import pickle
    >>> [next(_names(BytesIO(pickle.dumps(print, protocol=protocol)))) for protocol in (2, 4)]
    ['__builtin__ print', 'builtins.print (STACK_GLOBAL)']
    """
    texts = ["", ""]
    for code, argument, _ in pickletools.genops(stream):
        if isinstance(argument, str):
            texts = [texts[1], argument]
        if code.name in ("GLOBAL", "INST"):
            yield str(argument)
        elif code.name in ("STACK_GLOBAL", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"):
            # torch.save writes none of these: they name by way of the stack, of which the last two texts are a guess.
            yield f"{_printed('.'.join(texts)) if code.name == 'STACK_GLOBAL' else 'something hidden'} ({code.name})"


def _printed(text: str) -> str:
    """A text of a stranger's file, on one line and not too long."""
    return text.encode("unicode_escape").decode()[:80]


def _check_names(path: Path, names: Iterable[str]) -> None:
    for name in names:
        if name not in NAMES:
            text = name if name.endswith(")") else name.replace(" ", ".")
            raise HvaeError(
                f"{path} names {text}, which would run when it is loaded: expected tensors and plain values only; "
                "nothing was run; ask for its state_dict() alone"
            )


def _loaded(path: Path, archive: bool) -> Any:
    try:
        with torch.serialization.safe_globals(_STAND_INS):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except Exception as fault:  # A damaged file can make the reader fail in any way.
        raise _damaged(path, fault) from fault


def _damaged(path: Path, fault: Exception) -> HvaeError:
    why = (str(fault).strip() or type(fault).__name__).splitlines()[0][:120]
    return HvaeError(f"{path} is damaged or cut short ({why}); expected a whole file saved by PyTorch: fetch it again")


def _check_sizes(path: Path, content: Any) -> None:
    """Raises HvaeError when the tensors are larger than their file: a view can repeat one number without end."""
    size = sum(t.numel() * t.element_size() for t in _leaves(path, content))
    if size > _SHARING * path.stat().st_size:
        raise HvaeError(f"{path} declares {size:,} bytes of tensors but has {path.stat().st_size:,}; it is not genuine")


def _leaves(path: Path, content: Any) -> Iterable[Tensor]:
    pending, visits = [content], set[int]()
    while pending:
        item = pending.pop()
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, (Mapping, list, tuple, set)) and id(item) not in visits:
            # Lists may hold themselves, and one list may stand in a thousand places.
            visits.add(id(item))
            pending.extend(item.values() if isinstance(item, Mapping) else item)
