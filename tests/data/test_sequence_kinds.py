"""Sound, text and motion as sequences, and back; and files of theirs that cannot be read."""

from __future__ import annotations

import struct
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvae.config.data import DataConfig
from hvae.data import SequenceData, load_sequences
from hvae.data.sequences.audio import to_levels, to_sound
from hvae.data.sequences.motion import mocap_npz, restored
from hvae.data.sequences.natural import motion, read_like, sound, text
from hvae.data.sequences.video import drawn, gif
from hvae.errors import HvaeError
from hvae.explore.sound import notes, synthesised, wav


def read(path: Path, **wish: object) -> SequenceData:
    return load_sequences(DataConfig(name="sequences", path=str(path), **{"valid": 0, "test": 0, **wish}))


def write_wav(path: Path, samples: np.ndarray, rate: int = 8000, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


RAMP = np.arange(-300, 300, 3, dtype=np.int16) * 100


# Near zero the mu-law of more bits is finer than the samples are.
@pytest.mark.parametrize(("law", "bits"), [("linear", 4), ("linear", 8), ("linear", 16), ("mu", 4), ("mu", 8)])
def test_levels_fill_their_range_and_come_back(law: str, bits: int) -> None:
    levels = to_levels(np.array([-32768, *RAMP, 32767], np.int16), bits, law)
    assert levels.min() == 0 and levels.max() == 2**bits - 1 and (np.diff(levels) >= 0).all()
    middle = np.floor(to_sound(levels, bits, law) * 32768).astype(np.int16)
    assert np.array_equal(to_levels(middle, bits, law), levels)


def test_sixteen_bits_are_lossless() -> None:
    samples = np.arange(-32768, 32768, 7).astype(np.int16)
    assert np.array_equal(to_levels(samples, 16, "linear") - 32768, samples)


def test_frames_leave_out_what_fills_none(tmp_path: Path) -> None:
    data = read(write_wav(tmp_path / "a.wav", RAMP), frame=64)
    assert data.train.lengths.tolist() == [3] and data.shape[1:] == (64,)
    assert any("fill no frame of 64" in note for note in data.provenance.transforms)


def test_sounds_below_train_have_their_splits(tmp_path: Path) -> None:
    for split, count in (("train", 2), ("test", 1)):
        (tmp_path / split).mkdir()
        for i in range(count):
            write_wav(tmp_path / split / f"{i}.wav", RAMP)
    assert [len(part) for part in (read(tmp_path).train, read(tmp_path).valid, read(tmp_path).test)] == [2, 0, 1]
    assert [len(part) for part in (read(tmp_path, valid=1).train, read(tmp_path, valid=1).valid)] == [1, 1]
    write_wav(tmp_path / "odd.wav", RAMP)
    with pytest.raises(HvaeError, match=r"beside train/ in valid/, test/, got odd.wav"):
        read(tmp_path)


def test_sound_comes_back(tmp_path: Path) -> None:
    data = read(write_wav(tmp_path / "a.wav", RAMP))
    back = sound(data.train.batch([0]).x[0].numpy(), data.form, data.bits)
    assert np.abs(back * 32768 - RAMP).max() <= 1 and data.form.rate == 8000
    again = read_like(tmp_path / "a.wav", data.form, data.bits)
    assert np.allclose(again, data.train.batch([0]).x[0].numpy())


def test_eight_bits_are_as_found(tmp_path: Path) -> None:
    data = read(write_wav(tmp_path / "a.wav", np.arange(256, dtype=np.uint8), width=1))
    assert data.bits == 8 and data.train.levels(0)[:, 0].tolist() == list(range(256))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.wav"),
        (b"RIFF\0\0\0\0WAVE", "a.wav: "),
        (b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0", r"it is damaged \(it ends too early\)"),
        (b"RIFF\xff\xff\xff\xffWAVEjunk\xff\xff\xff\xff", r"it is damaged \(it ends too early\)"),
        (b"RIFF\x20\0\0\0WAVEfmt \xff\xff\xff\x7f\x01\0", "it is damaged"),
    ],
)
def test_wav_files_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(HvaeError, match=message) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value) and str(caught.value).endswith("repair or replace them")
    (tmp_path / "b.wav").write_bytes(wav(np.zeros(800)))
    with pytest.raises(HvaeError, match=f"{message}.*set data.bad=skip"):
        read(tmp_path)


