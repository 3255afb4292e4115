"""Length, repetition and refusal of one caption, and the bars on them."""

import pytest

from annotators.captions.config import BARS, CaptionConfig
from annotators.captions.flags import flags
from annotators.captions.narrated import NarratedCaption
from humove.reasons import Reason


def caption(full: str, **more: object) -> NarratedCaption:
    texts = {"appearance": "a man", "background": "a park", "action": "walks", "full": full, "source": "vlm:x"}
    return NarratedCaption(**(texts | more))


def test_words() -> None:
    assert flags(caption("A man's half-pipe run, 3 times."))["caption_words"] == 5


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
    assert flags(caption(full))["caption_repetition"] == pytest.approx(repetition)


def test_a_form_filled_in_blindly_is_repetition() -> None:
    assert flags(caption("A man walks in a park today", background="A Man"))["caption_repetition"] == 1.0


@pytest.mark.parametrize(
    ("said", "settings", "detail"),
    [
        (caption("He walks."), {}, "a caption of 2 words"),
        (caption("He walks."), {"min_words": 2}, None),
        (caption("word " * 401), {"max_repetition": 1}, "a caption of 401 words"),
        (caption("the man walks the man walks the man walks"), {}, "50% of the caption is repetition"),
        (caption("A man walks through a park.", refused=True), {}, "the model declined to describe the clip"),
        (caption("A man walks through a park.", refused=True), {"max_refusal": 1}, None),
        (caption("A man walks through a park."), {}, None),
    ],
)
def test_bars(said: NarratedCaption, settings: dict, detail: str | None) -> None:
    reject = BARS.judge(flags(said), CaptionConfig(**settings))
    assert (reject and (reject.reason, reject.detail)) == (detail and (Reason.BAD_CAPTION, detail))


def test_built_in_captions_are_held_against_no_bar() -> None:
    assert BARS.judge({"jitter": 1.0}, CaptionConfig()) is None
