"""Near-duplicate search: finds copies of the same moment, and nothing else."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from humove.near_duplicates.index import MAX_DISTANCE, DedupConfig, NearDuplicateIndex
from humove.near_duplicates.signature_tables import make_layout
from humove.video.probe import probe_video
from humove.video.scan import scan_video
from humove.video.signature import compute_signature
from tests.pipelines.scenes import draw_scene, measure_scan

DISTANCE = DedupConfig().max_distance


def _compute_signature(frames: list[np.ndarray]) -> np.ndarray:
    return compute_signature(measure_scan(frames), 0, len(frames))


def _degrade_frames(frames: list[np.ndarray]) -> list[np.ndarray]:
    """Scale frames down, reduce their contrast and add noise."""
    rng = np.random.default_rng(0)
    small = [cv2.resize(f, (160, 90), interpolation=cv2.INTER_AREA) for f in frames]
    return [np.clip(f * 0.9 + 10 + rng.normal(0, 4, f.shape), 0, 255).astype(np.uint8) for f in small]


def _settle_signatures(signatures: list[np.ndarray] | np.ndarray, max_distance: int = DISTANCE) -> list[int]:
    return NearDuplicateIndex(max_distance).settle(np.asarray(signatures, np.uint64)).tolist()


def _draw_signatures(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, 2**64, (count, 8), dtype=np.uint64)


def _flip_bits(rng: np.random.Generator, signatures: np.ndarray, appearance: int, change: int) -> np.ndarray:
    """Copy signatures with exactly so many bits flipped, at random places of each half."""
    mask = np.zeros((len(signatures), 512), np.uint8)
    for half, flips in ((0, appearance), (256, change)):
        places = rng.permuted(np.tile(np.arange(256), (len(signatures), 1)), axis=1)[:, :flips]
        np.put_along_axis(mask, half + places, 1, axis=1)
    return signatures ^ np.packbits(mask, axis=1).view("<u8")


def _draw_clusters(rng: np.random.Generator, count: int, spread: float) -> np.ndarray:
    """Draw clips of few appearances and few kinds of change, each up to `spread` of the bits away: clusters, copies and
    chains. Some hardly change."""
    appearances, changes = _draw_signatures(rng, 3)[:, :4], _draw_signatures(rng, 3)[:, 4:]
    changes[0] = 0
    clips = np.concatenate([appearances[rng.integers(0, 3, count)], changes[rng.integers(0, 3, count)]], axis=1)
    noise = rng.random((count, 512)) < rng.random((count, 1)) * spread
    return clips ^ np.packbits(noise, axis=1).view("<u8")


def _settle_exhaustively(batches: list[np.ndarray], max_distance: int) -> list[list[int]]:
    """Compute the result of `settle` pair by pair."""
    stay: list[np.ndarray] = []
    found = []
    for batch in batches:
        kept_by = []
        for clip in batch:
            bits = np.bitwise_count(np.array(stay, np.uint64).reshape(-1, 8) ^ clip).astype(int)
            near = (bits[:, :4].sum(axis=1) <= max_distance) & (bits[:, 4:].sum(axis=1) <= max_distance)
            kept_by.append(int(near.argmax()) if near.any() else -1)
            if not near.any():
                stay.append(clip)
        found.append(kept_by)
    return found


def test_degraded_copies_are_dropped_and_other_moments_kept() -> None:
    film = draw_scene(1, 160, pan=0, speed=2.3)  # a still camera: only the ball tells the moments apart
    clips = [film[:60], film[80:140], draw_scene(2, 60), _degrade_frames(film[:60]), film[1:61], film[:60:2]]
    assert _settle_signatures([_compute_signature(frames) for frames in clips]) == [-1, -1, -1, 0, 0, 0]


def test_real_files(shared_data: Path) -> None:
    names = [
        "dup_a.mp4", "dup_near_reencode_of_a.mp4", "codec_vp9.webm", "codec_mpeg4.avi", "odd_size_yuv444.mp4",
        "sar_2to1.mp4", "rot_portrait_meta.mp4", "intel_asl_walk.mkv", "intel_asl_again.mkv",
    ]  # fmt: skip
    clips = []
    for name in names:
        path = shared_data / "video" / name
        series = scan_video(path, probe_video(path))
        clips.append(compute_signature(series, 0, series.num_frames))
    assert _settle_signatures(clips) == [-1, 0, 0, 0, 0, 0, -1, -1, -1]


def test_stills_match_by_their_appearance() -> None:
    """No bit of change is set in any of them."""
    stills = [draw_scene(seed, 1) * 40 for seed in range(40)]
    copies = [_degrade_frames(frames[:1]) * 40 for frames in stills]
    assert _settle_signatures([_compute_signature(frames) for frames in stills + copies]) == [-1] * 40 + list(range(40))


def test_the_first_of_two_duplicates_is_kept() -> None:
    rng = np.random.default_rng(3)
    (a,) = _draw_signatures(rng, 1)
    (b,) = _flip_bits(rng, a[None], 12, 12)
    (stranger,) = _draw_signatures(rng, 1)
    index = NearDuplicateIndex(DISTANCE)
    assert index.settle(np.stack([stranger, a])).tolist() == [-1, -1]
    assert index.settle(np.stack([b, a])).tolist() == [1, 1]
    assert _settle_signatures([b, stranger, a]) == [-1, -1, 0]


def test_a_clip_is_dropped_only_for_a_kept_one() -> None:
    """A matches B, B matches C, A does not match C."""
    a = _draw_signatures(np.random.default_rng(0), 1)[0]
    b, c = a.copy(), a.copy()
    b[0] ^= np.uint64(2**20 - 1)
    c[0] ^= np.uint64(2**40 - 1)
    assert _settle_signatures([a, b, c]) == [-1, 0, -1]
    assert _settle_signatures([b, a, c]) == [-1, 0, 0]
    assert _settle_signatures([a, c, b]) == [-1, -1, 0]
    index = NearDuplicateIndex(DISTANCE)
    assert [index.settle(clip[None]).tolist() for clip in (c, b, a)] == [[-1], [0], [-1]]


def test_indices_count_kept_and_added_clips() -> None:
    rng = np.random.default_rng(1)
    first, second, third = _draw_signatures(rng, 4), _draw_signatures(rng, 3), _draw_signatures(rng, 1)
    index = NearDuplicateIndex(DISTANCE)
    index.add(first)
    batch = np.concatenate([_flip_bits(rng, first[2:3], 9, 9), second, _flip_bits(rng, second[1:2], 9, 9), second[2:]])
    assert index.settle(batch).tolist() == [2, -1, -1, -1, 5, 6]
    assert len(index) == 7
    assert index.settle(np.concatenate([third, third, second[:1]])).tolist() == [-1, 7, 4]


def test_added_clips_are_kept_whatever_they_match() -> None:
    (clip,) = _draw_signatures(np.random.default_rng(1), 1)
    index = NearDuplicateIndex(DISTANCE)
    start = time.process_time()
    for _ in range(3):
        index.add(np.tile(clip, (20_000, 1)))
    assert len(index) == 60_000
    copies = _flip_bits(np.random.default_rng(1), np.tile(clip, (2000, 1)), 3, 3)
    assert index.settle(copies).tolist() == [0] * 2000
    assert time.process_time() - start < 30


def test_the_first_of_several_matches_is_named() -> None:
    rng = np.random.default_rng(2)
    a = _draw_signatures(rng, 200)
    b, c = a.copy(), a.copy()
    b[:, 0] ^= np.uint64(2**20 - 1)
    c[:, 0] ^= np.uint64(2**40 - 1)
    index = NearDuplicateIndex(DISTANCE)
    assert (index.settle(np.concatenate([a, c])) == -1).all()
    assert index.settle(b).tolist() == list(range(200))
    assert _settle_signatures(np.concatenate([c, a, b]))[400:] == list(range(200))


@pytest.mark.parametrize("half", ["appearance", "change"])
def test_each_half_has_to_be_near(half: str) -> None:
    rng = np.random.default_rng(4)
    clips = _draw_signatures(rng, 200)
    at, over = ((DISTANCE, 0), (DISTANCE + 1, 0)) if half == "appearance" else ((0, DISTANCE), (0, DISTANCE + 1))
    near = np.array(_settle_signatures(np.concatenate([clips, _flip_bits(rng, clips, *at)])))[200:]
    assert (near == np.arange(200)).mean() > 0.95
    assert _settle_signatures(np.concatenate([clips, _flip_bits(rng, clips, *over)])) == [-1] * 400


@pytest.mark.parametrize("max_distance", [0, 1, 3, 10, 20, 30, 40, MAX_DISTANCE])
def test_99_percent_of_the_pairs_at_the_limit_are_found(max_distance: int) -> None:
    rng = np.random.default_rng(max_distance)
    clips = _draw_signatures(rng, 80_000 if max_distance == 30 else 20_000)
    copies = _flip_bits(rng, clips[:20_000], max_distance, max_distance)
    index = NearDuplicateIndex(max_distance)
    assert (index.settle(clips) == -1).all()
    found = index.settle(copies)
    assert set((found - np.arange(20_000))[found >= 0]) == {0}
    assert (found >= 0).mean() >= 0.99


@pytest.mark.parametrize("max_distance", [10, 30, MAX_DISTANCE])
def test_99_percent_are_found_among_stills_too(max_distance: int) -> None:
    rng = np.random.default_rng(max_distance)
    clips = _draw_signatures(rng, 10_000)
    clips[:, 4:] = 0
    found = np.array(
        _settle_signatures(np.concatenate([clips, _flip_bits(rng, clips, max_distance, max_distance)]), max_distance)
    )
    assert (found[10_000:] >= 0).mean() >= 0.99


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**31), st.integers(0, 300), st.lists(st.integers(0, 300), max_size=3),
    st.sampled_from([0, 5, 15, 30, 45]),
)  # fmt: skip
def test_the_search_equals_an_exhaustive_one(seed: int, count: int, cuts: list[int], max_distance: int) -> None:
    """Within each cluster clips are so near that keys miss none, or farther apart than the limit."""
    rng = np.random.default_rng(seed)
    centres = np.concatenate([_draw_signatures(rng, 20), _draw_signatures(rng, 5)])
    centres[20:, 4:] = 0
    clips = centres[rng.integers(0, 25, count)]
    noise = np.zeros((count, 512), np.uint8)
    noise[np.arange(count), rng.integers(0, 512, count)] = rng.random(count) < 0.5
    clips = clips ^ np.packbits(noise, axis=1).view("<u8") if max_distance else clips
    batches = np.split(clips, sorted(min(cut, count) for cut in cuts))
    index = NearDuplicateIndex(max_distance)
    found = [index.settle(batch).tolist() for batch in batches]
    assert found == _settle_exhaustively(batches, max_distance)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from([10, 30, MAX_DISTANCE]), st.sampled_from([0.05, 0.12, 0.2]))
def test_dropped_clips_match_kept_ones(seed: int, max_distance: int, spread: float) -> None:
    """In clusters with chains and borderline pairs: no false match, and at most 1 % of the clips are kept wrongly."""
    rng = np.random.default_rng(seed)
    clips = _draw_clusters(rng, 400, spread)
    found = np.array(_settle_signatures(clips, max_distance))
    stay, gone = clips[found == -1], np.flatnonzero(found >= 0)
    bits = np.bitwise_count(stay[found[gone]] ^ clips[gone]).reshape(-1, 2, 4).sum(axis=2)
    assert (bits <= max_distance).all()
    before = np.searchsorted(np.flatnonzero(found == -1), gone)
    assert (found[gone] < before).all()
    apart = np.bitwise_count(stay[:, None] ^ stay).reshape(len(stay), len(stay), 2, 4).sum(axis=3)
    wrongly = np.triu((apart <= max_distance).all(axis=2), 1).any(axis=0).sum()
    assert wrongly <= 0.01 * len(clips) + 1


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 800), max_size=4), st.integers(0, 800))
def test_batches_equal_one_batch_and_a_rebuilt_index_resumes(seed: int, cuts: list[int], at: int) -> None:
    clips = _draw_clusters(np.random.default_rng(seed), 800, 0.25)
    whole = NearDuplicateIndex(DISTANCE).settle(clips)
    index = NearDuplicateIndex(DISTANCE)
    parts = [index.settle(batch) for batch in np.split(clips, sorted(cuts))]
    assert (np.concatenate(parts) == whole).all()
    resumed = NearDuplicateIndex(DISTANCE)
    resumed.add(clips[:at][whole[:at] == -1])
    assert (resumed.settle(clips[at:]) == whole[at:]).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_a_match_does_not_depend_on_the_order(seed: int) -> None:
    """One clip of a pair is dropped, in any order; clips without a match are kept, whatever the other clips."""
    rng = np.random.default_rng(seed)
    crowd = _draw_clusters(rng, 600, 0.3)
    pairs = _draw_signatures(rng, 200)
    copies = _flip_bits(rng, pairs, DISTANCE, DISTANCE)
    together = np.array(_settle_signatures(np.concatenate([crowd, pairs, copies])))[800:] >= 0
    turned = np.array(_settle_signatures(np.concatenate([copies, crowd, pairs])))[800:] >= 0
    alone = np.array(_settle_signatures(np.concatenate([pairs, copies])))[200:] >= 0
    assert together.tolist() == turned.tolist() == alone.tolist()


def test_equal_clips_leave_one() -> None:
    (clip,) = _draw_signatures(np.random.default_rng(0), 1)
    assert _settle_signatures(np.tile(clip, (5000, 1))) == [-1] + [0] * 4999
    assert _settle_signatures(np.zeros((300, 8), np.uint64)) == [-1] + [0] * 299


@pytest.mark.parametrize("still", [False, True])
def test_of_many_degraded_copies_one_is_kept(still: bool) -> None:
    """About 12 million pairs match; they are not all held at once."""
    rng = np.random.default_rng(0)
    clip = _draw_signatures(rng, 1)
    clip[:, 4:] *= np.uint64(not still)
    copies = _flip_bits(rng, np.repeat(clip, 5000, axis=0), 6, 6)
    start = time.process_time()
    found = _settle_signatures(np.concatenate([clip, copies]))
    assert time.process_time() - start < 30
    assert found == [-1] + [0] * 5000


@pytest.mark.parametrize("crowd", ["appearance", "change", "still"])
def test_duplicates_in_large_buckets_are_found(crowd: str) -> None:
    """5,000 clips with one appearance, one kind of change, or no change, and a copy of each."""
    rng = np.random.default_rng(1)
    clips = _draw_signatures(rng, 5000)
    if crowd == "appearance":
        clips[:, :4] = clips[0, :4]
    else:
        clips[:, 4:] = clips[0, 4:] if crowd == "change" else 0
    copies = _flip_bits(rng, clips, DISTANCE, DISTANCE)
    start = time.process_time()
    found = np.array(_settle_signatures(np.concatenate([clips, copies])))
    assert time.process_time() - start < 30
    assert (found[:5000] == -1).all()
    assert (found[5000:] == np.arange(5000)).mean() >= 0.99


def test_a_split_bucket_equals_an_unsplit_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few keys on either level, so that many pairs at the limit share one of the first level alone."""
    rng = np.random.default_rng(2)
    clips = _draw_signatures(rng, 2000)
    clips[:, 4:] = clips[0, 4:]
    clips = np.concatenate([clips, _flip_bits(rng, clips, DISTANCE, DISTANCE)])
    monkeypatch.setattr("humove.near_duplicates.signature_tables._MISSED", 0.5)
    monkeypatch.setattr("humove.near_duplicates.signature_tables._SPLIT_MISSED", 0.5)
    monkeypatch.setattr("humove.near_duplicates.signature_tables.make_layout", make_layout.__wrapped__)
    split = _settle_signatures(clips)
    assert 500 < np.count_nonzero(np.array(split) >= 0) < 1900
    for crowd in (0, 10**9):
        monkeypatch.setattr("humove.near_duplicates.signature_tables._LARGE_BUCKET", crowd)
        assert _settle_signatures(clips) == split


