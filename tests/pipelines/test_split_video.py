"""split_video: rows that tile the video, the same for a stored scan as for one in memory, each chunk read in order."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from humove.reasons import Reason
from humove.video.probe import probe
from humove.video.scan import scan
from humove.video.signature import compute_signature
from pipelines.stages.cuts import SplitConfig
from pipelines.stages.screen import screen_scores
from pipelines.stages.split_video import split_video
from tests.pipelines.scenes import mix, scan_of, scene
from tests.pipelines.stored_scenes import PROBE, stored_scan_of


def _film() -> list[np.ndarray]:
    """A cut, a flash, a dissolve, a short shot and a fade to black."""
    a, b, c, d = scene(1, 70), scene(2, 90), scene(3, 90), scene(4, 40)
    a[30] = (a[30] * 0.2 + 255 * 0.8).astype(np.uint8)
    black = [np.zeros_like(a[0])] * 12
    return a + b[:70] + mix(b[70:], c[:20]) + c[20:] + scene(5, 20) + d[:28] + mix(d[28:], black) + black[:4]


@pytest.mark.parametrize("chunk_frames", [9, 41, 64, 4096])
@pytest.mark.parametrize("lengths", [(1.5, 10.0), (0.4, 1.0)])
def test_a_stored_scan_gives_what_one_in_memory_gives(chunk_frames: int, lengths: tuple[float, float]) -> None:
    pictures = _film()
    config = SplitConfig(min_seconds=lengths[0], max_seconds=lengths[1])
    wanted = split_video(scan_of(pictures), PROBE, config)
    assert len(wanted.transitions) == 2 and len(wanted.shots) == 5
    stored, read = stored_scan_of(pictures, chunk_frames)
    read.clear()
    assert split_video(stored, PROBE, config) == wanted
    if chunk_frames > 40:  # no window is longer: each chunk once for cuts, fades and dissolves, and a few times more
        assert len(read) <= 8 * len(stored.index.names)


def test_rows_tile_the_video_and_are_what_the_scan_says() -> None:
    series = scan_of(_film())
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
        assert clip["scores"] == screen_scores(series, start, end, PROBE)
        assert clip["signature"] == compute_signature(series, start, end).tolist()
    short = next(shot for shot in found.shots if not shot["clips"])
    seconds = short["times"][1] - short["times"][0]
    assert short["reject"]["reason"] == Reason.TOO_SHORT and short["reject"]["score"] == seconds < 1.5
    assert short["reject"]["threshold"] == 1.5 and f"{seconds:.2f} s" in short["reject"]["detail"]
    assert all(shot["reject"] is None for shot in found.shots if shot["clips"])


class _Network:
    """Answers that the shot changes after frame 19."""

    def annotate(self, batch: list) -> list[np.ndarray]:
        answers = [np.zeros((scan.num_frames, 2), np.float32) for scan in batch]
        for answer in answers:
            answer[19, 0] = 1
        return answers


def test_a_network_is_asked_where_it_is_the_detector() -> None:
    series = scan_of(scene(6, 60))
    learned = SplitConfig(detector="transnetv2")
    assert [shot["start"] for shot in split_video(series, PROBE, learned, _Network()).shots] == [0, 20]
    assert [shot["start"] for shot in split_video(series, PROBE, SplitConfig()).shots] == [0]
    for config, network in ((learned, None), (SplitConfig(), _Network())):
        with pytest.raises(ValueError, match="exactly where the detector is one"):
            split_video(series, PROBE, config, network)


def test_frames_before_a_long_hole_are_no_clip() -> None:
    """Two frames, then nothing for 45 s: they can't be divided into clips of at most 10 s."""
    pictures = scene(7, 62)
    series = scan_of(pictures, [0, 1, *range(1350, 1410)])
    shots = split_video(series, PROBE, SplitConfig()).shots
    assert [(shot["start"], shot["end"], len(shot["clips"])) for shot in shots] == [(0, 2, 0), (2, 62, 1)]


def test_a_file_without_timestamps(shared_data: Path) -> None:
    path = shared_data / "video" / "cuts_hard.mp4"
    seen = probe(path)
    series = scan(path, seen)
    counted = replace(series, timed=False)
    assert split_video(counted, seen, SplitConfig()) == split_video(series, seen, SplitConfig())
