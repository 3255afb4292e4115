"""What is wrong with a caption, as scores of one clip: its length, its repetition, a refusal.

Near duplicates among captions are a matter of the whole set: `shards.caption_twins` finds them for the report.
"""

import re
from collections import Counter

from annotators.captions.narrated import NarratedCaption
from humove.types import Caption

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_GRAM = 4


def flags(caption: Caption) -> dict[str, float]:
    """caption_words, caption_repetition (0..1), caption_refused (0 or 1) of one caption."""
    words = _WORD.findall(caption.full.lower())
    return {
        "caption_words": float(len(words)),
        "caption_repetition": max(repetition(words), _same_fields(caption)),
        "caption_refused": float(isinstance(caption, NarratedCaption) and caption.refused),
    }


def repetition(words: list[str]) -> float:
    """The share of runs of four words that stood in the text before: 0 where nothing is said twice."""
    grams = Counter(tuple(words[i : i + _GRAM]) for i in range(len(words) - _GRAM + 1))
    return 1 - len(grams) / grams.total() if grams else 0.0


def _same_fields(caption: Caption) -> float:
    """1 where two of appearance, background and action are the same text: a model that fills in a form blindly."""
    said = [text.casefold() for text in (caption.appearance, caption.background, caption.action) if text]
    return float(len(set(said)) < len(said))
