"""What `make bench` measures: every pair of `pairs.py` in alternation, and how cost grows (`curves.py`).

    python benchmarks/bench.py [NAME ...] [--rounds 9] [--threads 1 2] [--out bench.json] [--busy] [--curves]

NAME is the beginning of the names of pairs (`--list`); all without.  The sides of a pair run in processes of their
own, which take turns; processor time and wall time of every round are in the file `--out`, with the peak memory of each
side and the cores that other processes used in each round.  The table shows medians, the quartiles of the ratio round
by round, and how many rounds lie far from the others.  A ratio above 1 means that ours is faster.

A machine that other processes use is refused: numbers of it say more of them.  `--busy` measures all the same, and the
table says how busy it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

import torch
from alternating import Result, measure, others
from curves import CURVES, Curve, trace
from pairs import pairs

QUIET = 0.15
"""Cores that other processes may use on a machine that counts as quiet."""


def refuse_noise(allowed: bool) -> float:
    """The cores in use by others; raises SystemExit when they are more than a quiet machine has."""
    noise = others()
    if noise > QUIET and not allowed:
        raise SystemExit(
            f"other processes use {noise:.2f} of {os.cpu_count()} cores: expected at most {QUIET}; stop them, or "
            "measure all the same with --busy"
        )
    return noise


def line(result: Result) -> str:
    low, middle, high = result.ratios("cpu")
    cells = [f"{result.name:<34}", f"{result.threads}"]
    cells += [f"{1e3 * result.median(side, 'cpu'):10.2f} ms" for side in ("ours", "theirs")]
    cells += [f"{middle:6.3f} [{low:.3f}, {high:.3f}]", f"{result.ratios('wall')[1]:6.3f}", f"{result.aim:5.2f}"]
    memory = result.peak["theirs"] / max(result.peak["ours"], 1)
    cells += [f"{memory:6.2f}", f"{result.outliers('cpu'):3d}", f"{result.others():5.2f}"]
    return "  ".join(cells)


HEADER = (
    f"{'pair':<34}  t {'ours, CPU':>13} {'theirs, CPU':>14}  {'theirs / ours, CPU':>22}  {'wall':>6}  {'aim':>5}  "
    f"{'memory':>6}  out  others"
)


def machine() -> dict[str, object]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def show(curve: Curve) -> None:
    for what in ("seconds", "bytes"):
        values = ", ".join(f"{p.size:,}: {getattr(p, what):.3g}" for p in curve.points)
        print(f"{curve.name:<12} {what:<8} exponent {curve.exponent(what):.2f}   {values}", flush=True)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("--busy", action="store_true", help="measure on a machine that others use")
    parser.add_argument("--curves", action="store_true", help="how cost grows with depth, batch and resolution")
    parser.add_argument("--list", action="store_true", help="the names of the pairs")
    for name in ("vdvae", "nvae", "biva"):
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER", help=f"a clone of the released code of {name}")
    return parser.parse_args()


def main() -> None:
    args = parsed()
    every = pairs({"vdvae": args.vdvae, "nvae": args.nvae, "biva": args.biva})
    some = [pair for pair in every if not args.names or pair.name.startswith(tuple(args.names))]
    if args.list or not some:
        print("\n".join(pair.name for pair in every))
        raise SystemExit(0 if args.list else f"no pair begins with {' or '.join(args.names)}")
    if args.rounds < 9:
        raise SystemExit(f"expected at least 9 rounds, got {args.rounds}: the spread of fewer says nothing")
    noise = refuse_noise(args.busy)
    print(f"others use {noise:.2f} of {os.cpu_count()} cores; {args.rounds} rounds\n{HEADER}", flush=True)
    results, curves = [], []
    for pair in some:
        for threads in args.threads:
            results.append(measure(pair, threads, args.rounds))
            print(line(results[-1]), flush=True)
    for name in CURVES if args.curves else ():
        curves.append(trace(name))
        show(curves[-1])
    record = {"machine": machine(), "others": noise, "rounds": args.rounds}
    record |= {"pairs": [r.as_json() for r in results], "curves": [c.as_json() for c in curves]}
    args.out.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
