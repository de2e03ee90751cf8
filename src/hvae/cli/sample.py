"""hvae sample: pictures from a trained model."""

from __future__ import annotations

from hvae.cli.backends import add_backend
from hvae.cli.context import add_context, contexts
from hvae.cli.parser import SEED, Parser, whole
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted
from hvae.config.bounds import Seed
from hvae.config.parse import typed
from hvae.errors import unknown
from hvae.screen.numbers import counted, output_noun
from hvae.study.placing import ACCELERATOR
from hvae.study.sheets import ENLARGE

ABOUT = (
    "Draw pictures from a trained model and write them side by side into a PNG or JPEG file (or, with a name that ends "
    "in .npy, as numbers); tiny ones are enlarged. A temperature below 1 gives cleaner pictures that are more "
    "alike; each level can have its own. From a run of a table: rows, in the words of its columns. From a run of "
    "sequences: piano rolls (.npz, .wav, .mid), sound (.wav), text or motion, as long as asked for, and going on from "
    "a beginning of yours."
)
OUT = "where to write; .png, .jpg or .npy [RUN/samples.png]; tables: .csv, .parquet or .npy [RUN/samples.csv]; "
OUT += "sequences: .npz, .wav, .mid, .txt or .bvh, by their kind"
EXAMPLES = (
    "hvae sample runs/digits",
    "hvae sample runs/digits -n 64 --temperature 0.8 --temperature.z1 0.5",
    "hvae sample runs/mnist-ladder-class --context label=7 --guidance 2",
    "hvae sample runs/digits --cells.z3 1,1,1,1 --cells.z2 5,6,7,8 --cells.z1 5,6,7,8",
    "hvae sample runs/vq-prior --top-k 50 --top-p 0.95 --temperature.z1 0.9",
    "hvae sample runs/nvae --temperature 0.6 --recalibrate 500",
    "hvae sample runs/digits-vdm --solver second-order:20",
    "hvae sample runs/jsb-vrnn -n 4 --steps 120 --out chorales.mid",
    "hvae sample runs/jsb-vrnn --continue begun.npz --out on.wav",
    "hvae sample runs/photos -n 1 --out one.jpg --enlarge 4 --train.accelerator cpu",
)


