"""Captions from a model's answers, with retries, and the measured caption if the model refuses."""

from collections.abc import Callable
from dataclasses import replace

from annotators.captions.annotator import KinematicCaptioner
from annotators.captions.inputs import CaptionInput
from annotators.captions.models.answer import AnswerError, RefusalError, parse_answer
from annotators.captions.models.narrated import NarratedCaption
from humove.types import Caption


def request_caption(
    request_answer: Callable[[int], str], tries: int, clip: CaptionInput, source: str
) -> NarratedCaption:
    """Return the caption of the first valid answer of `request_answer(0)`, `request_answer(1)`, ...

    A refusal is no error: the clip then gets its measured caption, with `refused` set. Raises the last AnswerError if
    none of `tries` answers is valid.
    """
    for number in range(tries):
        try:
            answer = parse_answer(request_answer(number))
        except RefusalError:
            return write_fallback(clip)
        except AnswerError as e:
            error = e
        else:
            return NarratedCaption(**answer.model_dump(), source=source)
    raise error


def write_fallback(clip: CaptionInput) -> NarratedCaption:
    """Write the built-in caption in place of one that a model refuses to write."""
    (caption,) = KinematicCaptioner().annotate([clip])
    texts = {name: getattr(caption, name) for name in Caption.__dataclass_fields__}
    return replace(NarratedCaption(**texts), refused=True)
