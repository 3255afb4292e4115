"""split_video: rows that tile the video, the same for a stored scan as for one in memory, each chunk read in order."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from humove.reasons import Reason
from humove.video.probe import probe_video
from humove.video.scan import scan_video
from humove.video.signature import compute_signature
from pipelines.stages.screen import compute_screen_scores
from pipelines.stages.shots.cuts import SplitConfig
from pipelines.stages.video.split_video import split_video
from tests.pipelines.scenes import draw_scene, measure_scan, mix_frames
from tests.pipelines.stored_scenes import PROBE, store_scan


def _make_frames() -> list[np.ndarray]:
    """A cut, a flash, a dissolve, a short shot and a fade to black."""
    a, b, c, d = draw_scene(1, 70), draw_scene(2, 90), draw_scene(3, 90), draw_scene(4, 40)
    a[30] = (a[30] * 0.2 + 255 * 0.8).astype(np.uint8)
    black = [np.zeros_like(a[0])] * 12
    return (
        a
        + b[:70]
        + mix_frames(b[70:], c[:20])
        + c[20:]
        + draw_scene(5, 20)
        + d[:28]
        + mix_frames(d[28:], black)
        + black[:4]
    )


@pytest.mark.parametrize("chunk_frames", [9, 41, 64, 4096])
@pytest.mark.parametrize("lengths", [(1.5, 10.0), (0.4, 1.0)])
def test_a_stored_scan_gives_the_same_as_one_in_memory(chunk_frames: int, lengths: tuple[float, float]) -> None:
    frames = _make_frames()
    config = SplitConfig(min_seconds=lengths[0], max_seconds=lengths[1])
    wanted = split_video(measure_scan(frames), PROBE, config)
    assert len(wanted.transitions) == 2 and len(wanted.shots) == 5
    stored, read = store_scan(frames, chunk_frames)
    read.clear()
    assert split_video(stored, PROBE, config) == wanted
    if chunk_frames > 40:  # no window is longer: each chunk once for cuts, fades and dissolves, and a few times more
        assert len(read) <= 8 * len(stored.index.names)


def test_rows_tile_the_video_and_match_the_scan() -> None:
    series = measure_scan(_make_frames())
    found = split_video(series, PROBE, SplitConfig())
    assert json.loads(json.dumps(found.shots)) == found.shots
    spans = sorted([*found.transitions, *([shot["start"], shot["end"]] for shot in found.shots)])
    assert spans[0][0] == 0 and spans[-1][1] == found.num_frames == series.num_frames
    assert all(before[1] == after[0] for before, after in zip(spans, spans[1:], strict=False))
    clips = [clip for shot in found.shots for clip in shot["clips"]]
    assert len(clips) == 3
    for clip in clips:
        start, end = clip["start"], clip["end"]
        assert clip["times"] == pytest.approx([start / 30, end / 30])
        assert clip["scores"] == compute_screen_scores(series, start, end, PROBE)
        assert clip["signature"] == compute_signature(series, start, end).tolist()
    short = next(shot for shot in found.shots if not shot["clips"])
    seconds = short["times"][1] - short["times"][0]
    assert short["reject"]["reason"] == Reason.TOO_SHORT and short["reject"]["score"] == seconds < 1.5
    assert short["reject"]["threshold"] == 1.5 and f"{seconds:.2f} s" in short["reject"]["detail"]
    assert all(shot["reject"] is None for shot in found.shots if shot["clips"])


class _Network:
    """A network that detects a change after frame 19."""

    def annotate(self, batch: list) -> list[np.ndarray]:
        answers = [np.zeros((scan.num_frames, 2), np.float32) for scan in batch]
        for answer in answers:
            answer[19, 0] = 1
        return answers


def test_a_network_is_used_if_it_is_the_detector() -> None:
    series = measure_scan(draw_scene(6, 60))
    learned = SplitConfig(detector="transnetv2")
    assert [shot["start"] for shot in split_video(series, PROBE, learned, _Network()).shots] == [0, 20]
    assert [shot["start"] for shot in split_video(series, PROBE, SplitConfig()).shots] == [0]
    for config, network in ((learned, None), (SplitConfig(), _Network())):
        with pytest.raises(ValueError, match="exactly if the detector is one"):
            split_video(series, PROBE, config, network)


def test_frames_before_a_long_gap_are_not_a_clip() -> None:
    """Two frames, then nothing for 45 s: they can't be divided into clips of at most 10 s."""
    frames = draw_scene(7, 62)
    series = measure_scan(frames, [0, 1, *range(1350, 1410)])
    shots = split_video(series, PROBE, SplitConfig()).shots
    assert [(shot["start"], shot["end"], len(shot["clips"])) for shot in shots] == [(0, 2, 0), (2, 62, 1)]


def test_a_file_without_timestamps(shared_data: Path) -> None:
    path = shared_data / "video" / "cuts_hard.mp4"
    probe = probe_video(path)
    series = scan_video(path, probe)
    counted = replace(series, timed=False)
    assert split_video(counted, probe, SplitConfig()) == split_video(series, probe, SplitConfig())
