"""Parsing of models' answers."""

import json

import pytest

from annotators.captions.models.answer import (
    AnswerError,
    CaptionAnswer,
    RefusalError,
    build_schema,
    is_refusal,
    parse_answer,
)

GOOD = {"appearance": "a man", "background": "a park", "action": "walks", "full": "A man walks in a park."}
TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f"<think>A man {{walking}}? Perhaps {{}} or [1].</think>\n{TEXT}\nThat is all.",
        json.dumps(GOOD | {"appearance": "  a\n\tman\u0000 ", "mood": "calm"}),
    ],
    ids=["plain", "fenced", "after a thought", "untidy"],
)
def test_the_object_is_found_and_cleaned(text: str) -> None:
    assert parse_answer(text) == CaptionAnswer(**GOOD)


def test_an_object_in_the_reasoning_is_not_the_answer() -> None:
    assert parse_answer(json.dumps({"thought": {"full": "no"}}) + TEXT) == CaptionAnswer(**GOOD)


@pytest.mark.parametrize(
    ("stated", "kept"),
    [("Golf", "Golf"), ("rock_climbing", "Rock Climbing"), ("chess", ""), ("Ball Sports/Golf", "Golf")],
)
def test_a_category_is_one_of_the_papers_or_none(stated: str, kept: str) -> None:
    assert parse_answer(json.dumps(GOOD | {"category": stated})).category == kept


@pytest.mark.parametrize(
    "text",
    ["", "A man walks.", "[1, 2]", TEXT[:-1], json.dumps(GOOD | {"full": "\n"}), json.dumps(GOOD | {"action": None}),
     json.dumps({k: v for k, v in GOOD.items() if k != "background"}), '{"a":' * 5000],
    ids=["empty", "prose", "a list", "cut", "empty text", "null", "lacking", "deep"],
)  # fmt: skip
def test_invalid_answers(text: str) -> None:
    with pytest.raises(AnswerError) as raised:
        parse_answer(text)
    assert len(str(raised.value)) < 300 and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, I cannot describe this person.",
        "Sorry, I can't help with identifying people.",
        "As an AI language model, I am unable to view images.",
        "I cannot provide a description of this content.",
        "I am not able to help with that.",
        json.dumps(GOOD | {"action": "I'm sorry, I can't describe this."}),
    ],
)
def test_a_refusal_is_detected(text: str) -> None:
    with pytest.raises(RefusalError):
        parse_answer(text)


@pytest.mark.parametrize(
    "text",
    [
        "A woman who cannot reach the shelf stands on her toes.",
        "He looks sorry and walks off.",
        "The person is unable to lift the bar and drops it.",
        "A man in a shirt that says 'I can't' waves.",
        "A skater cannot stop; she falls and provides a laugh.",
    ],
)
def test_a_description_is_no_refusal(text: str) -> None:
    assert not is_refusal(text)
    assert parse_answer(json.dumps(GOOD | {"full": text})).full == text


def test_the_schema_has_the_fields_that_parsing_needs() -> None:
    assert build_schema(category=False)["required"] == ["appearance", "background", "action", "full"]
    assert build_schema(category=True)["properties"]["category"]["enum"][0] == "Archery"
    assert build_schema(category=True)["additionalProperties"] is False
