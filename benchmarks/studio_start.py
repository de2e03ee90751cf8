"""How long a studio takes from its command to the first pictures of its page, without the browser's own time.

    python benchmarks/studio_start.py [RUN] [--rounds 3]

Of each round two starts of `hvae studio RUN --no-browser`: one that is stopped when it says its address, one when its
page, its runs and six pictures of each level have been fetched.  Medians, by the clock and of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.cookiejar import CookieJar
from statistics import median
from typing import Any
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

PICTURES = 6


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("run", nargs="?", default="digits")
    words.add_argument("--rounds", type=int, default=3)
    args = words.parse_args()
    rounds = [(started(args.run, False), started(args.run, True)) for _ in range(args.rounds)]
    for name, side in (("its address is said", 0), ("the first pictures", 1)):
        clock, processor = (median(one[side][i] for one in rounds) for i in (0, 1))
        print(f"until {name:<20} {clock:6.2f} s by the clock, {processor:6.2f} s of the processor")


def started(run: str, with_pictures: bool) -> tuple[float, float]:
    """Seconds of one start, by the clock and of its processor."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "hvae", "studio", run, "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    address = next(addresses(server))
    if with_pictures:
        fetch(address)
    seconds = time.perf_counter() - began
    server.send_signal(signal.SIGINT)
    usage = os.wait4(server.pid, 0)[2]
    return seconds, usage.ru_utime + usage.ru_stime


def addresses(server: subprocess.Popen[str]) -> Iterator[str]:
    """What the studio says of where it is."""
    for line in server.stdout or ():
        yield from re.findall(r"http://\S+", line)
    raise SystemExit("the studio ended without an address")


def fetch(address: str) -> None:
    """What a page asks for when it is opened."""
    client, place = build_opener(HTTPCookieProcessor(CookieJar())), address.partition("/enter")[0]
    client.open(address).read()
    (run,) = json.loads(client.open(f"{place}/api/runs").read())["runs"]
    draw(client, place, [level["name"] for level in run["levels"]])


def draw(client: OpenerDirector, place: str, names: list[str]) -> bytes:
    """Six pictures after each level."""
    seeds = {name: list(range(i * PICTURES, (i + 1) * PICTURES)) for i, name in enumerate(names)}
    question = json.dumps({"seeds": seeds, "each": True}).encode()
    heads = {"content-type": "application/json", "origin": place}
    answer: Any = client.open(Request(f"{place}/api/draw", question, heads)).read()
    return bytes(answer)


if __name__ == "__main__":
    main()
