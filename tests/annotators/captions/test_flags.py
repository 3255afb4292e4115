"""Length, repetition and refusal of one caption, and the thresholds on them."""

import pytest

from annotators.captions.config import THRESHOLDS, CaptionConfig
from annotators.captions.flags import score_caption
from annotators.captions.models.narrated import NarratedCaption
from humove.reasons import Reason


def caption(full: str, **more: object) -> NarratedCaption:
    texts = {"appearance": "a man", "background": "a park", "action": "walks", "full": full, "source": "vlm:x"}
    return NarratedCaption(**(texts | more))


def test_words() -> None:
    assert score_caption(caption("A man's half-pipe run, 3 times."))["caption_words"] == 5


@pytest.mark.parametrize(
    ("full", "repetition"),
    [
        ("A man walks to the left and then walks to the right", 0.0),
        ("he runs and jumps he runs and jumps", 0.2),  # 1 of 5 runs of four words was there before
        ("the man walks the man walks the man walks the man walks", 6 / 9),
        ("too short", 0.0),
    ],
)
def test_repetition(full: str, repetition: float) -> None:
    assert score_caption(caption(full))["caption_repetition"] == pytest.approx(repetition)


def test_equal_fields_are_repetition() -> None:
    assert score_caption(caption("A man walks in a park today", background="A Man"))["caption_repetition"] == 1.0


@pytest.mark.parametrize(
    ("narrated", "settings", "detail"),
    [
        (caption("He walks."), {}, "a caption of 2 words"),
        (caption("He walks."), {"min_words": 2}, None),
        (caption("word " * 401), {"max_repetition": 1}, "a caption of 401 words"),
        (caption("the man walks the man walks the man walks"), {}, "50% of the caption is repetition"),
        (caption("A man walks through a park.", refused=True), {}, "the model refused to describe the clip"),
        (caption("A man walks through a park.", refused=True), {"max_refusal": 1}, None),
        (caption("A man walks through a park."), {}, None),
    ],
)
def test_thresholds(narrated: NarratedCaption, settings: dict, detail: str | None) -> None:
    reject = THRESHOLDS.judge(score_caption(narrated), CaptionConfig(**settings))
    assert (reject and (reject.reason, reject.detail)) == (detail and (Reason.BAD_CAPTION, detail))


def test_thresholds_do_not_apply_to_built_in_captions() -> None:
    assert THRESHOLDS.judge({"jitter": 1.0}, CaptionConfig()) is None
