"""Runs on sequences: music, text, motion and speech.

Their bounds are of whole sequences, every frame scored, the first too; numbers a frame are named by their average.
"""

from __future__ import annotations

from dataclasses import replace

from hvae.config.clockwork import CWVAEConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import ModelConfig
from hvae.config.objective import FreeBitsConfig, ObjectiveConfig, WarmUpConfig
from hvae.config.presets.preset import Preset
from hvae.config.run import RunConfig
from hvae.config.seqladder import SeqLadderConfig
from hvae.config.sequences import DMMConfig, SRNNConfig, STCNConfig, VRAEConfig, VRNNConfig
from hvae.config.train import TrainConfig
from hvae.config.vqvae import RQVAEConfig

JSB = DataConfig(name="jsb", bucket=4)
NOTTINGHAM = DataConfig(name="nottingham", chunk=160, bucket=8)


def _music(model: ModelConfig, data: DataConfig, steps: int) -> RunConfig:
    """No warm-up: the latents of a recurrent model wake late by themselves, and a free start delays nothing."""
    return RunConfig(
        model=model,
        data=data,
        objective=ObjectiveConfig(),
        train=TrainConfig(
            steps=steps,
            batch=16,
            lr=3e-3,
            clip=1.0,
            skip_factor=0.0,
            ema=0.99,
            keep="best",
            save_every=100,
            valid_every=100,
            valid_size=0,
        ),
        evaluate=EvaluateConfig(samples=64),
    )


def jsb_vrnn() -> RunConfig:
    """The chorales of Bach: a recurrent state of 64 and 32 latent dimensions a frame; test -ELBO 7.28 nats a frame."""
    return _music(VRNNConfig(cell="lstm", state=64, width=64, latent=32), JSB, steps=1_000)


def jsb_srnn() -> RunConfig:
    """The same by a model whose recurrence over the data stands apart from its chain of latents."""
    return _music(SRNNConfig(state=64, width=64, latent=32), JSB, steps=1_000)


def jsb_dmm() -> RunConfig:
    """The same without any recurrence over the data: all that a frame knows of the others it knows by the latents."""
    return _music(DMMConfig(latent=48, transition=96, width=64, state=96), JSB, steps=1_000)


def jsb_stcn() -> RunConfig:
    """The same without any recurrence: causal convolutions, the highest of which hear 22 frames.

    A prior that hears the past needs no posterior: without a slow start the latents pass on what was, and no more.
    """
    model = STCNConfig(latents=(32, 16, 8), dilations=(1, 2, 4), width=64, posterior="residual-mean")
    slowly = ObjectiveConfig(warmup=WarmUpConfig(length=0.8), free_bits=FreeBitsConfig(nats={"z1": 100.0}))
    return replace(_music(model, JSB, steps=600), objective=slowly)


def nottingham_vrnn() -> RunConfig:
    """Folk tunes, trained in pieces of 160 frames."""
    model = VRNNConfig(cell="lstm", state=64, width=64, latent=64)
    return _music(model, NOTTINGHAM, steps=3_000)


def text_vrae() -> RunConfig:
    """Lines of Shakespeare by character: one latent a line.

    A decoder that sees all characters before one needs no latent: the rate is charged slowly, and 5 nats of it never.
    """
    return RunConfig(
        model=VRAEConfig(likelihood="categorical", latents=(32,), state=192, width=96, vocabulary=66),
        data=DataConfig(name="tiny-shakespeare", bucket=16),
        objective=ObjectiveConfig(warmup=WarmUpConfig(length=0.3), free_bits=FreeBitsConfig(nats=5.0)),
        train=_long(4_000, batch=64),
        evaluate=EvaluateConfig(samples=64, limit=500),
    )


def text_ladder() -> RunConfig:
    """The same lines by latents at every 4th, 16th and 64th character above a decoder that hears its past.

    The levels say what is where in a line, not of all of it alone; each spends its free bits, and no more.
    """
    model = SeqLadderConfig(
        likelihood="categorical",
        latents=(4, 8, 16),
        strides=(4, 16, 64),
        width=64,
        decoder="recurrent",
        state=192,
        vocabulary=66,
    )
    return replace(
        text_vrae(),
        model=model,
        objective=ObjectiveConfig(
            warmup=WarmUpConfig(length=0.3), free_bits=FreeBitsConfig(nats={"z3": 3.0, "z2": 1.0, "z1": 1.0})
        ),
    )


def text_ladder_factorised() -> RunConfig:
    """The same, all characters at once: whatever one has to do with another is in the latents, of which each character
    has some of its own.

    After 2,000 steps these had taken all of the rate, and bigrams were better: the levels above ask for free bits.
    """
    model = SeqLadderConfig(likelihood="categorical", latents=(16, 16, 32), strides=(1, 4, 16), width=96, vocabulary=66)
    return replace(text_vrae(), model=model, objective=ObjectiveConfig(warmup=WarmUpConfig(length=0.3)))


def mocap_srnn() -> RunConfig:
    """Joint angles of five actions, standardised, in pieces of 100 frames; test -ELBO -135.1 nats a frame.

    It starts at an autoregression of two steps, and its tails allow for the jumps of angles: a Gaussian that is sure of
    itself pays for each with the square.
    """
    return RunConfig(
        model=SRNNConfig(likelihood="student", lags=2, state=64, width=64, latent=16),
        data=DataConfig(name="cmu-mocap", chunk=100, bucket=4),
        train=replace(_long(1_500, batch=16), lr=2e-3),
        evaluate=EvaluateConfig(samples=20),
    )


