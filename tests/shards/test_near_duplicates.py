"""Near duplicates: the same moment in other clothes, and nothing else."""

from pathlib import Path

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from humove.video.probe import probe
from humove.video.scan import scan
from shards.near_duplicates import DedupConfig, Entry, find_near_duplicates, signature
from tests.pipelines.scenes import scan_of, scene


def _entry(name: str, pictures: list[np.ndarray]) -> Entry:
    return Entry(clip_id=name, signature=signature(scan_of(pictures), 0, len(pictures)))


def _worn(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Smaller, paler, with noise."""
    rng = np.random.default_rng(0)
    small = [cv2.resize(p, (160, 90), interpolation=cv2.INTER_AREA) for p in pictures]
    return [np.clip(p * 0.9 + 10 + rng.normal(0, 4, p.shape), 0, 255).astype(np.uint8) for p in small]


def test_worn_copies_go_and_other_moments_stay() -> None:
    film = scene(1, 160, pan=0, speed=2.3)  # a still camera: only the ball tells the moments apart
    entries = [
        _entry("original", film[:60]),
        _entry("another-moment", film[80:140]),
        _entry("another-place", scene(2, 60)),
        _entry("worn", _worn(film[:60])),
        _entry("one-frame-late", film[1:61]),
        _entry("half-rate", film[:60:2]),
    ]
    twins = find_near_duplicates(entries, DedupConfig())
    assert twins == {"worn": "original", "one-frame-late": "original", "half-rate": "original"}


def test_precedence_is_the_order_given() -> None:
    film = scene(3, 40)
    a, b = _entry("a", film), _entry("b", _worn(film))
    assert find_near_duplicates([a, b], DedupConfig()) == {"b": "a"}
    assert find_near_duplicates([b, a], DedupConfig()) == {"a": "b"}


def test_signatures_may_come_from_json() -> None:
    film = scene(3, 40)
    words = [int(word) for word in signature(scan_of(film), 0, 40)]
    assert len(words) == 8
    entries = [Entry(clip_id=name, signature=words) for name in ("x", "y", "z")]
    assert find_near_duplicates(entries, DedupConfig()) == {"y": "x", "z": "x"}


def test_off() -> None:
    film = scene(3, 40)
    entries = [_entry("a", film), _entry("b", film)]
    assert find_near_duplicates(entries, DedupConfig(near="off")) == {}
    assert find_near_duplicates(entries[:1], DedupConfig()) == {}


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31), st.integers(0, 12))
def test_few_flipped_bits_are_found_and_strangers_kept(seed: int, flips: int) -> None:
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 2**64, (40, 8), dtype=np.uint64)
    copy = words[7].copy()
    for bit in rng.choice(256, flips, replace=False):
        copy[4 + bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    entries = [Entry(clip_id=str(i), signature=w) for i, w in enumerate(words)]
    assert find_near_duplicates([*entries, Entry(clip_id="copy", signature=copy)], DedupConfig()) == {"copy": "7"}


def test_a_crowd_of_copies_leaves_one() -> None:
    words = np.random.default_rng(0).integers(0, 2**64, 8, dtype=np.uint64)
    entries = [Entry(clip_id=str(i), signature=words) for i in range(300)]
    twins = find_near_duplicates(entries, DedupConfig())
    assert len(twins) == 299
    assert set(twins.values()) == {"0"}


def test_what_lies_in_shards_stays() -> None:
    """However alike two clips of earlier batches are: their batch has compared them, or was too crowded to."""
    words = np.arange(8, dtype=np.uint64)
    entries = [Entry(clip_id=name, signature=words) for name in "abc"]
    assert find_near_duplicates(entries, DedupConfig(), 2) == {"c": "a"}
    assert find_near_duplicates(entries, DedupConfig(), 3) == {}


def test_real_files(shared_data: Path) -> None:
    names = [
        "dup_a.mp4", "dup_near_reencode_of_a.mp4", "codec_vp9.webm", "codec_mpeg4.avi", "odd_size_yuv444.mp4",
        "sar_2to1.mp4", "rot_portrait_meta.mp4", "intel_asl_walk.mkv", "intel_asl_again.mkv",
    ]  # fmt: skip
    entries = []
    for name in names:
        path = shared_data / "video" / name
        series = scan(path, probe(path))
        entries.append(Entry(clip_id=name, signature=signature(series, 0, series.num_frames)))
    twins = find_near_duplicates(entries, DedupConfig())
    assert twins == dict.fromkeys(names[1:6], "dup_a.mp4")
