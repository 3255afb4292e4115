"""`humove keywords`: search terms of categories, from the list or from a served model."""

import csv
import json

import pytest

from annotators.categories.search import find_categories, list_terms, write_keywords
from annotators.categories.taxonomy import load_taxonomy
from annotators.endpoint.config import ServerConfig
from humove.errors import UserError
from tests.annotators.endpoint.conftest import MODEL, says, server  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("no_network")


def at(url: str, **settings: object) -> ServerConfig:
    return ServerConfig(url=url, backoff_s=0.01, retries=2, **settings)


def test_names_are_fine_or_major_ones() -> None:
    assert [c.fine for c in find_categories(["Ice & Snow Sports", "golf", "Golf"])] == [
        "Figure Skating", "Skiing & Snowboarding", "Golf",
    ]  # fmt: skip
    assert len(find_categories([])) == 38
    with pytest.raises(UserError, match="'chess' is no category; use one of: Urban & Outdoor"):
        find_categories(["chess"])


def test_the_built_in_list() -> None:
    assert list_terms(load_taxonomy()["Golf"], 6) == [
        "golf", "golf swing", "golf driver slow motion", "putting practice", "golf solo", "golf swing solo",
    ]  # fmt: skip
    for category in load_taxonomy().values():
        terms = list_terms(category, 12)
        assert len(terms) == len({t.casefold() for t in terms}) == 12


def test_output_formats() -> None:
    names = ["Judo", "Skiing & Snowboarding"]
    assert list(write_keywords(["Judo"], 2, "text")) == ["Combat Sports/Judo: judo, judo solo drill"]
    rows = list(csv.reader(write_keywords(names, 3, "csv")))
    assert rows[0] == ["major", "fine", "term"] and len(rows) == 7
    assert rows[4] == ["Ice & Snow Sports", "Skiing & Snowboarding", "skiing & snowboarding"]
    assert {fine: len(t) for fine, t in json.loads("".join(write_keywords(names, 3, "json"))).items()} == dict.fromkeys(
        names, 3
    )
    with pytest.raises(UserError, match="--format xml: use one of text, csv, json"):
        list(write_keywords([], 3, "xml"))


def test_a_served_model_is_asked_and_its_list_tidied(server) -> None:  # noqa: F811
    terms = ["Judo randori", "judo  randori", "", "x", "o" * 99, 7, '"uchi-mata drill"', "ippon\nseoi nage", "more"]
    server.good = says("```json\n" + json.dumps({"terms": terms}) + "\n```")
    lines = list(write_keywords(["Judo"], 3, "text", server=at(server.url), model=MODEL))
    assert lines == ["Combat Sports/Judo: Judo randori, uchi-mata drill, ippon seoi nage"]
    request = server.requests[0]
    assert "Write 3 different terms" in request["messages"][0]["content"]
    assert request["response_format"]["json_schema"]["schema"]["required"] == ["terms"]


def test_a_bad_list_is_asked_for_again_then_one_line(server) -> None:  # noqa: F811
    good = says('{"terms": ["golf swing"]}')
    server.plan = [says("none"), says('{"terms": "golf"}'), good]
    assert list(write_keywords(["Golf"], 3, "text", server=at(server.url), model=MODEL)) == [
        "Ball Sports/Golf: golf swing"
    ]
    assert [r["seed"] for r in server.requests] == [0, 1, 2]
    server.good = says('{"terms": []}')
    with pytest.raises(UserError, match="--url: tiny-vl: Golf: 3 answers were invalid, the last one: an empty list"):
        list(write_keywords(["Golf"], 3, "text", server=at(server.url), model=MODEL))


def test_what_is_missing_is_one_line(server) -> None:  # noqa: F811
    for settings, why in (
        ({"model": MODEL}, "--url is not set"),
        ({"server": at(""), "model": MODEL}, "--url is not set"),
        ({"server": at(server.url)}, "--model is not set"),
        ({"server": at(server.url), "model": "other"}, "--model: .* has no 'other'; it has: tiny-vl"),
        ({"server": at(server.url, api_key_file="/none/here"), "model": MODEL}, "--key-file: /none/here can't be read"),
    ):
        with pytest.raises(UserError, match=why):
            list(write_keywords(["Golf"], 3, "text", **settings))