def parser() -> Parser:
    command = Parser("sample", ABOUT, EXAMPLES, "RUN [-n N] [-t T] [--temperature.LEVEL T] [-o FILE] [--seed S]")
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    many = "how many pictures [16], or sequences [4]"
    command.add_argument("-n", "--number", type=whole(1), metavar="N", help=many)
    long = "sequences: steps of each [as many as usual, after the beginning where there is one]"
    command.add_argument("--steps", type=whole(1), metavar="T", help=long)
    begin = "sequences: a file that all of them begin with, of the kind of the data (.npz, .wav, .txt, .csv, .bvh)"
    command.add_argument("--continue", dest="beginning", metavar="FILE", help=begin)
    temperature = "of every level's prior; by level: --temperature.z3 0.7, or z3=0.7,z1=0.9"
    command.add_argument("-t", "--temperature", default="1.0", metavar="T", help=temperature)
    closely = "how closely levels follow --context: 1 as the model does, 2 beyond it; by level: z3=2,z2=1.5"
    command.add_argument("--guidance", default="1.0", metavar="W", help=closely)
    few = "codes: draw among the K most probable alone; by level: z2=50,z1=20 [all]"
    command.add_argument("--top-k", default="", metavar="K", help=few)
    share = "codes: draw among the fewest that hold this share, after temperature and --top-k; by level: z2=0.9 [1]"
    command.add_argument("--top-p", default="", metavar="P", help=share)
    command.add_argument("-o", "--out", default="", metavar="FILE", help=OUT)
    command.add_argument("--enlarge", default="auto", metavar="auto|N", help=ENLARGE)
    again = "the same pictures again, on the same kind of device [a new one each time, which is printed]"
    command.add_argument("--seed", type=SEED, metavar="S", help=again)
    statistics = "fit the statistics of batch norm to N batches of such samples first (NVAE: 500); nothing is saved"
    command.add_argument("--recalibrate", type=whole(0, 10**6), default=0, metavar="N", help=statistics)
    own = "the seeds of one level, one a picture, instead of --seed: levels of one seed share their noise, as in hvae "
    own += "studio; each level needs them: --cells.z2 1,1 --cells.z1 5,6"
    command.add_argument("--cells", dest="cells", metavar="SEEDS", help=own)
    few = "of a diffusion, and its steps: ancestral:250, ddim:50, second-order:20 [ancestral, all levels]"
    command.add_argument("--solver", default="", metavar="KIND[:S]", help=few)
    command.add_argument("--pixels", action="store_true", help="draw the pixels too, instead of showing their mean")
    add_backend(command)
    add_context(command)
    return command


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    where = {key: dotted.pop(key) for key in list(dotted) if key == ACCELERATOR}
    cells = cell_seeds(args.cells, dotted)
    temperature = temperatures(args.temperature, dotted)
    from hvae.study.sampled import Samples
    from hvae.study.samples import draw_samples

    with voice.working():
        samples = draw_samples(
            args.run,
            args.out or None,
            number=args.number,
            temperature=temperature,
            guidance=typed(float | dict[str, float], args.guidance, "--guidance"),
            top_k=typed(int | dict[str, int], args.top_k, "--top-k") if args.top_k else None,
            top_p=typed(float | dict[str, float], args.top_p, "--top-p") if args.top_p else 1.0,
            context=contexts(args.context),
            seed=args.seed,
            cells=cells,
            pixels=args.pixels,
            recalibrate=args.recalibrate,
            solver=args.solver,
            enlarge=args.enlarge,
            steps=args.steps,
            beginning=args.beginning,
            backend=args.backend,
            overrides=where,
            trust=args.trust,
            tell=voice.tell,
        )
    summary = samples.to_dict()
    voice.answer(summary)
    if not args.json:
        many = counted(summary["number"], output_noun(samples.noun))
        long = f" of {counted(summary['steps'], 'step')}" if "steps" in summary else ""
        seeds = "each level with its own seeds" if cells else f"seed {samples.seed}"
        voice.show(f"{many}{long} in {samples.file} ({seeds})")
    for level, codes in (samples.uniform if isinstance(samples, Samples) else {}).items():
        voice.tell(
            f"{level}: uniform prior over {codes:,} codes, since none is trained, so that the pictures are of "
            f"unrelated codes; train one: hvae train {args.run} --model.prior transformer --train.init {args.run} "
            "--train.only prior --out NEW"
        )


def cell_seeds(plain: str | None, dotted: dict[str, str]) -> dict[str, tuple[int, ...]] | None:
    """The seeds by level, taken out of the dotted options; `z2=1,z1=5` for one picture; None where there are none."""
    seeds: dict[str, int] = typed(dict[str, Seed], plain, "--cells") if plain else {}
    by_level: dict[str, tuple[int, ...]] = {name: (seed,) for name, seed in seeds.items()}
    for key in [key for key in dotted if key.startswith("cells.")]:
        by_level[key.removeprefix("cells.")] = typed(tuple[Seed, ...], dotted.pop(key), f"--{key}")
    return by_level or None


def temperatures(plain: str, dotted: dict[str, str]) -> dict[str, float]:
    """By level, with "" for all others: `0.8`, `z3=0.7,z1=0.9`, and options such as `--temperature.z3 0.7`."""
    temperature = typed(float | dict[str, float], plain, "--temperature")
    by_level = dict(temperature) if isinstance(temperature, dict) else {"": temperature}
    for key, value in dotted.items():
        head, _, level = key.partition(".")
        if head != "temperature":
            raise unknown("option", f"--{head}", ["--temperature", "--cells"])
        by_level[level] = typed(float, value, f"--{key}")
    return by_level
