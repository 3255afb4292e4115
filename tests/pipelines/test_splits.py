"""Splits: by source video or group, stable, and in the shares asked for."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from humove.types import Source, VideoRef
from pipelines.splits import SplitsConfig, assign_split


def make_video(video_id: str, **source: str) -> VideoRef:
    return VideoRef(
        video_id=video_id, uri="u", width=2, height=2, fps=Fraction(30), num_frames=1, source=Source(**source)
    )


@given(st.text(min_size=1), st.sampled_from(["train", "val", "test"]))
def test_the_manifest_decides_before_the_hash(video_id: str, split: str) -> None:
    assert assign_split(make_video(video_id, split=split, group="g"), SplitsConfig()) == split


@given(st.lists(st.text(min_size=1), min_size=2, max_size=5))
def test_a_group_stays_together(ids: list[str]) -> None:
    assert len({assign_split(make_video(i, group="one match"), SplitsConfig()) for i in ids}) == 1


def test_shares_are_kept_and_growing_one_moves_videos_one_way() -> None:
    ids = [f"{i:016x}" for i in range(4000)]
    before = {i: assign_split(make_video(i), SplitsConfig(val=0.1, test=0.1)) for i in ids}
    assert 300 < sum(s == "test" for s in before.values()) < 500
    after = {i: assign_split(make_video(i), SplitsConfig(val=0.3, test=0.1)) for i in ids}
    assert all(after[i] == "test" for i in ids if before[i] == "test")
    assert all(after[i] == "val" for i in ids if before[i] == "val")
