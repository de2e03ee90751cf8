"""What a run folder held before a part of a run began: a part that fails before it has saved anything undoes itself.

Without this a start that is refused late (by a compiler, by a device without memory) would leave a folder that blocks
the corrected command, and a resumed run would repeat the fault from the configuration that was written for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hvae.files import replacing


class FolderState:
    """Some files of a folder as they are now: small ones with their content, of `large` ones whether they are there.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a").write_text("before")
    >>> state = FolderState(folder, small=("a", "b"), large=("c",))
    >>> for name in ("a", "b", "c"):
    ...     _ = (folder / name).write_text("after")
    >>> state.restore()
    >>> [(path.name, path.read_text()) for path in folder.iterdir()]
    [('a', 'before')]
    """

    def __init__(self, folder: Path, small: Iterable[str], large: Iterable[str]) -> None:
        self.contents = {path: path.read_bytes() if path.is_file() else None for path in map(folder.joinpath, small)}
        self.missing = [path for path in map(folder.joinpath, large) if not path.exists()]

    def restore(self) -> None:
        """Give the small files their content again and remove what was not there; other files stay as they are."""
        for path in [*self.missing, *(path for path, content in self.contents.items() if content is None)]:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        for path, content in self.contents.items():
            if content is not None and path.parent.is_dir():
                with replacing(path) as temporary:
                    temporary.write_bytes(content)
