"""From a model's answers to a caption: asked again where an answer is no good, measured where the model declines."""

from collections.abc import Callable
from dataclasses import replace

from annotators.captions.annotator import KinematicCaptioner
from annotators.captions.answer import AnswerError, Refused, parse
from annotators.captions.inputs import CaptionInput
from annotators.captions.narrated import NarratedCaption
from humove.types import Caption


def answered(ask: Callable[[int], str], tries: int, clip: CaptionInput, source: str) -> NarratedCaption:
    """The caption in the first good answer of `ask(0)`, `ask(1)`, ...

    A refusal is no fault: the clip then keeps what was measured, and its caption says that the model declined. Raises
    AnswerError, the last one, where no answer of `tries` is good.
    """
    for number in range(tries):
        try:
            answer = parse(ask(number))
        except Refused:
            return refused(clip)
        except AnswerError as e:
            error = e
        else:
            return NarratedCaption(**answer.model_dump(), source=source)
    raise error


def refused(clip: CaptionInput) -> NarratedCaption:
    """What stands in for a caption that a model would not write: the built-in one."""
    (caption,) = KinematicCaptioner().annotate([clip])
    said = {name: getattr(caption, name) for name in Caption.__dataclass_fields__}
    return replace(NarratedCaption(**said), refused=True)
