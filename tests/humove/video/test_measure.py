"""Frame measurements: each ranks the cases that it must distinguish."""

import av
import cv2
import numpy as np

from humove.video.measure import compute_dhash, compute_difference, compute_mismatch, compute_sharpness, measure_frame


def _draw_scene(seed: int) -> np.ndarray:
    """(96, 96) uint8: a few hundred grey rectangles."""
    rng = np.random.default_rng(seed)
    image = np.full((96, 96), 120, np.uint8)
    for x, y, w, h, grey in rng.integers((0, 0, 4, 4, 0), (96, 96, 24, 24, 255), (60, 5)):
        image[y : y + h, x : x + w] = grey
    return image


def test_motion_explains_a_shift_but_not_another_scene() -> None:
    scene, moved, other = _draw_scene(1), np.roll(_draw_scene(1), 8, axis=1), _draw_scene(2)
    assert compute_difference(scene, moved) > 15
    assert compute_mismatch(scene, moved) < compute_difference(scene, moved) / 3
    assert compute_mismatch(scene, other) > 2 * compute_mismatch(scene, moved)
    assert compute_mismatch(scene, scene) == 0


def test_blur_lowers_sharpness_and_low_texture_does_not() -> None:
    image = cv2.resize(_draw_scene(3), (480, 270), interpolation=cv2.INTER_NEAREST)
    values = [compute_sharpness(cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (0.5, 1, 2, 4, 7)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.8 and values[-1] < 0.4
    flat = np.full_like(image, 90)
    flat[100:160, 200:240] = 120
    assert compute_sharpness(flat) > 0.8
    assert compute_sharpness(np.full_like(image, 90)) == 0
    pan = cv2.blur(image, (25, 1))  # motion along x leaves the edges across it
    assert compute_sharpness(pan) > 0.6


def test_dhash_ignores_size_and_light() -> None:
    scene = _draw_scene(4)
    larger = cv2.resize(scene, (300, 200), interpolation=cv2.INTER_AREA)
    darker = (scene * 0.6).astype(np.uint8)
    for alike in (larger, darker):
        assert (compute_dhash(scene) ^ compute_dhash(alike)).bit_count() <= 5
    assert (compute_dhash(scene) ^ compute_dhash(_draw_scene(5))).bit_count() > 15


def test_light_is_read_over_the_full_range() -> None:
    white = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 255, np.uint8), format="rgb24")
    for fmt in ("yuv420p", "yuv444p", "yuv420p10le"):
        probe = measure_frame(white.reformat(format=fmt), 0, full_range=False)
        assert probe.luma > 0.99 and probe.highlights == 1 and probe.shadows == 0, fmt
    full = measure_frame(white.reformat(format="yuvj420p"), 0, full_range=True)
    assert full.luma > 0.99
    rgb = measure_frame(white, 0, full_range=False)
    assert rgb.luma > 0.99


def test_rotation_turns_the_image() -> None:
    image = np.zeros((96, 96, 3), np.uint8)
    image[:48] = 250  # bright above
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    turned = measure_frame(frame, 90, full_range=False).small  # counter-clockwise: bright on the left
    assert turned[:, :40].mean() > 200 and turned[:, 56:].mean() < 50
