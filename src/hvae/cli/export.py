"""hvae export: a model as a file for other runtimes."""

from __future__ import annotations

from hvae.cli.parser import Parser
from hvae.cli.voice import Voice
from hvae.screen.numbers import size

ABOUT = (
    "Write the decoder of a model (noise to pictures) or its encoder (pictures to latents, rates and the ELBO) as one "
    "file that runs without hvae: with onnxruntime, OpenVINO or torch alone. Noise and one temperature a level are "
    "inputs, and any number of rows is taken. The file is run and compared with the model before it is kept."
)
EXAMPLES = (
    "hvae export runs/digits --to onnx --out digits.onnx",
    "hvae export runs/digits --to pt2 --part encoder --out encoder.pt2",
    "hvae export runs/anywhere --size any   # trained with --model.start everywhere",
)
USAGE = "RUN [--to onnx|pt2|openvino] [--part decoder|encoder] [--size own|any] [--out FILE]"


def parser() -> Parser:
    command = Parser("export", ABOUT, EXAMPLES, USAGE)
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    formats = "onnx: one file for onnxruntime; pt2: for torch.export.load; openvino: an .xml and a .bin file"
    command.add_argument("--to", default="onnx", metavar="F", help=formats)
    parts = "decoder: noise to pictures; encoder: pictures and noise to latents, rates and the ELBO"
    command.add_argument("--part", default="decoder", metavar="P", help=parts)
    sizes = (
        "own: pictures of the model's size; any: of any multiples of its coarsest stride, with model.start everywhere"
    )
    command.add_argument("--size", default="own", metavar="S", help=sizes)
    command.add_argument("-o", "--out", metavar="FILE", help="the file to write [RUN/decoder.onnx, and so on]")
    return command


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    voice = Voice(args.json)
    from hvae.study.export import export

    with voice.working():
        written = export(
            args.run, args.out, to=args.to, part=args.part, size=args.size, trust=args.trust, progress=voice
        )
    voice.answer(written.to_dict())
    if not args.json:
        voice.show(
            f"{written.file}: the {written.part}, {size(written.bytes)}; its outputs differ from the model's by at "
            f"most {written.difference:.1e} of the largest value\n"
            f"inputs: {', '.join(written.inputs)}; outputs: {', '.join(written.outputs)}"
        )
