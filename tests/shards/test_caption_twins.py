"""Captions that say nearly the same are found, and only they."""

import random

import numpy as np
import pytest

from shards.caption_twins import SIMILAR, caption_twins, signatures

WORDS = [f"w{i}" for i in range(400)]


def text(rng: random.Random, count: int = 40) -> list[str]:
    return [rng.choice(WORDS) for _ in range(count)]


def jaccard(a: list[str], b: list[str]) -> float:
    runs = [{tuple(t[i : i + 3]) for i in range(len(t) - 2)} for t in (a, b)]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_equal_and_nearly_equal_captions_are_twins_of_the_first() -> None:
    rng = random.Random(1)
    texts = [text(rng) for _ in range(50)]
    near = [*texts[7][:20], "other", *texts[7][21:]]  # 3 of 38 runs change: 35 of 41 are common
    assert jaccard(near, texts[7]) == pytest.approx(35 / 41)
    captions = [" ".join(t) for t in texts] + [" ".join(texts[3]), " ".join(near)]
    found = caption_twins(captions)
    assert [(t.place, t.earlier) for t in found] == [(50, 3), (51, 7)]
    assert found[0].similarity == 1.0 and abs(found[1].similarity - 35 / 41) < 0.2


def test_the_estimate_is_the_share_of_common_runs() -> None:
    rng = random.Random(2)
    errors = []
    for _ in range(60):
        a = text(rng)
        b = a[: rng.randrange(5, 40)] + text(rng)
        told = float(np.equal(*signatures([" ".join(a), " ".join(b)])[1]).mean())
        errors.append(told - jaccard(a, b))
    assert abs(sum(errors) / 60) < 0.02 and max(map(abs, errors)) < 0.25


def test_what_is_clearly_alike_is_found_and_what_is_clearly_not_is_not() -> None:
    rng = random.Random(3)
    for share, expect in ((0.02, True), (0.5, False)):
        hits = 0
        for _ in range(40):
            a = text(rng, 60)
            b = [w if rng.random() > share else rng.choice(WORDS) for w in a]
            hits += bool(caption_twins([" ".join(a), " ".join(b)]))
        assert hits >= 36 if expect else hits == 0
    assert 0.5 < SIMILAR < 1


def test_case_and_punctuation_are_nothing_and_short_or_empty_texts_are_no_matter() -> None:
    assert [t.similarity for t in caption_twins(["A man walks.", "a man, walks", "", "", "!"])] == [1.0]
    assert caption_twins([]) == []
