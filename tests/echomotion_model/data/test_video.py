"""Decoding, resizing and cropping of frames, with keypoints and camera."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echomotion_model.data.fit import compute_resize_crop
from echomotion_model.data.video import decode_window
from humove.motion.camera import intrinsics_from_fov, project_points
from humove.types import Pose2D
from humove.video.frames import ArrayFrames, yuv_to_rgb
from shards.buckets import Bucket
from tests.echomotion_model.data.sets import compute_level, compute_point, encode_marked_mp4, make_pose2d

RATE = Fraction(25)


def make_pose(*points: tuple[float, float]) -> Pose2D:
    xy = np.array([points], np.float32)
    return Pose2D(keypoints=xy, scores=np.ones(xy.shape[:2], np.float32), skeleton="s", names=("p",) * len(points))


def find_disc(frame: np.ndarray) -> np.ndarray:
    """Find the dark disc's centre, px, on a bright background."""
    dark = frame[..., 1].max() - frame[..., 1].astype(float)
    dark[dark < 20] = 0
    y, x = np.mgrid[: dark.shape[0], : dark.shape[1]] + 0.5
    return np.array([(dark * x).sum(), (dark * y).sum()]) / dark.sum()


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((96, 48), Bucket(96, 48, 17)),
        ((200, 150), Bucket(96, 48, 17)),
        ((58, 98), Bucket(64, 64, 17)),
        ((96, 50), Bucket(48, 96, 17)),
        ((64, 64), Bucket(160, 112, 17)),
    ],
)
def test_points_move_with_the_frame(size: tuple[int, int], bucket: Bucket) -> None:
    width, height = size
    pose = make_pose2d(30, width, height)
    crop = compute_resize_crop(bucket, width, height, pose)
    frames = np.array([0, 9, 9, 29])
    video = decode_window(encode_marked_mp4(30, RATE, width, height), frames, crop)
    assert video.shape == (4, bucket.height, bucket.width, 3) and video.dtype == np.uint8
    scale = max(bucket.width / width, bucket.height / height)
    for frame, number in zip(video, frames, strict=True):
        expected = crop.map_points(np.array(compute_point(number, width, height)))
        assert np.abs(find_disc(frame) - expected).max() < 0.15 + 0.15 * scale
    np.testing.assert_array_equal(video[1], video[2])


@given(st.lists(st.integers(0, 69), min_size=1, max_size=40).map(sorted))
@settings(max_examples=20, deadline=None)
def test_each_frame_is_the_requested_one(frames: list[int]) -> None:
    crop = compute_resize_crop(Bucket(64, 64, 17), 64, 64, make_pose2d(70, 64, 64))
    video = decode_window(encode_marked_mp4(70, RATE, 64, 64), np.array(frames), crop)
    ground = video[:, :12, :12].reshape(len(frames), -1).mean(1)
    assert np.abs(ground - [compute_level(frame) for frame in frames]).max() < 4  # levels are 8 apart


@pytest.mark.parametrize(("matrix", "tag"), [("bt601", 6), ("bt709", 1)])
def test_colours_follow_the_videos_tag(matrix: str, tag: int) -> None:
    yuv = ArrayFrames([np.full((64, 64, 3), (200, 60, 30), np.uint8)], 25).read_yuv(0)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as box:
        stream = box.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = tag, 1
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        box.mux(stream.encode(frame))
        box.mux(stream.encode())
    crop = compute_resize_crop(Bucket(32, 32, 17), 64, 64, make_pose((32, 32)))
    video = decode_window(out.getvalue(), np.array([0]), crop)
    assert np.abs(video.astype(int) - yuv_to_rgb(yuv, matrix)[0, 0]).max() <= 4


sides = st.integers(32, 900)


@given(sides, sides, st.sampled_from([(832, 480), (480, 832), (624, 624)]), st.floats(0, 1), st.floats(0, 1))
def test_the_crop_is_inside_the_frame_and_contains_the_person(width, height, shape, x, y) -> None:
    at = (x * width, y * height)
    crop = compute_resize_crop(Bucket(*shape, 17), width, height, make_pose(at))
    assert 0 <= crop.left <= crop.scaled_width - shape[0] and 0 <= crop.top <= crop.scaled_height - shape[1]
    assert crop.scaled_width == shape[0] or crop.scaled_height == shape[1]
    assert ((crop.map_points(np.array(at)) >= -1e-3) & (crop.map_points(np.array(at)) <= np.array(shape) + 1e-3)).all()
    camera = intrinsics_from_fov(width, height, 50)
    joints = np.random.default_rng(0).normal((0, 0, 4), 0.5, (20, 3))
    np.testing.assert_allclose(
        project_points(joints, crop.map_intrinsics(camera)), crop.map_points(project_points(joints, camera)), atol=0.02
    )  # fmt: skip


def test_points_of_low_score_do_not_move_the_crop() -> None:
    pose = Pose2D(
        keypoints=np.array([[[10, 10], [700, 10]]], np.float32), scores=np.array([[0.1, 0.9]], np.float32),
        skeleton="s", names=("a", "b"),
    )  # fmt: skip
    assert compute_resize_crop(Bucket(64, 64, 17), 800, 400, pose).left == 64  # at the right edge
    invisible = Pose2D(keypoints=pose.keypoints, scores=pose.scores * 0, skeleton="s", names=("a", "b"))
    assert compute_resize_crop(Bucket(64, 64, 17), 800, 400, invisible).left == 32


def test_a_video_that_does_not_match_the_index_is_an_error() -> None:
    crop = compute_resize_crop(Bucket(64, 64, 17), 64, 64, make_pose2d(5, 64, 64))
    with pytest.raises(ValueError, match="has no frame 7, of 8"):
        decode_window(encode_marked_mp4(5, RATE, 64, 64), np.array([1, 7]), crop)
    with pytest.raises(ValueError, match="the video is 96x48, the index says 64x64"):
        decode_window(encode_marked_mp4(5, RATE, 96, 48), np.array([1]), crop)
