"""Quality scores of one caption: length, repetition, refusal.

Near-duplicates among captions concern the whole set: `shards.card.caption_duplicates` finds them for the report.
"""

import re
from collections import Counter

from annotators.captions.models.narrated import NarratedCaption
from humove.types import Caption

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_GRAM = 4


def score_caption(caption: Caption) -> dict[str, float]:
    """Return caption_words, caption_repetition (0..1) and caption_refused (0 or 1) of one caption."""
    words = _WORD.findall(caption.full.lower())
    return {
        "caption_words": float(len(words)),
        "caption_repetition": max(measure_repetition(words), _repeats_fields(caption)),
        "caption_refused": float(isinstance(caption, NarratedCaption) and caption.refused),
    }


def measure_repetition(words: list[str]) -> float:
    """Return the share of runs of four words that repeat an earlier one: 0 without repetition."""
    grams = Counter(tuple(words[i : i + _GRAM]) for i in range(len(words) - _GRAM + 1))
    return 1 - len(grams) / grams.total() if grams else 0.0


def _repeats_fields(caption: Caption) -> float:
    """Return 1 if two of appearance, background and action are the same text, else 0."""
    texts = [text.casefold() for text in (caption.appearance, caption.background, caption.action) if text]
    return float(len(set(texts)) < len(texts))
