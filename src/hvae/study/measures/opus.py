"""Opus beside the codes of a model: bits a second of its packets, and what comes back.

Shapes: `N` samples of one sound in [-1, 1].
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hvae.errors import missing_extra
from hvae.metrics.sound import Rate, compared, summary

if TYPE_CHECKING:
    from torch import Tensor

RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Samples a second that Opus codes."""
LEVELS = (1.0, 0.99, 0.97)
"""Of libsndfile: 6,000 bits a second at 1, more below."""


def beside(sounds: Sequence[Tensor], rate: int) -> tuple[tuple[Rate, ...], str]:
    """The same sounds (N,) by Opus, or why there is none."""
    try:
        import soundfile
    except ImportError:
        return (), str(missing_extra("soundfile", "audio", purpose="Opus"))
    if "OPUS" not in soundfile.available_subtypes("OGG"):
        return (), f"this libsndfile ({soundfile.__libsndfile_version__}) writes no Opus; update the package soundfile"
    if rate not in RATES:
        return (), f"Opus codes {', '.join(f'{one:,}' for one in RATES)} samples a second, and these have {rate:,}"
    return tuple(_at(sounds, rate, level) for level in LEVELS), ""


def _at(sounds: Sequence[Tensor], rate: int, level: float) -> Rate:
    import soundfile
    import torch

    bits, pairs = 0, []
    for sound in sounds:
        file = io.BytesIO()
        soundfile.write(file, sound.numpy(), rate, format="OGG", subtype="OPUS", compression_level=level)
        bits += 8 * packets(file.getvalue())
        back = torch.zeros_like(sound)
        samples = torch.from_numpy(soundfile.read(io.BytesIO(file.getvalue()), dtype="float64")[0])[: len(back)]
        back[: len(samples)] = samples
        pairs.append(compared(sound, back, rate))
    each = bits * rate / sum(map(len, sounds))
    return summary(f"Opus, {each / 1000:.1f} kbit/s", each, pairs)


def packets(content: bytes) -> int:
    """Bytes of the packets of sound in an Ogg file: without its pages, and without its two packets of headers."""
    return sum(list(_packets(content))[2:])


def _packets(content: bytes) -> Iterable[int]:
    at, size = 0, 0
    while content[at : at + 4] == b"OggS":
        segments = content[at + 27 : at + 27 + content[at + 26]]
        for part in segments:
            size += part
            if part < 255:
                yield size
                size = 0
        at += 27 + len(segments) + sum(segments)
