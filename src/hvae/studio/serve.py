"""The start of a studio: runs opened, a port taken, a browser sent there, questions answered until it is stopped."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.errors import HvaeError, missing_extra
from hvae.study.progress import Tell, silent

if TYPE_CHECKING:
    import uvicorn

    from hvae.checkpoints import LoadedRun
    from hvae.studio.desk import Desk

HOST, PORT, TRIES = "127.0.0.1", 8760, 100
FIRST = "digits"
"""The packaged model that is shown where no run is named."""


def studio(
    runs: Sequence[str | Path | LoadedRun] = (),
    *,
    port: int = PORT,
    browser: bool = True,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    tell: Tell = silent,
) -> None:
    """Show runs on a page of this machine until it is interrupted.

    Arguments: `runs`, folders, or what `hvae.load` gives (none: a packaged model); `port`, the first that is tried, and
    the next ones where it is taken; `browser`, open one; `overrides`, keys of where the data and the model are, as in
    {"data.root": "sets"}; `trust`, packages whose code the runs may name; `tell`, hears the address.

    Raises HvaeError for a folder that is not a run, where the extra `studio` is missing, and where no port is free.
    """
    try:
        import starlette  # noqa: F401, looked for before anything takes time
        import uvicorn
    except ImportError as fault:
        raise missing_extra(fault.name or "starlette", "studio") from fault
    from hvae.studio.app import Studio
    from hvae.studio.guard import ENTER, Pass
    from hvae.studio.shown import Shown

    subjects = [Shown(place, run, overrides, trust) for place, run in enumerate(runs or _first(tell))]
    with _listening(port) as door:
        ours = Pass(door.getsockname()[1])
        address = f"http://{HOST}:{ours.port}{ENTER}?token={ours.token}"
        tell(f"studio: {address} (Ctrl-C stops it)")
        page = Studio(subjects, trust)
        # No grace: an answer that is half way when the studio stops has nobody to read it.
        config = uvicorn.Config(
            page.app(ours),
            log_level="critical",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=0,
        )
        if browser:
            _open(address)
        _serve(uvicorn.Server(config), door, page.desk)


def _serve(server: uvicorn.Server, door: socket.socket, desk: Desk) -> None:
    """Answer until one of the two ends: the server in a thread, the models in this one, which an interrupt reaches."""

    def answer() -> None:
        try:
            server.run(sockets=[door])
        finally:
            desk.close()

    side = threading.Thread(target=answer, name="hvae studio server", daemon=True)
    side.start()
    try:
        desk.work()
    finally:
        server.should_exit = True
        side.join()


def _first(tell: Tell) -> Sequence[str]:
    tell(f"no run is named: this is {FIRST}, which comes with the library; yours is shown by hvae studio RUN")
    return (FIRST,)


def _listening(port: int) -> socket.socket:
    """A socket at the first free port from this one on, of this machine alone."""
    for one in range(port, min(port + TRIES, 1 << 16)):
        door = socket.socket()
        # Taken again at once after a stop; a port where somebody listens stays taken.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((HOST, one))
            door.listen(128)
            return door
        except OSError:
            door.close()
    raise HvaeError(f"no port from {port} to {port + TRIES - 1} is free; name another one with --port")


def _open(address: str) -> None:
    """Send a browser there; where there is none, the address is printed anyway."""
    import webbrowser

    # A browser of the terminal would hold the server up.
    threading.Thread(target=lambda: webbrowser.open(address), daemon=True).start()