def test_chunks_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = _draw_clusters(np.random.default_rng(3), 1000, 0.2)
    expected = _settle_signatures(clips)
    sizes = {"index._CHUNK": 97, "index._MAX_PAIRS": 50}
    sizes |= {"signature_tables._BLOCK": 7, "signature_tables._ROWS": 33}
    for name, value in sizes.items():
        monkeypatch.setattr(f"humove.near_duplicates.{name}", value)
        assert _settle_signatures(clips) == expected, name
        monkeypatch.undo()


def test_a_long_chain() -> None:
    """Each matches the next and the one after: every third is kept."""
    rng = np.random.default_rng(5)
    steps = np.zeros((1000, 8), np.uint64)
    for row in range(1000):
        (steps[row, :4],) = _flip_bits(rng, np.zeros((1, 8), np.uint64), 14, 0)[:, :4]
    clips = _draw_signatures(rng, 1) ^ np.bitwise_xor.accumulate(steps, axis=0)
    found = np.array(_settle_signatures(clips))
    expected = np.array(_settle_exhaustively([clips], DISTANCE)[0])
    assert ((found == -1) == (expected == -1)).mean() > 0.95


def test_empty_batches_and_wrong_arrays() -> None:
    index = NearDuplicateIndex(DISTANCE)
    empty = np.zeros((0, 8), np.uint64)
    index.add(empty)
    assert index.settle(empty).tolist() == []
    assert index.settle(np.ones((1, 8), np.uint64)).tolist() == [-1]
    assert index.settle(empty).tolist() == []
    with pytest.raises(ValueError, match=r"uint64 \(N, 8\)"):
        index.settle(np.zeros((3, 8), np.int64))
    with pytest.raises(ValueError, match=r"uint64 \(N, 8\)"):
        index.add(np.zeros((3, 4), np.uint64))


def test_the_largest_distance_is_feasible() -> None:
    assert DedupConfig(max_distance=MAX_DISTANCE).near == "on"
    with pytest.raises(ValidationError, match=f"less than or equal to {MAX_DISTANCE}"):
        DedupConfig(max_distance=MAX_DISTANCE + 1)
    with pytest.raises(ValueError, match=f"from 0 to {MAX_DISTANCE}"):
        NearDuplicateIndex(MAX_DISTANCE + 1)