def test_a_wav_that_ends_too_early(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.wav", RAMP).read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:-50])
    with pytest.raises(HvaeError, match="samples are declared"):
        read(tmp_path)


def test_unreadable_files_are_skipped_where_that_is_asked_for(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", RAMP)
    (tmp_path / "b.wav").write_bytes(b"no sound")
    data = read(tmp_path, bad="skip")
    assert len(data.train) == 1 and "1 sequence used; not used: 1 unreadable (b.wav" in str(data.provenance)


def test_mixed_rates_and_channels(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", RAMP)
    write_wav(tmp_path / "b.wav", RAMP, rate=16000)
    with pytest.raises(HvaeError, match="one sample rate, got 8,000 in a.wav and 16,000 in b.wav"):
        read(tmp_path)
    write_wav(tmp_path / "b.wav", RAMP, channels=2)
    with pytest.raises(HvaeError, match="b.wav.*2 channels"):
        read(tmp_path)


def test_text_comes_back(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("to be\n\nor not\n")
    data = read(tmp_path / "a.txt")
    assert [text(data.train.levels(i).numpy(), data.form) for i in range(2)] == ["to be", "or not"]
    assert data.train.lengths.tolist() == [6, 7], "an end token each"


def test_words_come_back_with_blanks(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("To be, or not\n")
    data = read(tmp_path / "a.txt", tokens="word")
    assert text(data.train.levels(0).numpy(), data.form) == "To be , or not"


def test_byte_pairs_come_back(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    (tmp_path / "a.txt").write_text("to be or not to be\nto be to be\n" * 3)
    data = read(tmp_path / "a.txt", tokens="bpe", vocabulary=20)
    assert text(data.train.levels(0).numpy(), data.form) == "to be or not to be"
    (tmp_path / "b.txt").write_text("to be or")
    assert text(read_like(tmp_path / "b.txt", data.form, data.bits), data.form) == "to be or"


def test_symbols_outside_the_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("aab\nbba\n")
    (tmp_path / "test.txt").write_text("abc\n")
    data = read(tmp_path)
    assert "1 characters of test are not in the vocabulary" in data.provenance.transforms
    with pytest.raises(HvaeError, match="'c' is none of the 4 symbols of this run"):
        read_like(tmp_path / "test.txt", data.form, data.bits)


@pytest.mark.parametrize("content", [b"", b" \n\n ", b"\xff\xfe\x00abc"])
def test_files_that_hold_no_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(HvaeError, match="expected"):
        read(tmp_path / "a.txt")


def test_motion_is_standardised_by_training_alone_and_comes_back(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    train, test = (random.normal(5, 2, (30, 3)) for _ in range(2))
    train[:, 1] = test[:, 1] = 7.0
    np.savez(tmp_path / "a.npz", train=train, test=test, valid=test)
    data = read(tmp_path / "a.npz", kind="motion")
    x = data.train.batch([0]).x[0]
    assert data.bits == 0 and x.shape == (30, 2)
    assert float(x.mean()) == pytest.approx(0, abs=1e-6) and float(x.std(unbiased=False)) == pytest.approx(1, abs=1e-5)
    assert np.allclose(motion(data.test.batch([0]).x[0].numpy(), data.form), test, atol=1e-5)


def test_a_table_with_a_head_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,5\n5,1\n")
    assert read(tmp_path / "a.csv").train.lengths.tolist() == [3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected"),
        ("1,2\n3\n", "rows of numbers"),
        ("1,nan\n2,3\n", "finite numbers"),
        ("1,2\n1,2\n", "constants"),
        ("1,1e300\n2,-1e300\n3,4\n", "below 1e"),
        ("1,inf\n2,3\n", "finite numbers"),
        ("1,x\n2,3\n4,5\n", "rows of numbers"),  # no row is lost as a head line
        (",2\n2,3\n4,5\n", "rows of numbers"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(HvaeError, match=message):
        read(tmp_path / "a.csv")


def test_a_mark_of_byte_order_is_no_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeff1,2\n3,4\n")
    assert read(tmp_path / "a.csv").train.lengths.tolist() == [2]


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("width", [2, 4])
def test_motion_of_other_numbers_a_step(tmp_path: Path, split: str, width: int) -> None:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", train=random.normal(size=(9, 3)), **{split: random.normal(size=(9, width))})
    with pytest.raises(HvaeError, match=f"got {width} in {split}"):
        read(tmp_path / "a.npz", kind="motion")


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_numbers_too_large_to_standardise(tmp_path: Path, split: str) -> None:
    random = np.random.default_rng(0)
    parts = {"train": random.normal(size=(9, 3)), split: random.normal(size=(9, 3)) * 1e60}
    np.savez(tmp_path / "a.npz", **parts)
    with pytest.raises(HvaeError, match="below 1e"):
        read(tmp_path / "a.npz", kind="motion")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0_a.wav"], "DIGIT_SPEAKER_TAKE"),
        (["zero_a_7.wav"], "DIGIT_SPEAKER_TAKE"),
        (["0_a_x.wav"], "DIGIT_SPEAKER_TAKE"),
        ([".wav"], "DIGIT_SPEAKER_TAKE"),
        ([], "sounds to train on"),
        (["0_a_0.wav"], "sounds to train on"),
    ],
)
def test_an_archive_of_other_recordings(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(HvaeError, match=message):
        spoken(tmp_path, names)


def test_recordings_may_lie_in_folders(tmp_path: Path) -> None:
    data = spoken(tmp_path, ["recordings/3_a_0.wav", "recordings/7_a_9.wav"])
    assert (data.train.known["label"].tolist(), data.test.known["label"].tolist()) == ([7], [3])


def spoken(folder: Path, names: list[str]) -> SequenceData:
    sound = write_wav(folder / "a.wav", RAMP)
    with zipfile.ZipFile(folder / "fsdd_4speakers.zip", "w") as archive:
        for name in names:
            archive.write(sound, name)
    return load_sequences(DataConfig(name="fsdd", root=str(folder), download=False, valid=0))


def test_a_wav_without_a_rate(tmp_path: Path) -> None:
    content = bytearray(write_wav(tmp_path / "a.wav", RAMP).read_bytes())
    content[24:28] = bytes(4)
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(HvaeError, match="0 samples a second"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["tiny-shakespeare", "fsdd", "cmu-mocap", "nottingham"])
def test_known_sets_are_as_published(name: str, data_root: Path) -> None:
    wanted = {"tiny-shakespeare": "tinyshakespeare", "cmu-mocap": "cmu_mocap", "nottingham": "poly_music"}.get(
        name, name
    )
    if not (data_root / wanted).is_dir():
        pytest.skip(f"needs real data: no {wanted} below {data_root}")
    data = load_sequences(DataConfig(name=name, root=str(data_root), download=False))
    sizes = [len(part) for part in (data.train, data.valid, data.test)]
    assert (
        sizes
        == {
            "tiny-shakespeare": [29_499, 1_639, 1_639],
            "fsdd": [720, 80, 200],
            "cmu-mocap": [15, 5, 5],
            "nottingham": [694, 173, 170],
        }[name]
    )
    assert data.provenance.version == ""


def test_recordings_of_motion_lose_the_pose_of_calibration(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    moves = {f"walking_{i}": random.normal(size=(20 + i, 3)) for i in range(1, 6)}
    pose = np.full((1, 3), 90.0)
    np.savez(tmp_path / "cmu_mocap_expmap_train.npz", **{name: np.concatenate([pose, m]) for name, m in moves.items()})
    recordings = mocap_npz(tmp_path)
    test, form = recordings.parts["test"], recordings.form
    assert test.lengths.tolist() == [25]
    assert np.allclose(restored(test.levels, np.array(form.mean), np.array(form.scale)), moves["walking_5"], atol=1e-5)
    assert "calibration" in " ".join(recordings.transforms)


def test_a_key_that_stays_down_is_one_note() -> None:
    roll = np.array([[1, 0], [1, 1], [0, 1], [1, 0]])
    assert notes(roll) == [(0, 0, 2), (1, 1, 3), (0, 3, 4)]


def test_the_tone_of_a_key_has_its_pitch() -> None:
    sound_ = synthesised(np.ones((4, 1)), 0.5, 69)
    spectrum = np.abs(np.fft.rfft(sound_))
    assert abs(spectrum.argmax() / (len(sound_) / 16_000) - 440) < 1


def test_a_wav_reads_back(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(np.sin(np.arange(4000) / 10), 8000))
    data = read(tmp_path / "a.wav")
    assert data.train.lengths.tolist() == [4000]


def test_films_are_read_from_arrays_and_gifs(tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(0, 2, (5, 1, 8, 6), np.uint8) * 255
    np.savez(tmp_path / "a.npz", train=film[None], test=film[None], valid=film[None])
    data = read(tmp_path / "a.npz", kind="video")
    assert data.shape == (5, 1, 8, 6) and data.bits == 8
    (tmp_path / "gifs").mkdir()
    (tmp_path / "gifs" / "a.gif").write_bytes(gif(list(film), 0.1))
    assert np.array_equal(read(tmp_path / "gifs").train.levels(0).numpy(), film)


def frames(folder: Path, film: np.ndarray, suffix: str = ".png") -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(film, 1):
        Image.fromarray(frame[0] if len(frame) == 1 else frame.transpose(1, 2, 0)).save(folder / f"f{number}{suffix}")


def test_films_are_folders_of_frames_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    long, short = (random.integers(0, 256, (count, 1, 8, 6), np.uint8) for count in (12, 3))
    frames(tmp_path / "films" / "long", long)
    frames(tmp_path / "films" / "short", short, ".bmp")
    (tmp_path / "films" / "short" / "notes.txt").write_text("not a frame")
    data = read(tmp_path / "films")
    assert data.train.names() == ["long", "short"] and data.form.kind == "video"
    assert all(np.array_equal(data.train.levels(n).numpy(), film) for n, film in enumerate((long, short)))
    assert np.array_equal(read(tmp_path / "films" / "short").train.levels(0).numpy(), short)


def test_a_grey_film_among_coloured_ones_is_one_of_theirs(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    grey, colours = (random.integers(0, 256, (3, channels, 8, 6), np.uint8) for channels in (1, 3))
    frames(tmp_path / "a", grey)
    frames(tmp_path / "b", colours)
    data = read(tmp_path)
    assert np.array_equal(data.train.levels(0).numpy(), grey.repeat(3, 1))
    assert np.array_equal(data.train.levels(1).numpy(), colours)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (np.zeros((9, 6), np.uint8), "f3.png: expected frames of 8 x 6, got 9 x 6"),
        (np.zeros((8, 6), np.uint16), "f3.png: expected frames of 8 bits"),
        (None, "f3.png.*none of PNG"),
    ],
)
def test_frames_that_are_none_of_the_film(tmp_path: Path, odd: np.ndarray | None, message: str) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        frames(tmp_path / name, random.integers(0, 256, (3, 1, 8, 6), np.uint8))
    if odd is None:
        (tmp_path / "b" / "f3.png").write_bytes(b"no picture")
    else:
        Image.fromarray(odd).save(tmp_path / "b" / "f3.png")
    with pytest.raises(HvaeError, match=f"b: .*{message}.*set data.bad=skip") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)
    assert read(tmp_path, bad="skip").train.names() == ["a", "c"]


def test_a_gif_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a and no more")
    with pytest.raises(HvaeError, match=r"a\.gif"):
        read(tmp_path / "a.gif")


def test_digits_bounce_and_stay_within_the_field() -> None:
    films = drawn(np.full((1, 28, 28), 255, np.uint8), 20, 2, np.random.default_rng(0))
    ink = (films > 0).sum((2, 3, 4))
    assert ink.min() >= 28 * 28 and ink.max() <= 2 * 28 * 28 and len(np.unique(ink)) > 1


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_digits_as_are_wished(count: int) -> None:
    """Digits of one lit pixel each, which no two of three share in every frame."""
    dot = np.zeros((1, 28, 28), np.uint8)
    dot[0, 13, 13] = 255
    films = drawn(dot, 5, count, np.random.default_rng(0))
    lit = (films > 0).sum((2, 3, 4))
    assert lit.max() == count and lit.min() >= 1


def test_keys_of_films_that_are_drawn_here() -> None:
    for key, value in (("digits", 1), ("films", 7)):
        DataConfig(name="moving-mnist", **{key: value})
        for other in ("jsb", "mnist"):
            with pytest.raises(HvaeError, match=f"data.{key} is for moving-mnist alone"):
                DataConfig(name=other, **{key: value})


def midi(path: Path, *messages: tuple[str, int, int, int]) -> Path:
    mido = pytest.importorskip("mido")
    track = mido.MidiTrack(
        mido.Message(kind, note=note, velocity=64, time=time, channel=c) for kind, note, time, c in messages
    )
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    file.save(path)
    return path


def test_midi_is_read_in_sixteenths_without_drums(tmp_path: Path) -> None:
    on, off = "note_on", "note_off"
    notes = ((on, 21, 480, 0), (on, 30, 0, 9), (on, 23, 240, 0), (off, 21, 0, 0), (off, 23, 120, 0), (off, 30, 0, 9))
    data = read(midi(tmp_path / "a.mid", *notes))
    roll = data.train.levels(0).numpy()
    assert roll.shape == (3, 88) and roll[:, 0].tolist() == [1, 1, 0] and roll[:, 2].tolist() == [0, 0, 1]
    assert roll.sum() == 3


@pytest.mark.parametrize("content", [b"", b"MThd", b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\xff\xff\xff\xff", b"RIFF"])
def test_files_that_are_no_midi(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("mido")
    (tmp_path / "a.mid").write_bytes(content)
    with pytest.raises(HvaeError, match=r"a\.mid: ") as caught:
        read(tmp_path / "a.mid")
    assert "\n" not in str(caught.value)


NOTE = b"\0\x90\x40\x40"
ENDLESS = {
    "a pause of 10^300 ticks": NOTE + b"\xff" * 150 + b"\x7f\x80\x40\x40",
    "a pause of 10^18 ticks": NOTE + b"\xff" * 9 + b"\x7f\x80\x40\x40",
    "a pause of 900,000 bytes": NOTE + b"\xff" * 900_000 + b"\x7f\x80\x40\x40",
    "a text of 10^18 letters": b"\0\xff\x01" + b"\xff" * 9 + b"\x7fx",
    "more bytes than music has": NOTE * (1 << 18),
}


@pytest.mark.parametrize("track", ENDLESS.values(), ids=ENDLESS)
def test_midi_without_an_end_is_one_line(tmp_path: Path, track: bytes) -> None:
    pytest.importorskip("mido")
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(track))
    (tmp_path / "a.mid").write_bytes(head + track)
    with pytest.raises(HvaeError, match=r"a\.mid: ") as caught:
        read(tmp_path / "a.mid")
    assert "\n" not in str(caught.value)


def test_packed_silence_is_not_unpacked(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.flac", np.zeros(1 << 16, np.int16), 8_000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    assert len(read(tmp_path / "a.flac", test=0, valid=0).train) == 1
    content[21:26] = bytes([content[21] | 15]) + b"\xff" * 4  # the 36 bits that count the samples
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(HvaeError, match="that declare 137,438,953,470"):
        read(tmp_path / "a.flac")


def test_the_fault_of_a_sound_is_said_once(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.flac", np.zeros((99, 2)), 8_000)
    with pytest.raises(HvaeError, match="2 channels") as caught:
        read(tmp_path / "a.flac")
    assert "can be read" not in str(caught.value)
    (tmp_path / "a.flac").write_bytes(b"no sound")
    with pytest.raises(HvaeError, match="no sound that can be read") as caught:
        read(tmp_path / "a.flac")
    assert "BytesIO" not in str(caught.value)


def test_a_pause_of_years_is_refused(tmp_path: Path) -> None:
    notes = (("note_on", 60, 0, 0), ("note_off", 60, 2**28 - 1, 0), ("note_on", 61, 0, 0), ("note_off", 61, 2**27, 0))
    with pytest.raises(HvaeError, match="at most 1,000,000 sixteenths"):
        read(midi(tmp_path / "a.mid", *notes))


@pytest.mark.parametrize(
    ("name", "kind", "wish"),
    [
        ("jsb", "rolls", {"bits": 8}),
        ("jsb", "rolls", {"frame": 2}),
        ("tiny-shakespeare", "text", {"bits": 4}),
        ("cmu-mocap", "motion", {"frame": 4}),
        ("omniglot-strokes", "motion", {"tokens": "word"}),
        ("moving-mnist", "video", {"bits": 1}),
        ("fsdd", "audio", {"unit": "paragraph"}),
    ],
)
def test_keys_of_another_kind_are_refused(name: str, kind: str, wish: dict[str, object]) -> None:
    with pytest.raises(HvaeError, match=f"data.{next(iter(wish))} is for .* and says nothing of {kind}"):
        DataConfig(name=name, **wish)  # type: ignore[arg-type]


@pytest.mark.parametrize(("ending", "wish"), [("npy", {"bits": 4}), ("csv", {"frame": 3}), ("txt", {"law": "mu"})])
def test_they_are_refused_of_your_own_files_too(tmp_path: Path, ending: str, wish: dict[str, object]) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_text("1,2\n2,1\n3,4\n") if ending != "npy" else np.save(path, np.eye(4))
    with pytest.raises(HvaeError, match=f"data.{next(iter(wish))} is for audio alone"):
        read(path, **wish)


def test_an_array_that_may_be_rolls_or_a_film_is_asked_about(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", clip=np.zeros((6, 5, 4), np.uint8))
    with pytest.raises(HvaeError, match=r"\(6, 5, 4\) may be 6 piano rolls .* or one film .* say which by data.kind"):
        read(tmp_path / "a.npz")
    assert len(read(tmp_path / "a.npz", kind="rolls").train) == 6
    film = read(tmp_path / "a.npz", kind="video").train
    assert len(film) == 1 and film.levels(0).shape == (6, 1, 5, 4)


@pytest.mark.parametrize("shape", [(4, 9, 8, 8), (5, 3, 8, 8)])
def test_an_array_that_may_be_many_films_is_asked_about(tmp_path: Path, shape: tuple[int, ...]) -> None:
    clips = np.zeros(shape, np.uint8)
    np.savez(tmp_path / "a.npz", clips=clips)
    with pytest.raises(HvaeError, match="may be one film .* or . films"):
        read(tmp_path / "a.npz", kind="video")
    np.savez(tmp_path / "b.npz", train=clips, test=clips, valid=clips)
    assert len(read(tmp_path / "b.npz", kind="video").train) == len(clips)
    flat = clips.reshape(-1, *shape[2:])
    np.savez(tmp_path / "c.npz", clips=flat, clips_len=np.full(shape[0], shape[1]))
    assert read(tmp_path / "c.npz", kind="video").train.lengths.tolist() == [shape[1]] * shape[0]


@pytest.mark.parametrize("shape", [(7, 1, 8, 8), (7, 8, 8, 3)])
def test_an_array_that_can_be_one_film_alone_is_one(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "a.npz", clip=np.zeros(shape, np.uint8))
    assert read(tmp_path / "a.npz", kind="video").train.lengths.tolist() == [7]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfab\nba\n", b"ab\rba\r", b"ab\r\nba\r\n"])
def test_marks_and_line_ends_are_no_characters(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    data = read(tmp_path / "a.txt")
    assert len(data.train) == 2 and data.form.symbols == ("", "\N{REPLACEMENT CHARACTER}", "a", "b")


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_part_without_text_is_no_part(tmp_path: Path, part: str) -> None:
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}.txt").write_text("\n \n" if split == part else "abc\nabd\n")
    with pytest.raises(HvaeError, match=f"nothing but blanks in {part}.txt"):
        read(tmp_path, kind="text")


def test_damaged_tables_are_skipped_where_that_is_asked_for(tmp_path: Path) -> None:
    for name, text_ in {
        "a": "1,2\n2,3\n4,1\n",
        "b": "3,1\n1,2\n",
        "bad": "1,x\n2,y\n",
        "wide": "1,2,3\n3,2,1\n",
    }.items():
        (tmp_path / f"{name}.csv").write_text(text_)
    with pytest.raises(HvaeError, match="bad.csv: .*set data.bad=skip"):
        read(tmp_path)
    data = read(tmp_path, bad="skip")
    assert data.train.names() == ["a.csv", "b.csv"] and data.provenance.tally.unused == {"unreadable": 2}
    assert "it has 3 columns, and most have 2 columns" in dict(data.provenance.tally.bad)["wide.csv"]


def test_damaged_films_are_skipped_where_that_is_asked_for(tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(0, 255, (4, 1, 8, 6), np.uint8)
    (tmp_path / "a.gif").write_bytes(gif(list(film), 0.1))
    (tmp_path / "b.gif").write_bytes(b"GIF89a and no more")
    with pytest.raises(HvaeError, match=r"b\.gif.*set data\.bad=skip"):
        read(tmp_path)
    assert read(tmp_path, bad="skip").train.names() == ["a.gif"]


def test_sequences_that_are_too_short_are_skipped_where_that_is_asked_for(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (4, 1, 8, 6), np.uint8)
    folders = {ending: tmp_path / ending for ending in ("wav", "gif", "csv")}
    for folder in folders.values():
        folder.mkdir()
    for name, steps in (("a", 4), ("b", 1), ("c", 1)):
        write_wav(folders["wav"] / f"{name}.wav", RAMP[: 10 * steps + 9])
        (folders["gif"] / f"{name}.gif").write_bytes(gif(list(frames[:steps]), 0.1))
        (folders["csv"] / f"{name}.csv").write_text("1,2\n2,1\n3,5\n1,1\n"[: 4 * steps])
    for ending, folder in folders.items():
        with pytest.raises(HvaeError, match=rf": b\.{ending}, c\.{ending}: it has 1 step; expected 2 or more; repair"):
            read(folder, frame=10 if ending == "wav" else 1)
        data = read(folder, frame=10 if ending == "wav" else 1, bad="skip")
        assert data.train.names() == [f"a.{ending}"] and data.provenance.tally.unused == {"unreadable": 2}


def test_other_rates_are_skipped_where_that_is_asked_for(tmp_path: Path) -> None:
    for name, rate in (("a", 8000), ("b", 8000), ("c", 16000)):
        write_wav(tmp_path / f"{name}.wav", RAMP, rate)
    with pytest.raises(HvaeError, match="expected one sample rate"):
        read(tmp_path)
    data = read(tmp_path, bad="skip")
    assert data.train.names() == ["a.wav", "b.wav"] and data.form.rate == 8000
