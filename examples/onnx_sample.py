"""Pictures from an exported decoder with NumPy and onnxruntime alone; neither hvae nor torch is imported.

hvae export runs/digits --to onnx --out digits.onnx
python examples/onnx_sample.py digits.onnx --out digits.png
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("decoder", type=Path)
parser.add_argument("--out", type=Path, required=True)
args = parser.parse_args()

decoder = onnxruntime.InferenceSession(args.decoder)
about = json.loads(decoder.get_modelmeta().custom_metadata_map["hvae"])
random, count = np.random.default_rng(0), 16
noise = {f"noise_{z}": random.standard_normal((count, *shape), np.float32) for z, shape in about["levels"].items()}
temperature = np.full(len(about["levels"]), 0.9, np.float32)  # one a level, top first
(pictures,) = decoder.run(None, {**noise, "temperature": temperature})  # (16, C, H, W) in [0, 1]
rows = pictures.reshape(4, 4, *pictures.shape[1:]).transpose(0, 3, 1, 4, 2)
sheet = (rows.reshape(4 * pictures.shape[2], -1, pictures.shape[1]) * 255).round().astype(np.uint8)
Image.fromarray(sheet.squeeze()).save(args.out)
