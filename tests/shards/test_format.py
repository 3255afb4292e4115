"""Names and encodings."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from humove.ids import format_clip_id
from humove.types import Pose2D, Sample
from shards.format import encode_meta, encode_sample, format_shard_name, parse_key, parse_shard_name
from shards.npz import (
    MOTION_ARRAYS,
    decode_motion_npz,
    decode_npz,
    decode_pose2d_npz,
    encode_motion_npz,
    encode_npz,
    encode_pose2d_npz,
)

arrays = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
    hnp.arrays(
        st.sampled_from(["<f4", "<f8", "<i8", "|b1", "<U5"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=50)
@given(stored=arrays)
def test_npz_round_trip(stored: dict[str, np.ndarray]):
    raw = encode_npz(stored)
    got = decode_npz(raw)
    assert list(got) == list(stored)
    for name, array in stored.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        assert got[name].tobytes() == array.tobytes()
    assert encode_npz(got) == raw


def test_npz_has_no_timestamp_and_no_pickle(samples: list[Sample]):
    raw = encode_motion_npz(samples[0].motion)
    with zipfile.ZipFile(io.BytesIO(raw)) as box:
        assert {entry.date_time for entry in box.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert [entry.filename for entry in box.infolist()] == [f"{name}.npy" for name in MOTION_ARRAYS]
    with pytest.raises(ValueError, match="[Oo]bject arrays"):
        encode_npz({"x": np.array([{}], dtype=object)})
    evil = io.BytesIO()
    np.savez(evil, x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        decode_npz(evil.getvalue())


def test_motion_is_decoded_with_the_format_s_dtypes(samples: list[Sample]):
    got, true = decode_motion_npz(encode_motion_npz(samples[0].motion)), samples[0].motion
    for name, (dtype, _) in MOTION_ARRAYS.items():
        assert getattr(got, name).dtype == np.dtype(dtype)
        np.testing.assert_array_equal(getattr(got, name), getattr(true, name))


points = st.integers(0, 5).flatmap(
    lambda k: st.tuples(
        hnp.arrays(np.float32, (3, k, 2), elements=st.floats(-1e6, 1e6, width=32)),
        hnp.arrays(np.float32, (3, k), elements=st.floats(0, 1, width=32)),
        st.lists(st.text("abcdefg_é", min_size=1, max_size=6), min_size=k, max_size=k).map(tuple),
        st.text("abc_17", min_size=1, max_size=9),
    )
)


@settings(deadline=None, max_examples=50)
@given(drawn=points)
def test_pose2d_round_trip(drawn: tuple):
    keypoints, scores, names, skeleton = drawn
    pose = Pose2D(keypoints=keypoints, scores=scores, names=names, skeleton=skeleton)
    got = decode_pose2d_npz(encode_pose2d_npz(pose))
    np.testing.assert_array_equal(got.keypoints, keypoints)
    np.testing.assert_array_equal(got.scores, scores)
    assert (got.names, got.skeleton) == (names, skeleton)


@settings(deadline=None, max_examples=50)
@given(
    video_id=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    numbers=st.tuples(st.integers(0, 99_999), st.integers(0, 99_999), st.integers(0, 199)),
)
def test_a_clip_id_parses_as_a_key(video_id: str, numbers: tuple[int, int, int]):
    parts = parse_key(format_clip_id(video_id, *numbers))
    assert (parts.video_id, parts.shot, parts.clip, parts.person) == (video_id, *numbers)


@pytest.mark.parametrize(
    "key", ["", "a-s0-c0-p0", "a.b-s0000-c0000-p00", "../a-s0000-c0000-p00", "a-s0000-c0000-p00\n"]
)
def test_invalid_keys(key: str):
    with pytest.raises(ValueError, match="not a sample key"):
        parse_key(key)


@pytest.mark.parametrize("name", ["train-1.tar", "../train-000000.tar", "train-000000.tar.gz", "Train-000000.tar", ""])
def test_invalid_shard_names(name: str):
    with pytest.raises(ValueError, match="not a shard name"):
        parse_shard_name(name)
    assert parse_shard_name(format_shard_name("val", 12)) == ("val", 12)


def test_members_are_in_the_format_s_order(samples: list[Sample]):
    members = encode_sample(samples[0])
    assert [suffix for suffix, _ in members] == ["mp4", "motion.npz", "pose2d.npz", "txt", "json"]
    assert dict(members)["txt"].decode() == samples[0].meta["captions"]["full"]
    assert json.loads(dict(members)["json"]) == samples[0].meta


def test_json_layout_is_fixed_and_strict():
    assert encode_meta({"b": 1, "a": "é"}) == '{\n "a": "é",\n "b": 1\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_meta({"a": float("nan")})
