"""The picture of a window: the right frames, at the right place, with points and camera moved along."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echomotion_model.data.fit import fit_to
from echomotion_model.data.video import decode_window
from humove.camera import intrinsics_from_fov, project
from humove.types import Pose2D
from humove.video.frames import ArrayFrames, yuv_to_rgb
from shards.buckets import Bucket
from tests.echomotion_model.data.sets import level, make_pose2d, marked_mp4, point

RATE = Fraction(25)


def pose_at(*points: tuple[float, float]) -> Pose2D:
    xy = np.array([points], np.float32)
    return Pose2D(keypoints=xy, scores=np.ones(xy.shape[:2], np.float32), skeleton="s", names=("p",) * len(points))


def disc(picture: np.ndarray) -> np.ndarray:
    """The dark disc's middle, px; the ground is the brightest."""
    dark = picture[..., 1].max() - picture[..., 1].astype(float)
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
def test_points_move_with_the_picture(size: tuple[int, int], bucket: Bucket) -> None:
    width, height = size
    pose = make_pose2d(30, width, height)
    fit = fit_to(bucket, width, height, pose)
    frames = np.array([0, 9, 9, 29])
    video = decode_window(marked_mp4(30, RATE, width, height), frames, fit)
    assert video.shape == (4, bucket.height, bucket.width, 3) and video.dtype == np.uint8
    scale = max(bucket.width / width, bucket.height / height)
    for picture, frame in zip(video, frames, strict=True):
        expected = fit.points(np.array(point(frame, width, height)))
        assert np.abs(disc(picture) - expected).max() < 0.15 + 0.15 * scale
    np.testing.assert_array_equal(video[1], video[2])


@given(st.lists(st.integers(0, 69), min_size=1, max_size=40).map(sorted))
@settings(max_examples=20, deadline=None)
def test_each_frame_is_the_one_asked_for(frames: list[int]) -> None:
    fit = fit_to(Bucket(64, 64, 17), 64, 64, make_pose2d(70, 64, 64))
    video = decode_window(marked_mp4(70, RATE, 64, 64), np.array(frames), fit)
    ground = video[:, :12, :12].reshape(len(frames), -1).mean(1)
    assert np.abs(ground - [level(frame) for frame in frames]).max() < 4  # levels are 8 apart


@pytest.mark.parametrize(("matrix", "tag"), [("bt601", 6), ("bt709", 1)])
def test_colours_are_those_that_the_video_is_tagged_with(matrix: str, tag: int) -> None:
    yuv = ArrayFrames([np.full((64, 64, 3), (200, 60, 30), np.uint8)], 25).yuv(0)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as box:
        stream = box.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = tag, 1
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        box.mux(stream.encode(frame))
        box.mux(stream.encode())
    fit = fit_to(Bucket(32, 32, 17), 64, 64, pose_at((32, 32)))
    video = decode_window(out.getvalue(), np.array([0]), fit)
    assert np.abs(video.astype(int) - yuv_to_rgb(yuv, matrix)[0, 0]).max() <= 4


sides = st.integers(32, 900)


@given(sides, sides, st.sampled_from([(832, 480), (480, 832), (624, 624)]), st.floats(0, 1), st.floats(0, 1))
def test_the_window_lies_in_the_picture_and_around_the_person(width, height, shape, x, y) -> None:
    at = (x * width, y * height)
    fit = fit_to(Bucket(*shape, 17), width, height, pose_at(at))
    assert 0 <= fit.left <= fit.scaled_width - shape[0] and 0 <= fit.top <= fit.scaled_height - shape[1]
    assert fit.scaled_width == shape[0] or fit.scaled_height == shape[1]
    assert ((fit.points(np.array(at)) >= -1e-3) & (fit.points(np.array(at)) <= np.array(shape) + 1e-3)).all()
    camera = intrinsics_from_fov(width, height, 50)
    joints = np.random.default_rng(0).normal((0, 0, 4), 0.5, (20, 3))
    np.testing.assert_allclose(
        project(joints, fit.intrinsics(camera)), fit.points(project(joints, camera)), atol=0.02
    )  # fmt: skip


def test_unseen_points_do_not_draw_the_window() -> None:
    pose = Pose2D(
        keypoints=np.array([[[10, 10], [700, 10]]], np.float32), scores=np.array([[0.1, 0.9]], np.float32),
        skeleton="s", names=("a", "b"),
    )  # fmt: skip
    assert fit_to(Bucket(64, 64, 17), 800, 400, pose).left == 64  # at the right edge, and no further
    nothing = Pose2D(keypoints=pose.keypoints, scores=pose.scores * 0, skeleton="s", names=("a", "b"))
    assert fit_to(Bucket(64, 64, 17), 800, 400, nothing).left == 32


def test_a_video_that_is_not_what_the_index_says() -> None:
    fit = fit_to(Bucket(64, 64, 17), 64, 64, make_pose2d(5, 64, 64))
    with pytest.raises(ValueError, match="has no frame 7, of 8"):
        decode_window(marked_mp4(5, RATE, 64, 64), np.array([1, 7]), fit)
    with pytest.raises(ValueError, match="the video is 96x48, the index says 64x64"):
        decode_window(marked_mp4(5, RATE, 96, 48), np.array([1]), fit)
