"""Shots: cuts to the frame, fades and dissolves as spans, and no cut by movement or light alone."""

import json
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scenedetect
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from humove.video.probe import probe_video
from humove.video.scan import Scan, scan_video
from pipelines.stages.shots.cuts import (
    Shot,
    SplitConfig,
    compute_frame_times,
    find_nearest_indices,
    find_shots,
    plan_clips,
)
from pipelines.stages.shots.proposals import propose_cuts
from pipelines.stages.shots.transitions import TransitionConfig
from tests.pipelines.scenes import draw_scene, measure_scan, mix_frames

_FPS, _TICK = Fraction(30), Fraction(1, 30)


def _find_shots(series: Scan, config: SplitConfig | None = None) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    shots, soft = find_shots(series, _FPS, _TICK, config or SplitConfig())
    assert [shot.index for shot in shots] == list(range(len(shots)))
    spans = sorted([(s.start_frame, s.end_frame) for s in shots] + [(s.start, s.end) for s in soft])
    assert spans[0][0] == 0 and spans[-1][1] == series.num_frames
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False)), spans
    return [(s.start_frame, s.end_frame) for s in shots], [(s.start, s.end) for s in soft]


def test_hard_cuts_to_the_frame() -> None:
    frames = draw_scene(1, 40) + draw_scene(2, 9) + draw_scene(3, 31, pan=4)
    assert _find_shots(measure_scan(frames)) == ([(0, 40), (40, 49), (49, 80)], [])


def test_only_what_scenedetect_proposes_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = draw_scene(1, 40), draw_scene(2, 50)
    blank = [np.zeros_like(a[0])] * 10
    series = measure_scan(a + b[:40] + mix_frames(b[40:], blank) + blank[:6] + mix_frames(blank, a[:10]) + a[10:])
    shots, soft = _find_shots(series)
    assert shots[:2] == [(0, 40), (40, soft[0][0])] and len(soft) == 1
    assert _find_shots(series, SplitConfig(content_threshold=255))[0][0] == (0, soft[0][0])
    with monkeypatch.context() as patched:
        patched.setattr(scenedetect.ContentDetector, "process_frame", lambda *_: [])
        assert _find_shots(series) == ([(0, soft[0][0]), shots[2]], soft)
    with monkeypatch.context() as patched:
        patched.setattr(scenedetect.ThresholdDetector, "process_frame", lambda *_: [])
        assert soft[0] not in _find_shots(series)[1]


def test_a_fast_pan_is_proposed_and_refused() -> None:
    series = measure_scan(draw_scene(4, 60, pan=9, speed=9))
    assert len(propose_cuts(series.thumb, _FPS, SplitConfig().content_threshold)) > 50
    assert _find_shots(series) == ([(0, 60)], [])


def test_one_shot_is_not_divided() -> None:
    for pan, speed in ((0, 1), (1, 4), (6, 2), (9, 9)):
        assert _find_shots(measure_scan(draw_scene(4, 60, pan=pan, speed=speed))) == ([(0, 60)], []), (pan, speed)


def test_a_jump_in_the_same_place() -> None:
    frames = draw_scene(5, 40) + draw_scene(5, 40, start=90)
    assert _find_shots(measure_scan(frames))[0] == [(0, 40), (40, 80)]


@pytest.mark.parametrize("length", [1, 3, 5])
def test_a_flash_is_not_a_cut(length: int) -> None:
    frames = draw_scene(6, 60)
    for frame in range(30, 30 + length):
        frames[frame] = (frames[frame] * 0.2 + 255 * 0.8).astype(np.uint8)
    assert _find_shots(measure_scan(frames)) == ([(0, 60)], [])
    assert len(_find_shots(measure_scan(frames), SplitConfig(max_flash_s=0.0))[0]) > 1 or length <= 2


@pytest.mark.parametrize("length", [8, 15, 30])
def test_dissolve(length: int) -> None:
    a, b = draw_scene(7, 40 + length), draw_scene(8, length + 40)
    frames = a[:40] + mix_frames(a[40:], b[:length]) + b[length:]
    shots, ((start, end),) = _find_shots(measure_scan(frames))
    assert abs(start - 40) <= 2 and abs(end - 40 - length) <= 2
    assert shots == [(0, start), (end, len(frames))]
    off = SplitConfig(transitions=TransitionConfig(mode="off"))
    assert _find_shots(measure_scan(frames), off)[1] == []


@pytest.mark.parametrize("colour", [0, 255])
def test_fade_through_a_blank_frame(colour: int) -> None:
    a, b = draw_scene(9, 50), draw_scene(10, 50)
    blank = [np.full_like(a[0], colour)] * 10
    frames = a[:40] + mix_frames(a[40:], blank) + blank[:6] + mix_frames(blank, b[:10]) + b[10:]
    shots, soft = _find_shots(measure_scan(frames))
    assert len(shots) == 2
    ((start, end),) = soft
    assert abs(start - 40) <= 2 and abs(end - 66) <= 2


def test_fade_in_at_the_start_and_out_at_the_end() -> None:
    a = draw_scene(11, 70)
    black = [np.zeros_like(a[0])] * 12
    frames = black[:4] + mix_frames(black, a[:12]) + a[12:58] + mix_frames(a[58:], black) + black[:3]
    ((start, end),), soft = _find_shots(measure_scan(frames))
    assert len(soft) == 2
    assert abs(start - 16) <= 2 and abs(end - 62) <= 2


def test_a_gap_in_time_is_a_cut() -> None:
    pts = [i if i < 30 else i + 45 for i in range(60)]
    assert _find_shots(measure_scan(draw_scene(12, 60), pts))[0] == [(0, 30), (30, 60)]


