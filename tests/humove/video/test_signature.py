"""Signatures: near for copies of one moment, far apart for different moments."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from humove.video.probe import probe_video
from humove.video.scan import THUMB, scan_video
from humove.video.signature import compute_signature
from tests.pipelines.scenes import draw_scene, measure_scan


def _compute_signature(frames: list[np.ndarray]) -> np.ndarray:
    return compute_signature(measure_scan(frames), 0, len(frames))


def _count_differing(a: np.ndarray, b: np.ndarray) -> tuple[int, int]:
    """Count the differing bits of appearance and of change."""
    bits = np.bitwise_count(a ^ b).astype(int)
    return bits[:4].sum(), bits[4:].sum()


def _degrade_frames(frames: list[np.ndarray]) -> list[np.ndarray]:
    """Scale frames down, reduce their contrast and add noise."""
    rng = np.random.default_rng(0)
    small = [cv2.resize(f, (160, 90), interpolation=cv2.INTER_AREA) for f in frames]
    return [np.clip(f * 0.9 + 10 + rng.normal(0, 4, f.shape), 0, 255).astype(np.uint8) for f in small]


def test_a_degraded_copy_is_near_and_another_moment_far_in_change() -> None:
    film = draw_scene(1, 160, pan=0, speed=2.3)
    original = _compute_signature(film[:60])
    assert original.shape == (8,)
    assert original.dtype == np.uint64
    for copy in (_degrade_frames(film[:60]), film[1:61], film[:60:2]):
        assert max(_count_differing(original, _compute_signature(copy))) <= 30
    appearance, change = _count_differing(original, _compute_signature(film[80:140]))
    assert appearance <= 30 < change  # a still camera: only the ball differs between the moments


def test_other_places_look_different() -> None:
    assert min(_count_differing(_compute_signature(draw_scene(1, 60)), _compute_signature(draw_scene(2, 60)))) > 60


def test_a_still_has_no_bit_of_change() -> None:
    signature = _compute_signature(draw_scene(1, 1) * 40)
    assert (signature[4:] == 0).all()
    assert len(set(signature[:4].tolist())) == 1


def test_the_signature_of_a_span_is_independent_of_the_rest() -> None:
    film = draw_scene(4, 90)
    series = measure_scan(film)
    assert (compute_signature(series, 30, 80) == _compute_signature(film[30:80])).all()


def test_frames_are_chosen_by_time() -> None:
    """A frame displayed as long as several others counts as several."""
    film = draw_scene(5, 60, pan=2)
    pts = [t for t in range(60) if t % 7 not in (2, 3)]
    assert (
        max(
            _count_differing(
                _compute_signature(film), compute_signature(measure_scan([film[t] for t in pts], pts), 0, len(pts))
            )
        )
        <= 30
    )


def test_the_bits_never_change() -> None:
    """Stored results hold signatures of earlier versions, with which later ones are compared."""
    frames = 24
    series = dataclasses.replace(
        measure_scan(draw_scene(1, 1) * frames),
        dhash=np.arange(1, frames + 1, dtype=np.uint64) * np.uint64(0x0123456789ABCDEF),
        thumb=(np.arange(frames * THUMB * THUMB) ** 2 // 97 % 251).astype(np.uint8).reshape(frames, THUMB, THUMB),
    )
    assert compute_signature(series, 3, 24).tolist() == [
        0x06D3A06D3A06D39A, 0x0C83FB72EA61D945, 0x123456789ABCDEF0, 0x17E4B17E4B17E49B,
        0x073C89C5225437B9, 0x3579C22A1D0A1E0A, 0x4B916491A9C025B8, 0xECAB7174C4D6D509,
    ]  # fmt: skip


def test_degraded_files_are_near_their_original(shared_data: Path) -> None:
    signatures = {}
    for name in ("dup_a.mp4", "dup_near_reencode_of_a.mp4", "codec_vp9.webm", "rot_portrait_meta.mp4"):
        path = shared_data / "video" / name
        series = scan_video(path, probe_video(path))
        signatures[name] = compute_signature(series, 0, series.num_frames)
    original, *near, other = signatures.values()
    assert all(max(_count_differing(original, copy)) <= 30 for copy in near)
    assert max(_count_differing(original, other)) > 60