def speech_cwvae() -> RunConfig:
    """Spoken digits at 8 kHz, 16 bits, in frames of 128 samples: z1 at each, z2 at every second one, 32 ms.

    Within a frame a sample is foretold by those before it; the levels say by which filter, and how loud.  Free bits
    leave both to z2, before z1 takes them.
    """
    model = CWVAEConfig(
        likelihood="predictive", mixtures=3, order=10, latents=(4, 24), strides=(1, 2), state=96, width=96
    )
    return _speech(model, ObjectiveConfig(free_bits=FreeBitsConfig(nats={"z2": 100.0})))


def voice_cwvae() -> RunConfig:
    """The same of one speaker, with the rhythm in z2: what z1 says costs it four times as much, what z2 says nothing
    up to 150 nats a piece of half a second."""
    rhythm = ObjectiveConfig(beta={"z1": 4.0}, free_bits=FreeBitsConfig(nats={"z2": 150.0}))
    speech = speech_cwvae()
    return replace(speech, data=replace(speech.data, name="voice"), objective=rhythm)


def speech_vrnn() -> RunConfig:
    """The same by a recurrent state that has heard all frames before, and a latent of what is new in each."""
    return _speech(
        VRNNConfig(likelihood="predictive", mixtures=3, order=10, latent=16, state=128, width=96), ObjectiveConfig()
    )


def _speech(model: ModelConfig, objective: ObjectiveConfig) -> RunConfig:
    return RunConfig(
        model=model,
        data=DataConfig(name="fsdd", frame=128, chunk=32, bucket=8),
        objective=objective,
        train=replace(_long(2_000, batch=32), lr=2e-3),
        evaluate=EvaluateConfig(samples=20),
    )


def speech_rqvae() -> RunConfig:
    """Spoken digits at 8 kHz as residual codes: eight codebooks of 256, each 500 bits a second, 0.5 to 4 kbit/s by one
    model.

    A step has 8 samples and a code 16 steps.  Sigma is about the error that eight codebooks leave.
    """
    return RunConfig(
        model=RQVAEConfig(
            codes=256, dims=32, width=64, hidden=32, blocks=2, stride=16, depth=8, dropout=0.5, sigma=0.03
        ),
        data=DataConfig(name="fsdd", frame=8, chunk=512, bucket=8),
        objective=ObjectiveConfig(stft=0.1),
        train=replace(_long(1_500, batch=16), steps=3_000, lr=3e-3, clip=0.0, skip_factor=0.0),
        evaluate=EvaluateConfig(samples=1),
    )


def moving_mnist_cwvae() -> RunConfig:
    """Two digits that bounce, 20 frames of 64 x 64: z1 at each frame, z2 at each fifth, z3 once a film.

    Without free bits the upper levels fall asleep within 150 steps, before any film is drawn well enough to need them.
    """
    return RunConfig(
        model=CWVAEConfig(
            likelihood="logistic",
            latents=(32, 16, 32),
            strides=(1, 5, 20),
            state=128,
            width=128,
            channels=(64, 64),
            patch=8,
        ),
        data=DataConfig(name="moving-mnist"),
        objective=ObjectiveConfig(free_bits=FreeBitsConfig(nats={"z3": 40.0, "z2": 40.0})),
        train=replace(_long(2_500, batch=4), lr=2e-3, valid_every=250, save_every=1_250),
        evaluate=EvaluateConfig(samples=8, limit=100),
    )


def _long(steps: int, batch: int) -> TrainConfig:
    return TrainConfig(
        steps=steps, batch=batch, lr=1e-3, clip=10.0, ema=0.995, keep="best", save_every=200, valid_every=200
    )


SEQUENCES: dict[str, Preset] = {
    "jsb-vrnn": Preset("VRNN on the JSB chorales, piano rolls", "32 min, a shared core", jsb_vrnn),
    "jsb-srnn": Preset("SRNN on the JSB chorales, piano rolls", "15 min, a shared core", jsb_srnn),
    "jsb-dmm": Preset("deep Markov model on the JSB chorales, piano rolls", "not timed; 1 core", jsb_dmm),
    "jsb-stcn": Preset("ladders above causal convolutions on the JSB chorales", "10 min, a shared core", jsb_stcn),
    "text-vrae": Preset("VRAE on lines of Shakespeare, by character", "not timed; 1 core", text_vrae),
    "text-ladder": Preset("latents at ever coarser characters of the same lines", "not timed; 1 core", text_ladder),
    "text-ladder-factorised": Preset(
        "the same with all characters at once", "not timed; 1 core", text_ladder_factorised
    ),
    "mocap-srnn": Preset("SRNN on motion capture, joint angles", "6 min, a shared core", mocap_srnn),
    "speech-cwvae": Preset("clockwork ladder on spoken digits, 16 bits", "10 min, a busy core", speech_cwvae),
    "voice-cwvae": Preset("the same on prompts of one speaker, rhythm above", "10 min, a busy core", voice_cwvae),
    "speech-vrnn": Preset("VRNN on spoken digits, 16 bits", "not timed; 1 core", speech_vrnn),
    "speech-rqvae": Preset("residual codes of spoken digits, 0.5 to 4 kbit/s", "6 min, a shared core", speech_rqvae),
    "moving-mnist-cwvae": Preset(
        "clockwork ladder on films of moving digits", "10 min, a shared core", moving_mnist_cwvae
    ),
    "nottingham-vrnn": Preset("VRNN on the Nottingham tunes, piano rolls", "not timed; 1 core", nottingham_vrnn),
}
"""By name."""
