"""The screen: each threshold rejects its fault, with the score."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from humove.reasons import Reason
from humove.video.probe import probe_video
from humove.video.scan import Scan, scan_video
from pipelines.stages.screen import ScreenConfig, compute_screen_scores, judge_screen
from tests.pipelines.scenes import draw_scene, measure_scan

_GOOD = {
    "short_side": 540.0, "seconds": 3.0, "brightness": 0.4, "highlights": 0.02, "still_share": 0.0, "sharpness": 0.9,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory):
    from tests.humove.video.conftest import draw_number, write_film

    path = tmp_path_factory.mktemp("screen") / "plain.mp4"
    return probe_video(write_film(path, [draw_number(i) for i in range(3)]))


@pytest.mark.parametrize(
    ("score", "value", "reason"),
    [
        ("short_side", 239, Reason.TOO_SMALL),
        ("brightness", 0.03, Reason.TOO_DARK),
        ("highlights", 0.9, Reason.OVEREXPOSED),
        ("still_share", 0.8, Reason.FROZEN),
        ("sharpness", 0.28, Reason.BLURRY),
    ],
)
def test_each_threshold(score: str, value: float, reason: Reason) -> None:
    assert judge_screen(_GOOD, ScreenConfig()) is None
    verdict = judge_screen(_GOOD | {score: value}, ScreenConfig())
    assert verdict.reason is reason
    assert verdict.score == value
    assert verdict.threshold is not None
    loose = ScreenConfig(min_short_side=0, min_brightness=0, max_highlights=1, max_still_share=1, min_sharpness=0)
    assert judge_screen(_GOOD | {score: value}, loose) is None


def test_scores_distinguish_faults(plain) -> None:
    good = draw_scene(1, 30)
    frozen = [good[0]] * 20 + good[20:]
    blurred = [cv2.GaussianBlur(p, (0, 0), 144 * 14 / 540) for p in good]
    dark = [(p * 0.05).astype(np.uint8) for p in good]
    bright = [np.clip(p.astype(int) + 190, 0, 255).astype(np.uint8) for p in good]
    wanted = {
        None: good, Reason.FROZEN: frozen, Reason.BLURRY: blurred, Reason.TOO_DARK: dark, Reason.OVEREXPOSED: bright,
    }  # fmt: skip
    for reason, frames in wanted.items():
        scores = compute_screen_scores(measure_scan(frames), 0, 30, plain)
        verdict = judge_screen(scores, ScreenConfig())
        assert (verdict and verdict.reason) is reason, scores


def test_a_span_is_judged_independently(plain) -> None:
    good = draw_scene(2, 60)
    frames = [good[0]] * 30 + good[30:]
    series = measure_scan(frames)
    assert compute_screen_scores(series, 0, 30, plain)["still_share"] == 1
    assert compute_screen_scores(series, 30, 60, plain)["still_share"] == 0


def test_repeated_frames_of_a_low_rate_are_not_frozen(plain) -> None:
    frames = [p for p in draw_scene(3, 15, pan=2) for _ in range(4)]
    assert compute_screen_scores(measure_scan(frames), 0, 60, plain)["still_share"] < 0.1


def test_real_files(shared_data: Path) -> None:
    wanted = {
        "blurry.mp4": Reason.BLURRY, "dark.mp4": Reason.TOO_DARK, "frozen_still.mp4": Reason.FROZEN,
        "low_res.mp4": Reason.TOO_SMALL, "skv_carphone.mp4": Reason.TOO_SMALL, "mma_struct.mp4": None,
        "dup_near_reencode_of_a.mp4": None, "vfr.mp4": None, "p2s_single01.mp4": None, "intel_asl_walk.mkv": None,
    }  # fmt: skip
    for name, reason in wanted.items():
        path = shared_data / "video" / name
        probe = probe_video(path)
        series = scan_video(path, probe)
        assert isinstance(series, Scan)
        scores = compute_screen_scores(series, 0, series.num_frames, probe)
        verdict = judge_screen(scores, ScreenConfig())
        assert (verdict and verdict.reason) is reason, (name, scores)
