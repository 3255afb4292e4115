"""Near-duplicate captions are found, and only they."""

import random

import numpy as np
import pytest

from shards.card.caption_duplicates import SIMILAR, compute_signatures, find_duplicate_captions

WORDS = [f"w{i}" for i in range(400)]


def make_words(rng: random.Random, count: int = 40) -> list[str]:
    return [rng.choice(WORDS) for _ in range(count)]


def compute_jaccard(a: list[str], b: list[str]) -> float:
    runs = [{tuple(t[i : i + 3]) for i in range(len(t) - 2)} for t in (a, b)]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_equal_and_nearly_equal_captions_are_duplicates_of_the_first() -> None:
    rng = random.Random(1)
    texts = [make_words(rng) for _ in range(50)]
    near = [*texts[7][:20], "other", *texts[7][21:]]  # 3 of 38 runs change: 35 of 41 are common
    assert compute_jaccard(near, texts[7]) == pytest.approx(35 / 41)
    captions = [" ".join(t) for t in texts] + [" ".join(texts[3]), " ".join(near)]
    found = find_duplicate_captions(captions)
    assert [(d.index, d.duplicate_of) for d in found] == [(50, 3), (51, 7)]
    assert found[0].similarity == 1.0 and abs(found[1].similarity - 35 / 41) < 0.2


def test_the_estimate_is_the_share_of_common_runs() -> None:
    rng = random.Random(2)
    errors = []
    for _ in range(60):
        a = make_words(rng)
        b = a[: rng.randrange(5, 40)] + make_words(rng)
        estimate = float(np.equal(*compute_signatures([" ".join(a), " ".join(b)])[1]).mean())
        errors.append(estimate - compute_jaccard(a, b))
    assert abs(sum(errors) / 60) < 0.02 and max(map(abs, errors)) < 0.25


def test_similar_captions_are_found_and_different_ones_are_not() -> None:
    rng = random.Random(3)
    for share, expect in ((0.02, True), (0.5, False)):
        hits = 0
        for _ in range(40):
            a = make_words(rng, 60)
            b = [w if rng.random() > share else rng.choice(WORDS) for w in a]
            hits += bool(find_duplicate_captions([" ".join(a), " ".join(b)]))
        assert hits >= 36 if expect else hits == 0
    assert 0.5 < SIMILAR < 1


def test_case_and_punctuation_are_ignored_and_short_or_empty_texts_are_accepted() -> None:
    assert [t.similarity for t in find_duplicate_captions(["A man walks.", "a man, walks", "", "", "!"])] == [1.0]
    assert find_duplicate_captions([]) == []
