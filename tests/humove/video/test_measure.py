"""Measures of pictures: each must rank what it is meant to tell apart."""

import av
import cv2
import numpy as np

from humove.video.measure import dhash, difference, measure, mismatch, sharpness


def _scene(seed: int) -> np.ndarray:
    """(96, 96) uint8: a few hundred grey rectangles."""
    rng = np.random.default_rng(seed)
    image = np.full((96, 96), 120, np.uint8)
    for x, y, w, h, grey in rng.integers((0, 0, 4, 4, 0), (96, 96, 24, 24, 255), (60, 5)):
        image[y : y + h, x : x + w] = grey
    return image


def test_motion_explains_a_shift_but_not_another_scene() -> None:
    scene, moved, other = _scene(1), np.roll(_scene(1), 8, axis=1), _scene(2)
    assert difference(scene, moved) > 15
    assert mismatch(scene, moved) < difference(scene, moved) / 3
    assert mismatch(scene, other) > 2 * mismatch(scene, moved)
    assert mismatch(scene, scene) == 0


def test_blur_lowers_sharpness_and_low_texture_does_not() -> None:
    image = cv2.resize(_scene(3), (480, 270), interpolation=cv2.INTER_NEAREST)
    values = [sharpness(cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (0.5, 1, 2, 4, 7)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.8 and values[-1] < 0.4
    flat = np.full_like(image, 90)
    flat[100:160, 200:240] = 120
    assert sharpness(flat) > 0.8
    assert sharpness(np.full_like(image, 90)) == 0
    pan = cv2.blur(image, (25, 1))  # motion along x leaves the edges across it
    assert sharpness(pan) > 0.6


def test_dhash_ignores_size_and_light() -> None:
    scene = _scene(4)
    larger = cv2.resize(scene, (300, 200), interpolation=cv2.INTER_AREA)
    darker = (scene * 0.6).astype(np.uint8)
    for alike in (larger, darker):
        assert (dhash(scene) ^ dhash(alike)).bit_count() <= 5
    assert (dhash(scene) ^ dhash(_scene(5))).bit_count() > 15


def test_light_is_read_over_the_full_range() -> None:
    white = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 255, np.uint8), format="rgb24")
    for fmt in ("yuv420p", "yuv444p", "yuv420p10le"):
        seen = measure(white.reformat(format=fmt), 0, full_range=False)
        assert seen.luma > 0.99 and seen.highlights == 1 and seen.shadows == 0, fmt
    full = measure(white.reformat(format="yuvj420p"), 0, full_range=True)
    assert full.luma > 0.99
    rgb = measure(white, 0, full_range=False)
    assert rgb.luma > 0.99


def test_rotation_turns_the_picture() -> None:
    image = np.zeros((96, 96, 3), np.uint8)
    image[:48] = 250  # bright above
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    turned = measure(frame, 90, full_range=False).small  # counter-clockwise: bright on the left
    assert turned[:, :40].mean() > 200 and turned[:, 56:].mean() < 50
