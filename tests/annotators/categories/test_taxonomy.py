"""The paper's categories, and their keywords in captions."""

import re
from collections import Counter

import pytest

from annotators.categories.taxonomy import find_category, list_majors, load_taxonomy
from annotators.categories.wording import match_keywords

PAPER = """Urban & Outdoor: Archery, Cycling, Equestrian, Highlining, Motocross, Parkour, Rock Climbing, Skateboarding,
Street Workout. Water Sports: Kayaking, Kitesurfing, Paddleboarding, Surfing, Swimming, Wakeboarding, Windsurfing.
Athletics & Fitness: Athletics, Olympics. Ball Sports: Basketball, Golf, Soccer, Tennis, Volleyball. Combat Sports:
Boxing, Judo, MMA, Taekwondo, Wrestling, Wushu. Dance & Artistic: Artistic Roller Skating, Breakdancing, Dancing.
Gymnastics & Acrobatic: Gymnastics, Trampoline. Ice & Snow Sports: Figure Skating, Skiing & Snowboarding. General &
Others: Daily Activity, Other."""


def test_the_data_file_is_the_papers_list() -> None:
    expected = dict(part.split(": ") for part in " ".join(PAPER.removesuffix(".").split()).split(". "))
    found = {major: ", ".join(c.fine for c in load_taxonomy().values() if c.major == major) for major in list_majors()}
    assert found == expected
    assert (len(list_majors()), len(load_taxonomy())) == (9, 38)


def test_no_keyword_belongs_to_two_classes() -> None:
    words = Counter(word for c in load_taxonomy().values() for word in c.keywords)
    assert [word for word, count in words.items() if count > 1] == []
    assert all(c.search and c.phrase for c in load_taxonomy().values())


@pytest.mark.parametrize("fine", [c.fine for c in load_taxonomy().values() if c.keywords])
def test_every_keyword_is_found_and_indicates_its_class(fine: str) -> None:
    for word in load_taxonomy()[fine].keywords:
        expected_word = re.sub(r"\*$", "", word)
        assert match_keywords(f"Someone, {expected_word}, in a hall.").fine == fine, word


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("golf", "Golf"), ("GOLF", "Golf"), ("Ball Sports/Golf", "Golf"), ("rock_climbing", "Rock Climbing"),
        ("skiing and snowboarding", "Skiing & Snowboarding"), ("mini golf", None), ("", None),
    ],
)  # fmt: skip
def test_names(text: str, fine: str | None) -> None:
    found = find_category(text)
    assert (found and found.fine) == fine


@pytest.mark.parametrize(
    ("action", "fine"),
    [
        ("A man rides a dirt bike over a jump.", "Motocross"),  # not Cycling: the longest counts
        ("A woman is kickboxing.", "MMA"),
        ("A girl is ice skating.", "Figure Skating"),
        ("He is paddle-boarding on a lake", "Paddleboarding"),
        ("walks to the board, then surfs a wave", "Surfing"),  # walking counts only without another class
        ("walks to a chair and sits", "Daily Activity"),
        ("boxes with jabs and an uppercut, dancing on his toes", "Boxing"),  # two words against one
        ("dances, then jabs", "Dancing"),  # a tie: the first
        ("a swimsuit, a gulf, an unboxing", None),
        ("raises the left arm", None),
    ],
)
def test_a_caption_is_classified_by_its_keywords(action: str, fine: str | None) -> None:
    found = match_keywords(action)
    assert (found and found.fine) == fine


def test_the_action_precedes_the_full_caption() -> None:
    assert (
        match_keywords(
            "throws a judo partner", "On a tennis court he throws a judo partner; tennis rackets lie by."
        ).fine
        == "Judo"
    )
    assert match_keywords("moves fast", "A woman on a tennis court moves fast.").fine == "Tennis"
    assert match_keywords("walks along", "A woman walks along a basketball court.").fine == "Basketball"
