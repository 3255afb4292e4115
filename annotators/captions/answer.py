"""What a model that writes captions answers: one JSON object, checked; or a refusal."""

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from annotators.categories.taxonomy import named, taxonomy

FIELDS = ("appearance", "background", "action", "full")
_MAX_LETTERS = 4000
_SORRY = r"(?:sorry|apologi[sz]e|unable|not able|cannot|can[’']?t|can ?not|won[’']?t)"
_REFUSED = re.compile(
    rf"^\W*(?:i[’']?m|i am|i|as an ai\b.{{0,60}}?\bi)\b[^.!?]{{0,40}}\b{_SORRY}\b"
    r"|^\W*(?:sorry|apologies)\b"
    rf"|\bas an ai\b[^.!?]{{0,80}}\b{_SORRY}\b"
    r"|\b(?:i|we) (?:can[’']?t|cannot|can not|am unable to|won[’']?t) "
    r"(?:help|assist|comply|describe|identify|provide|fulfil|fulfill|process|view|see|analy[sz]e)\b",
    re.IGNORECASE,
)


class AnswerError(ValueError):
    """The answer is not what was asked for; asked again, the model may do better."""


class Refused(Exception):
    """The model said that it will not, or cannot, describe the clip."""


class Answer(BaseModel):
    """What a model says of a clip. Texts have one line and no space around them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    appearance: str
    background: str
    action: str
    full: str
    category: str = ""
    """The fine class's own name, or "" where none was asked for or it is not one of them."""

    @field_validator(*FIELDS)
    @classmethod
    def _text(cls, value: str) -> str:
        text = " ".join("".join(c if c.isprintable() else " " for c in value).split())
        if not text:
            raise ValueError("is empty")
        if len(text) > _MAX_LETTERS:
            raise ValueError(f"has {len(text)} letters")
        return text

    @field_validator("category")
    @classmethod
    def _class(cls, value: str) -> str:
        found = named(value)
        return found.fine if found else ""


def schema(*, category: bool) -> dict[str, Any]:
    """The JSON schema of the answer, for servers that hold a model to one."""
    properties: dict[str, Any] = {name: {"type": "string"} for name in FIELDS}
    if category:
        properties["category"] = {"type": "string", "enum": list(taxonomy())}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def parse(text: str) -> Answer:
    """The answer in a model's text, which may stand in a fence or after a thought.

    Raises Refused where the model declines, AnswerError where there is no such object.
    """
    found = _object(text)
    if found is None:
        if refuses(text):
            raise Refused(_short(text))
        raise AnswerError(f"the answer holds no JSON object: {_short(text)!r}")
    try:
        answer = Answer.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise AnswerError(f"{where}: {first['msg']}: {_short(text)!r}") from error
    if any(refuses(getattr(answer, name)) for name in ("action", "full")):
        raise Refused(_short(answer.full))
    return answer


def refuses(text: str) -> bool:
    """Whether a text declines instead of describing."""
    return bool(_REFUSED.search(text))


def _object(text: str) -> dict | None:
    """The last whole JSON object at the top level of the text: a thought goes before the answer."""
    decoder, found, at = json.JSONDecoder(), None, text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            end = at + 1
        else:
            found = value
        at = text.find("{", end)
    return found


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:117]}..."
