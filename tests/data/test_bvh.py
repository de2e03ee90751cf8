"""BVH files: bodies that move, read, placed and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hvae.config.data import DataConfig
from hvae.data import SequenceData, load_sequences
from hvae.data.sequences.bvh import motion_of, written
from hvae.data.sequences.form import SequenceForm
from hvae.data.sequences.like import sequences_like
from hvae.data.sequences.natural import motion, read_like
from hvae.data.sequences.skeleton import Skeleton
from hvae.errors import HvaeError
from hvae.study.sequence_files import check_suffix
from hvae.study.sequence_files import write as write_sequences

HEAD = """HIERARCHY
ROOT Hips
{
\tOFFSET 0.0 1.0 0.0
\tCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
\tJOINT Upper Leg
\t{
\t\tOFFSET 1.0 0.0 0.0
\t\tCHANNELS 3 Zrotation Xrotation Yrotation
\t\tJOINT Knee {
\t\t\tOFFSET 0.0 -2.0 0.0
\t\t\tCHANNELS 1 Xrotation
\t\t\tEnd Site
\t\t\t{
\t\t\t\tOFFSET 0.0 -2.0 0.5
\t\t\t}
\t\t}
\t}
\tJOINT Head
\t{
\t\tOFFSET 0.0 3.0 0.0
\t\tCHANNELS 0
\t}
}
"""
VALUES = np.random.default_rng(0).uniform(-80, 80, (30, 10)).round(4)


def bvh(values: np.ndarray = VALUES, head: str = HEAD, frames: str = "", seconds: str = "0.0083333") -> str:
    rows = "\n".join(" ".join(f"{number:.6f}" for number in row) for row in values)
    return f"{head}MOTION\nFrames: {frames or len(values)}\nFrame Time: {seconds}\n{rows}\n"


def write(place: Path, text: str) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def load(place: Path, **keys: object) -> SequenceData:
    return load_sequences(DataConfig(name="sequences", path=str(place), **keys))  # type: ignore[arg-type]


def test_a_body_is_read_with_its_bones(tmp_path: Path) -> None:
    body = motion_of(write(tmp_path / "a.bvh", bvh()))
    assert body.skeleton.names == ("Hips", "Upper Leg", "Knee", "", "Head")
    assert body.skeleton.parents == (-1, 0, 1, 2, 0)
    assert body.skeleton.channels == ("XYZzxy", "zxy", "x", "", "")
    assert body.seconds == 0.0083333 and np.allclose(body.values % 360, VALUES % 360)
    windows = write(tmp_path / "b.bvh", bvh().replace("\n", "\r\n").replace("Frame Time:", "FRAME TIME :"))
    assert np.array_equal(motion_of(windows).values, body.values)


def test_joints_are_where_products_of_rotations_put_them(tmp_path: Path) -> None:
    skeleton = motion_of(write(tmp_path / "a.bvh", bvh())).skeleton
    joints = skeleton.positions(VALUES)
    for row, places in zip(VALUES, joints, strict=True):
        # Intrinsic rotations in the order of the channels: scipy's capital letters.
        hips, leg = (Rotation.from_euler("ZXY", row[i : i + 3], degrees=True) for i in (3, 6))
        knee = Rotation.from_euler("X", row[9], degrees=True)
        upper = row[:3] + hips.apply([1, 0, 0])
        lower = upper + (hips * leg).apply([0, -2, 0])
        foot = lower + (hips * leg * knee).apply([0, -2, 0.5])
        expected = [row[:3], upper, lower, foot, row[:3] + hips.apply([0, 3, 0])]
        assert np.abs(places - np.array(expected)).max() < 1e-9


def test_whole_turns_are_taken_out_and_move_no_joint(tmp_path: Path) -> None:
    turning = np.zeros((200, 10))
    turning[:, 3] = (9.0 * np.arange(200) + 180) % 360 - 180
    body = motion_of(write(tmp_path / "a.bvh", bvh(turning)))
    assert np.allclose(np.diff(body.values[:, 3]), 9.0), "no leap from 180 to -180"
    assert np.allclose(body.skeleton.positions(body.values), body.skeleton.positions(turning))


def test_a_folder_is_a_data_set_whose_form_knows_its_skeleton(tmp_path: Path) -> None:
    for n in range(5):
        write(tmp_path / "set" / f"{n}.bvh", bvh(VALUES + n))
    data = load(tmp_path / "set", test=0.2, valid=0.2)
    assert data.form.kind == "motion" and data.form.seconds == 0.0083333 and data.shape == (30, 10)
    assert SequenceForm.from_dict(data.form.to_dict()) == data.form and data.form.skeleton
    whole = load(tmp_path / "set" / "0.bvh", test=0, valid=0)
    back = motion(whole.train.levels(0).numpy(), whole.form)
    assert np.allclose(back, motion_of(tmp_path / "set" / "0.bvh").values, atol=1e-3)
    begun = read_like(tmp_path / "set" / "1.bvh", data.form, 0)
    assert begun.shape == (30, 10)
    write(tmp_path / "other.bvh", bvh(head=HEAD.replace("Knee", "Foot")))
    with pytest.raises(HvaeError, match="the joints and channels of this run's data"):
        read_like(tmp_path / "other.bvh", data.form, 0)
    keys = DataConfig(name="sequences", path=str(tmp_path / "set"))
    assert len(sequences_like(tmp_path / "set", data.form, 0, keys)[0]) == 5
    with pytest.raises(HvaeError, match="the joints and channels of this run's data"):
        sequences_like(tmp_path / "other.bvh", data.form, 0, keys)


def test_what_is_written_is_what_was_read(tmp_path: Path) -> None:
    deep = "HIERARCHY\n" + "".join(f"ROOT a{n}\n{{\nCHANNELS 1 Xrotation\n" for n in range(999)) + "}\n" * 999
    for head, values in ((HEAD, VALUES), (deep, np.ones((2, 999)))):
        body = motion_of(write(tmp_path / "a.bvh", bvh(values, head)))
        again = motion_of(write(tmp_path / "b.bvh", written(body.skeleton, body.values, body.seconds)))
        assert again.skeleton == body.skeleton and again.seconds == body.seconds
        assert np.allclose(again.values, body.values, atol=1e-6)


def test_samples_are_written_as_bodies_where_a_skeleton_is_known(tmp_path: Path) -> None:
    form = load(write(tmp_path / "a.bvh", bvh()), test=0, valid=0).form
    check_suffix(tmp_path / "s.bvh", form)
    steps = np.random.default_rng(1).normal(size=(2, 9, 10)).astype(np.float32)
    write_sequences(tmp_path / "s.bvh", list(steps), form, 0)
    body = motion_of(tmp_path / "s.bvh")
    assert body.skeleton == form.skeleton and len(body.values) == 18
    places = body.skeleton.positions(np.concatenate([motion(one, form) for one in steps]))
    assert np.allclose(body.skeleton.positions(body.values), places, atol=1e-4)
    with pytest.raises(HvaeError, match=r"ends in \.npz for motion, got .* without a skeleton"):
        check_suffix(tmp_path / "s.bvh", replace(form, skeleton=None))


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (bvh(head=HEAD.replace("Head", "Neck")), "one skeleton and one frame time"),
        (bvh(seconds="0.01"), "one skeleton and one frame time"),
        ("damaged", "expected a BVH file"),
    ],
)
def test_files_of_a_folder_that_differ(other: str, line: str, tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path / f"{n}.bvh", bvh(VALUES + n))
    write(tmp_path / "odd.bvh", other)
    with pytest.raises(HvaeError, match=line) as fault:
        load(tmp_path, test=0, valid=0)
    assert "\n" not in str(fault.value)
    data = load(tmp_path, bad="skip", test=0, valid=0)
    assert len(data.train) == 3 and data.provenance.tally.unused


def test_bones_of_other_lengths_are_one_skeleton(tmp_path: Path) -> None:
    write(tmp_path / "a.bvh", bvh())
    write(tmp_path / "b.bvh", bvh(VALUES + 1, HEAD.replace("OFFSET 0.0 3.0", "OFFSET 0.0 4.0")))
    notes = " ".join(load(tmp_path, test=0, valid=0).provenance.transforms)
    assert "figures have the bones of a.bvh" in notes and "rotations unwrapped" in notes


ROW = " ".join(["1"] * 10)
HOSTILE = {
    "empty": "",
    "no hierarchy": f"MOTION\nFrames: 1\nFrame Time: 1\n{ROW}\n",
    "no motion": HEAD,
    "an open brace": bvh(head=HEAD.rstrip().removesuffix("}")),
    "a brace too many": bvh(head=HEAD + "}\n"),
    "no joint": bvh(head="HIERARCHY\n"),
    "more channels than named": bvh(head=HEAD.replace("CHANNELS 1", "CHANNELS 2")),
    "a channel twice": bvh(head=HEAD.replace("CHANNELS 1 Xrotation", "CHANNELS 2 Xrotation Xrotation")),
    "an unknown channel": bvh(head=HEAD.replace("CHANNELS 1 X", "CHANNELS 1 Q")),
    "words for an offset": bvh(head=HEAD.replace("OFFSET 1.0", "OFFSET one")),
    "an endless offset": bvh(head=HEAD.replace("OFFSET 1.0", "OFFSET inf")),
    "many joints": bvh(head="HIERARCHY\n" + "ROOT a\n{\n" * 2000 + "}\n" * 2000),
    "no name": bvh(head=HEAD.replace("Hips", "")),
    "an end that moves": bvh(head=HEAD.replace("OFFSET 0.0 -2.0 0.5", "OFFSET 0.0 -2.0 0.5\nCHANNELS 1 Xrotation")),
    "a long name": bvh(head=HEAD.replace("Hips", "H" * 200)),
    "an endless header": "HIERARCHY\n" + "#" * (1 << 21) + bvh(),
    "more frames than there are": bvh(frames="31"),
    "fewer frames than there are": bvh(frames="29"),
    "a billion frames": bvh(frames="999999999999"),
    "no frames": bvh(VALUES[:0]),
    "no time": bvh(seconds="nan"),
    "negative time": bvh(seconds="-1"),
    "words": bvh().replace("MOTION", "MOTION\nx"),
    "a number too few": bvh()[:-12] + "\n",
    "words for numbers": bvh() + "code code\n",
    "no number": bvh(np.full((3, 10), np.nan)),
    "a number beyond": bvh(np.full((3, 10), 1e12)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_damage_is_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(HvaeError) as fault:
        load(write(tmp_path / "a.bvh", text), test=0, valid=0)
    assert "\n" not in str(fault.value) and "a.bvh" in str(fault.value) and len(str(fault.value)) < 600


def test_a_skeleton_of_one_step_and_of_none() -> None:
    point = Skeleton(names=("a",), parents=(-1,), offsets=(1.0, 2.0, 3.0), channels=("Y",))
    assert point.positions(np.array([[7.0]])).tolist() == [[[1.0, 7.0, 3.0]]], "in place of its offset"
    assert point.positions(np.zeros((0, 1))).shape == (0, 1, 3)
