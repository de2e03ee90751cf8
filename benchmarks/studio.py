"""The studio: milliseconds of server time from a slider to pictures, beside the bare walk of the same model.

    python benchmarks/studio.py RUN [--pictures 6] [--rounds 40]

Sides alternate in one process on one thread, medians are shown, and times are those of the processor, which others on
the machine lengthen little.  `walk` is one walk from the prior and the mean of its likelihood; `draw` the work of the
desk: the question read, the walk with its seeds, the pixels packed; `request` that of the whole process, server and
client together.  `each level` walks a row a level, and is measured against a bare walk of as many rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from starlette.testclient import TestClient

from hvae.config.parse import read
from hvae.draw import prior
from hvae.studio.app import Studio
from hvae.studio.asked import plain_json
from hvae.studio.guard import Pass
from hvae.studio.shown import Shown
from hvae.studio.views import VIEWS
from hvae.walk import run, still


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("run")
    words.add_argument("--pictures", type=int, default=6)
    words.add_argument("--rounds", type=int, default=40)
    args = words.parse_args()
    torch.set_num_threads(1)
    subject = Shown(0, args.run)
    model, names, ours = subject.opened.model, subject.opened.grid.names, Pass(8760)
    studio = Studio([subject])
    studio.desk.beside()
    client = TestClient(studio.app(ours), base_url="http://127.0.0.1:8760")
    client.get(f"/enter?token={ours.token}")

    def walk(rows: int) -> None:
        with still(model, seed=0):
            model.picture(run(model, prior(), n=rows)).clamp(0, 1)

    def question(each: bool) -> bytes:
        seeds = {name: [1000 * i + j for j in range(args.pictures)] for i, name in enumerate(names)}
        return json.dumps({"seeds": seeds, "temperature": dict.fromkeys(names, 0.8), "each": each}).encode()

    def draw(each: bool) -> None:
        VIEWS["draw"].answer(subject, read(VIEWS["draw"].asked, plain_json(question(each)))).pack()

    def request(each: bool) -> None:
        answer = client.post("/api/draw", content=question(each), headers={"content-type": "application/json"})
        assert answer.status_code == 200, answer.text

    rows = {"pictures": args.pictures, "each level": args.pictures * len(names)}
    times: dict[str, list[float]] = {}
    for number in range(args.rounds + 5):
        for name, count in rows.items():
            each = name == "each level"
            values = {
                "walk": spent(lambda count=count: walk(count), time.thread_time),  # type: ignore[misc]
                "draw": spent(lambda each=each: draw(each), time.thread_time),  # type: ignore[misc]
                "request": spent(lambda each=each: request(each), time.process_time),  # type: ignore[misc]
            }
            for what, value in values.items():
                times.setdefault(f"{name}: {what}", []).extend([value] * (number >= 5))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name in rows:
        walked, draws, whole = (medians[f"{name}: {what}"] for what in ("walk", "draw", "request"))
        print(f"{name:<11} walk {walked:6.1f} ms   draw {draws:6.1f} ms   request {whole:6.1f} ms   ", end="")
        print(f"draw / walk {draws / walked:.2f}")


def spent(work: Callable[[], None], clock: Callable[[], float]) -> float:
    """Milliseconds of a clock."""
    began = clock()
    work()
    return 1000 * (clock() - began)


if __name__ == "__main__":
    main()
