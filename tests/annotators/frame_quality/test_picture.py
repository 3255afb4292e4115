"""Frame quality scores of synthetic frames with known properties."""

import cv2
import numpy as np
import pytest

from annotators.frame_quality import technical
from annotators.frame_quality.config import FrameQualityConfig
from annotators.frame_quality.measure import THRESHOLDS, judge_frame_quality, measure_frame_quality, sample_frames
from annotators.frame_quality.strokes import find_text_boxes
from annotators.frame_quality.watermark import find_watermark_boxes
from humove.reasons import Reason
from humove.video.frames import ArrayFrames


def make_scene(height: int = 360, width: int = 640, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: sharp shapes of many sizes on a brightness gradient."""
    rng = np.random.default_rng(seed)
    image = np.tile(np.linspace(60, 150, width, dtype=np.float32)[None, :, None], (height, 1, 3)).astype(np.uint8)
    for _ in range(240):
        centre = rng.integers(0, (width, height)).tolist()
        colour = rng.integers(20, 235, 3).tolist()
        cv2.ellipse(image, centre, rng.integers(4, 40, 2).tolist(), int(rng.integers(180)), 0, 360, colour, -1)
    return image


def make_pan(count: int, step: int = 6) -> list[np.ndarray]:
    """Frames of a camera that moves over a scene."""
    wide = make_scene(360, 640 + count * step)
    return [wide[:, k * step : k * step + 640].copy() for k in range(count)]


def draw_text(image: np.ndarray, text: str, at: tuple[int, int], scale: float, colour: int = 255) -> np.ndarray:
    out = image.copy()
    cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 5, cv2.LINE_AA)
    cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (colour,) * 3, 2, cv2.LINE_AA)
    return out


def to_grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


DAMAGE = {
    "detail": lambda g: cv2.GaussianBlur(g, (0, 0), 2.5),
    "blockiness": lambda g: cv2.imdecode(cv2.imencode(".jpg", g, [cv2.IMWRITE_JPEG_QUALITY, 5])[1], 0),
    "noise": lambda g: np.clip(g + np.random.default_rng(1).normal(0, 14, g.shape), 0, 255).astype(np.uint8),
    "contrast": lambda g: (110 + (g.astype(np.float32) - 110) * 0.15).astype(np.uint8),
}


@pytest.mark.parametrize("name", list(DAMAGE))
def test_each_damage_lowers_its_measure_and_the_grade(name: str) -> None:
    clean = to_grey(make_scene())
    before, after = technical.measure_technical_quality(clean), technical.measure_technical_quality(DAMAGE[name](clean))
    assert technical.grade_scores(before) > 0.9
    assert technical.grade_scores(after) < 0.3
    bad, good = technical.GRADES[name]
    grades = {key: (after[key] - low) / (high - low) for key, (low, high) in technical.GRADES.items()}
    assert min(grades, key=grades.get) == name and (before[name] - after[name]) * (good - bad) > 0


def test_noise_is_measured_in_grey_levels() -> None:
    rng = np.random.default_rng(0)
    slope = np.tile(np.linspace(60, 180, 400), (300, 1))
    for sigma in (3.0, 8.0, 15.0):
        noisy = np.clip(slope + rng.normal(0, sigma, slope.shape), 0, 255).round().astype(np.uint8)
        assert technical.measure_noise(noisy) == pytest.approx(sigma, rel=0.06)
    assert technical.measure_noise(slope.round().astype(np.uint8)) < 0.5


@pytest.mark.parametrize("offset", range(8))
def test_blocks_are_detected_at_any_offset_of_the_grid(offset: int) -> None:
    squeezed = DAMAGE["blockiness"](to_grey(make_scene()))
    crop = squeezed[offset : offset + 300, offset : offset + 500]
    assert technical.measure_blockiness(crop) > 1 > 0.1 > technical.measure_blockiness(to_grey(make_scene()))


def test_a_line_of_text_is_located() -> None:
    image = draw_text(make_scene(), "She turns to the left and waves", (90, 330), 0.8)
    (size, base), _ = cv2.getTextSize("She turns to the left and waves", cv2.FONT_HERSHEY_SIMPLEX, 0.8, 2), None
    truth = np.array([90, 330 - size[1], 90 + size[0], 330 + base])
    boxes = find_text_boxes(to_grey(image)[None])
    covered = np.zeros(image.shape[:2], bool)
    for x0, y0, x1, y1 in boxes.astype(int):
        covered[y0:y1, x0:x1] = True
    x0, y0, x1, y1 = truth
    assert covered[y0:y1, x0:x1].mean() > 0.4
    covered[y0 - 8 : y1 + 8, x0 - 8 : x1 + 8] = False
    assert not covered.any()
    assert len(find_text_boxes(to_grey(make_scene())[None])) == 0


def test_static_text_counts_by_its_area() -> None:
    words = "Subscribe for more of these"
    bare = make_pan(48)
    whole = (0, 0, 640, 360)
    none = measure_frame_quality(ArrayFrames(bare, 24), whole, 4)
    assert none["text_share"] == 0
    burnt = measure_frame_quality(ArrayFrames([draw_text(f, words, (60, 320), 0.8) for f in bare], 24), whole, 4)
    size, _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 2)
    share = size[0] * size[1] / (640 * 360)
    assert burnt["text_share"] == pytest.approx(share, rel=0.5)
    # A sign in the scene moves with it.
    wide = draw_text(make_scene(360, 640 + 48 * 6), words, (300, 200), 0.8)
    passing = [wide[:, k * 6 : k * 6 + 640].copy() for k in range(48)]
    assert measure_frame_quality(ArrayFrames(passing, 24), whole, 4)["text_share"] < 0.4 * burnt["text_share"]
    # Pixels outside the window are not stored, so they do not count.
    frames = ArrayFrames([draw_text(f, words, (60, 320), 0.8) for f in bare], 24)
    assert measure_frame_quality(frames, (0, 0, 640, 260), 4)["text_share"] == 0


def test_subtitles_for_a_part_of_the_clip_count_in_full() -> None:
    frames = make_pan(60)
    frames = frames[:40] + [draw_text(f, "Now she sits down again", (80, 320), 0.8) for f in frames[40:]]
    assert measure_frame_quality(ArrayFrames(frames, 24), (0, 0, 640, 360), 4)["text_share"] > 0.01


def draw_logo(image: np.ndarray) -> np.ndarray:
    over = image.copy()
    cv2.circle(over, (570, 60), 26, (255, 255, 255), 6, cv2.LINE_AA)
    cv2.fillPoly(over, [np.array([[560, 46], [584, 60], [560, 74]])], (255, 80, 60))
    return cv2.addWeighted(over, 0.8, image, 0.2, 0)


def test_a_watermark_is_found_before_a_moving_scene_only() -> None:
    moving = [to_grey(f) for f in make_pan(12, 18)]
    assert len(find_watermark_boxes(np.stack(moving))) == 0
    marked = np.stack([to_grey(draw_logo(f)) for f in make_pan(12, 18)])
    (box,) = find_watermark_boxes(marked)
    assert np.abs(box - (541, 31, 600, 90)).max() <= 8
    still = np.stack([to_grey(draw_logo(make_scene()))] * 12)
    assert len(find_watermark_boxes(still)) == 0
    assert len(find_watermark_boxes(marked[:3])) == 0


def test_the_places_lie_within_short_clips_too() -> None:
    for count in (1, 2, 3, 7, 45, 300):
        places = sample_frames(count, 30.0, 4)
        assert len(places) == 4 and all(0 <= i < count for place in places for i in place)
        assert places[0][0] == 0 and places[-1][-1] == count - 1
    assert sample_frames(300, 30.0, 2) == [(0, 8, 16), (283, 291, 299)]


def test_one_frame_is_enough_for_scores() -> None:
    scores = measure_frame_quality(ArrayFrames([make_scene()], 30), (0, 0, 640, 360), 4)
    assert scores["watermark_share"] == 0 and scores["technical_quality"] > 0.8


def test_every_clip_passes_by_default_and_each_threshold_has_its_reason() -> None:
    worst = {"technical_quality": 0.0, "text_share": 1.0, "watermark_share": 1.0}
    assert judge_frame_quality(worst, FrameQualityConfig()) is None
    for setting, value, reason in [
        ("min_technical_quality", 0.5, Reason.LOW_TECHNICAL_QUALITY),
        ("max_text_share", 0.02, Reason.BURNT_IN_TEXT),
        ("max_watermark_share", 0.0, Reason.WATERMARK),
    ]:
        reject = judge_frame_quality(worst, FrameQualityConfig(**{setting: value}))
        assert reject and (reject.reason, reject.threshold) == (reason, value)
    assert [threshold.setting for threshold in THRESHOLDS.thresholds][0] == "frame_quality.min_technical_quality"
