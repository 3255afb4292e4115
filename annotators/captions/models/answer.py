"""Parsing of a captioning model's answer: one JSON object, or a refusal."""

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from annotators.categories.taxonomy import find_category, load_taxonomy

FIELDS = ("appearance", "background", "action", "full")
_MAX_LETTERS = 4000
_NEGATION = r"(?:sorry|apologi[sz]e|unable|not able|cannot|can[’']?t|can ?not|won[’']?t)"
_REFUSED = re.compile(
    rf"^\W*(?:i[’']?m|i am|i|as an ai\b.{{0,60}}?\bi)\b[^.!?]{{0,40}}\b{_NEGATION}\b"
    r"|^\W*(?:sorry|apologies)\b"
    rf"|\bas an ai\b[^.!?]{{0,80}}\b{_NEGATION}\b"
    r"|\b(?:i|we) (?:can[’']?t|cannot|can not|am unable to|won[’']?t) "
    r"(?:help|assist|comply|describe|identify|provide|fulfil|fulfill|process|view|see|analy[sz]e)\b",
    re.IGNORECASE,
)


class AnswerError(ValueError):
    """The answer does not have the requested form; another try may succeed."""


class RefusalError(Exception):
    """The model refuses to describe the clip."""


class CaptionAnswer(BaseModel):
    """A model's description of a clip. Texts have one line and no space around them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    appearance: str
    background: str
    action: str
    full: str
    category: str = ""
    """The fine class's name, or "" if none was requested or the answer is not one of them."""

    @field_validator(*FIELDS)
    @classmethod
    def _clean_text(cls, value: str) -> str:
        text = " ".join("".join(c if c.isprintable() else " " for c in value).split())
        if not text:
            raise ValueError("is empty")
        if len(text) > _MAX_LETTERS:
            raise ValueError(f"has {len(text)} letters")
        return text

    @field_validator("category")
    @classmethod
    def _match_category(cls, value: str) -> str:
        found = find_category(value)
        return found.fine if found else ""


def build_schema(*, category: bool) -> dict[str, Any]:
    """Build the JSON schema of the answer, for servers with structured output."""
    properties: dict[str, Any] = {name: {"type": "string"} for name in FIELDS}
    if category:
        properties["category"] = {"type": "string", "enum": list(load_taxonomy())}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def parse_answer(text: str) -> CaptionAnswer:
    """Parse the answer in a model's text, which may be fenced or follow a chain of thought.

    Raises RefusalError if the model refuses, AnswerError if there is no valid object.
    """
    found = _find_json_object(text)
    if found is None:
        if is_refusal(text):
            raise RefusalError(_shorten(text))
        raise AnswerError(f"the answer holds no JSON object: {_shorten(text)!r}")
    try:
        answer = CaptionAnswer.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise AnswerError(f"{where}: {first['msg']}: {_shorten(text)!r}") from error
    if any(is_refusal(getattr(answer, name)) for name in ("action", "full")):
        raise RefusalError(_shorten(answer.full))
    return answer


def is_refusal(text: str) -> bool:
    """Return whether a text is a refusal instead of a description."""
    return bool(_REFUSED.search(text))


def _find_json_object(text: str) -> dict | None:
    """Return the last complete JSON object at the top level of the text: reasoning precedes the answer."""
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


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:117]}..."
