"""The addresses of the studio, and what answers them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hvae import __version__
from hvae.config.parse import read
from hvae.errors import HvaeError, short, unknown
from hvae.studio.answer import warned
from hvae.studio.asked import plain_json
from hvae.studio.desk import Busy, Desk, Reading, Stale
from hvae.studio.guard import Guard, Pass, TooLarge
from hvae.studio.shown import Shown
from hvae.studio.views import VIEWS
from hvae.studio.views.latents import LATENTS
from hvae.studio.views.own import upload

PAGE = Path(__file__).parent / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
log = logging.getLogger("hvae.studio")

T = TypeVar("T")


class Studio:
    """The runs that are shown, and the desk where questions about them are answered."""

    def __init__(self, runs: Sequence[Shown], trust: Sequence[str] = ()) -> None:
        self.runs, self.desk = tuple(runs), Desk(trust)
        self.files = {f"/{path.name}": path.read_bytes() for path in PAGE.iterdir() if path.suffix in KINDS}

    def app(self, ours: Pass) -> ASGIApp:
        """The application of one start, behind its guard."""
        routes = [
            Route("/", self.page),
            *(Route(name, self.page) for name in self.files),
            Route("/api/runs", self.about),
            Route("/api/upload", self.upload, methods=["POST"]),
            Route("/api/latents/{view}", self.latents, methods=["POST"]),
            Route("/api/{view}", self.view, methods=["POST"]),
        ]
        faults = {HTTPException: _nowhere, HvaeError: _refused, Stale: _stale, Exception: _broken, MemoryError: _full}
        return Guard(Starlette(routes=routes, exception_handlers=faults), ours)  # type: ignore[arg-type]

    async def page(self, request: Request) -> Response:
        """A file of the page: one of those that were read at the start, whatever is asked for."""
        name = request.url.path if request.url.path != "/" else "/index.html"
        return Response(self.files[name], media_type=KINDS[Path(name).suffix])

    async def about(self, request: Request) -> Response:
        """The runs."""
        runs = await self._timed(request, "runs", lambda: [one.about() for one in self.runs])
        return JSONResponse({"version": __version__, "runs": runs[0]})

    async def view(self, request: Request) -> Response:
        """The answer of a view."""
        name = request.path_params["view"]
        if name not in VIEWS:
            raise unknown("view", name, VIEWS)
        view, body = VIEWS[name], await _body(request, "application/json")
        question = read(view.asked, plain_json(body), "")
        subject = self._run(question.run)
        try:
            answer, spent = await self._timed(
                request, name, lambda: warned(lambda: view.answer(subject, question)).pack()
            )
        except Reading:
            self._read_normal(subject)
            raise
        return _bytes(answer, spent)

    async def latents(self, request: Request) -> Response:
        """The latents of what a view shows, as a file that `hvae decode` reads."""
        name = request.path_params["view"]
        if name not in LATENTS:
            raise unknown("view with latents", name, LATENTS)
        question = read(VIEWS[name].asked, plain_json(await _body(request, "application/json")), "")
        subject = self._run(question.run)
        content, spent = await self._timed(request, f"latents/{name}", lambda: LATENTS[name](subject.opened, question))
        return _bytes(content, spent)

    async def upload(self, request: Request) -> Response:
        """A picture file, as the page keeps it."""
        number = request.query_params.get("run", "0")
        subject = self._run(int(number) if number.isdecimal() and len(number) < 5 else -1)
        content = await _body(request, "application/octet-stream")
        answer, spent = await self._timed(request, "upload", lambda: upload(subject.opened, content).pack())
        return _bytes(answer, spent)

    def _run(self, place: int) -> Shown:
        if not 0 <= place < len(self.runs):
            raise HvaeError(f"expected a run from 0 to {len(self.runs) - 1}, got {place}; load the page again")
        return self.runs[place]

    def _read_normal(self, subject: Shown) -> None:
        """Begin to read what is usual for a run when its scores are first asked for."""
        if not (opened := subject.opened).normal.begun:
            opened.normal.begun = True
            self.desk.later(lambda: opened.normal.read(lambda: opened.subject, self.desk.breathe))

    async def _timed(self, request: Request, name: str, work: Callable[[], T]) -> tuple[T, float]:
        """What the work gives, and the milliseconds that it took at the desk."""

        def timed() -> tuple[T, float]:
            began = time.perf_counter()
            return work(), 1000 * (time.perf_counter() - began)

        page = request.headers.get("x-page", "")[:64]
        return await self.desk.ask(f"{page}/{name}" if page else "", timed)


async def _body(request: Request, kind: str) -> bytes:
    """The body.  Raises HvaeError for one of another kind: forms of other sites can send three kinds unasked."""
    got = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if got != kind:
        raise HvaeError(f"expected a body of {kind}, got {got or 'none'}")
    return await request.body()


def _bytes(content: bytes, spent: float) -> Response:
    timing = {"server-timing": f"desk;dur={spent:.1f}"}
    return Response(content, media_type="application/octet-stream", headers=timing)


def _line(status: int, text: str) -> Response:
    return JSONResponse({"error": " ".join(text.split())}, status)


async def _refused(request: Request, fault: Exception) -> Response:
    # What is still being read is no fault: 202, "accepted", which no console lists as an error.
    status = next(
        (code for kind, code in ((TooLarge, 413), (Reading, 202), (Busy, 503)) if isinstance(fault, kind)), 400
    )
    return _line(status, str(fault))


async def _nowhere(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    # Not as it was asked: an address may be longer than any page.
    return _line(fault.status_code, f"{short(request.method)} {short(request.url.path)}: {fault.detail.lower()}")


async def _stale(request: Request, fault: Exception) -> Response:
    return _line(409, "the page has asked something newer")


async def _full(request: Request, fault: Exception) -> Response:
    return _line(507, "not enough memory; ask for fewer or smaller pictures")


async def _broken(request: Request, fault: Exception) -> Response:
    log.error("%s", request.url.path, exc_info=fault)
    return _line(500, f"a fault of the studio, {type(fault).__name__}: its traceback is where hvae studio runs")