def test_a_dark_video_is_not_a_fade() -> None:
    dark = [(p * 0.04).astype(np.uint8) for p in draw_scene(13, 40)]
    assert _find_shots(measure_scan(dark)) == ([(0, 40)], [])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_shots_tile_the_video_for_any_series(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 50))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    flat = measure_scan(draw_scene(14, 1) * n)
    noisy = {
        "mismatch": rng.choice([0.0, 2, 9, 40], n).astype(np.float32),
        "luma": rng.random(n).astype(np.float32),
        "thumb": rng.integers(0, 255, (n, 32, 32), dtype=np.uint8) // rng.integers(1, 60, (n, 1, 1), dtype=np.uint8),
        "pts": np.cumsum(rng.integers(1, 50, n)),
    }
    _find_shots(Scan.from_arrays(flat.to_arrays() | {k: v for k, v in noisy.items() if k != "thumb"}))
    values = {name: getattr(flat, name) for name in Scan.__dataclass_fields__} | noisy
    _find_shots(Scan(**values))


@settings(deadline=None)
@given(
    steps=st.lists(st.floats(0.01, 0.3), min_size=1, max_size=600),
    least=st.floats(0.2, 2),
    factor=st.floats(2, 8),
)
def test_clips_have_allowed_lengths(steps: list[float], least: float, factor: float) -> None:
    config = SplitConfig(min_seconds=least, max_seconds=least * factor)
    times = np.cumsum([0, *steps])
    shot = Shot(index=0, start_frame=0, end_frame=len(steps))
    spans = plan_clips(shot, times, config)
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))
    for start, end in spans:
        assert 0 <= start < end <= len(steps)
        assert least - 1e-6 <= times[end] - times[start] <= least * factor + 1e-6
    if times[-1] < least - 1e-6:
        assert spans == []


@settings(deadline=None)
@given(data=st.data())
def test_the_first_of_the_nearest_is_found(data: st.DataObject) -> None:
    values = st.integers(-20, 20) | st.floats(-20, 20)
    ascending = np.sort(np.array(data.draw(st.lists(values, min_size=1, max_size=40)), np.float64))
    wanted = np.array(data.draw(st.lists(values, max_size=40)), np.float64)
    distances = np.abs(ascending[:, None] - wanted)
    found = find_nearest_indices(ascending, wanted)
    assert np.array_equal(distances[found, np.arange(len(wanted))], distances.min(axis=0))
    first = np.searchsorted(ascending, ascending[found])
    assert np.array_equal(found, first)
    whole = (ascending == ascending.round()).all() and (wanted == wanted.round()).all()
    assert not whole or np.array_equal(found, distances.argmin(axis=0))


def test_the_clips_of_a_shot_of_four_hours_take_little_memory() -> None:
    times = np.arange(432_001) / 30
    tracemalloc.start()
    try:
        spans = plan_clips(Shot(index=0, start_frame=0, end_frame=432_000), times, SplitConfig())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert spans == [(frame, frame + 300) for frame in range(0, 432_000, 300)]
    assert peak < 10 << 20


def test_clips_are_equal_and_few() -> None:
    times = np.arange(766) / 30
    assert plan_clips(Shot(index=0, start_frame=0, end_frame=765), times, SplitConfig()) == [
        (0, 255), (255, 510), (510, 765),
    ]  # fmt: skip
    assert plan_clips(Shot(index=0, start_frame=100, end_frame=145), times, SplitConfig()) == [(100, 145)]
    assert plan_clips(Shot(index=0, start_frame=100, end_frame=144), times, SplitConfig()) == []
    exactly = plan_clips(Shot(index=0, start_frame=0, end_frame=300), times, SplitConfig())
    assert exactly == [(0, 300)]


def test_lengths_that_cannot_tile() -> None:
    with pytest.raises(ValidationError, match="at least twice"):
        SplitConfig(min_seconds=4, max_seconds=6)


def test_frame_times_of_a_variable_rate() -> None:
    times = compute_frame_times(measure_scan(draw_scene(15, 3), [7, 8, 11]), _FPS, _TICK)
    assert times == pytest.approx([0, 1 / 30, 4 / 30, 5 / 30])


def _read_truth(shared_data: Path) -> dict[str, dict]:
    """The videos with cuts, and of those with none the smaller ones."""
    cuts = json.loads((shared_data / "cuts_truth.json").read_text())
    rows = json.loads((shared_data / "manifest.json").read_text())["videos"]
    single = [row["file"].split("/")[1] for row in rows if row["shots"] == 1 and row["expected"] == "keep"]
    small = ("mma_struct.mp4", "intel_asl_walk.mkv", "skv_carphone.mp4", "lhotse_bbb.mp4", "blurry.mp4", "dark.mp4")
    none = [name for name in (*single, *small) if (shared_data / "video" / name).stat().st_size < 420_000]
    return {name: {"transitions": []} for name in none} | cuts


def test_real_cuts(shared_data: Path) -> None:
    for name, truth in _read_truth(shared_data).items():
        path = shared_data / "video" / name
        probe = probe_video(path)
        series = scan_video(path, probe)
        shots, soft = find_shots(series, probe.fps, probe.time_base, SplitConfig())
        blended = {span.end for span in soft}
        found = [shot.start_frame for shot in shots if shot.start_frame and shot.start_frame not in blended]
        assert found == [t["start"] for t in truth["transitions"] if t["type"] == "hard"], name
        wanted = [t for t in truth["transitions"] if t["type"] != "hard"]
        assert len(soft) == len(wanted), (name, soft)
        for span, true in zip(soft, wanted, strict=True):
            assert abs(span.start - true["start"]) <= 2 and abs(span.end - true["end"]) <= 2, (name, span, true)
