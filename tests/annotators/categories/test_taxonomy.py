"""The paper's categories, and captions that speak of them."""

import re
from collections import Counter

import pytest

from annotators.categories.taxonomy import majors, named, taxonomy
from annotators.categories.wording import worded

PAPER = """Urban & Outdoor: Archery, Cycling, Equestrian, Highlining, Motocross, Parkour, Rock Climbing, Skateboarding,
Street Workout. Water Sports: Kayaking, Kitesurfing, Paddleboarding, Surfing, Swimming, Wakeboarding, Windsurfing.
Athletics & Fitness: Athletics, Olympics. Ball Sports: Basketball, Golf, Soccer, Tennis, Volleyball. Combat Sports:
Boxing, Judo, MMA, Taekwondo, Wrestling, Wushu. Dance & Artistic: Artistic Roller Skating, Breakdancing, Dancing.
Gymnastics & Acrobatic: Gymnastics, Trampoline. Ice & Snow Sports: Figure Skating, Skiing & Snowboarding. General &
Others: Daily Activity, Other."""


def test_the_data_file_is_the_papers_list() -> None:
    said = dict(part.split(": ") for part in " ".join(PAPER.removesuffix(".").split()).split(". "))
    found = {major: ", ".join(c.fine for c in taxonomy().values() if c.major == major) for major in majors()}
    assert found == said
    assert (len(majors()), len(taxonomy())) == (9, 38)


def test_no_keyword_speaks_for_two_classes() -> None:
    words = Counter(word for c in taxonomy().values() for word in c.keywords)
    assert [word for word, count in words.items() if count > 1] == []
    assert all(c.search and c.phrase for c in taxonomy().values())


@pytest.mark.parametrize("fine", [c.fine for c in taxonomy().values() if c.keywords])
def test_every_keyword_is_found_and_speaks_for_its_class(fine: str) -> None:
    for word in taxonomy()[fine].keywords:
        said = re.sub(r"\*$", "", word)
        assert worded(f"Someone, {said}, in a hall.").fine == fine, word


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("golf", "Golf"), ("GOLF", "Golf"), ("Ball Sports/Golf", "Golf"), ("rock_climbing", "Rock Climbing"),
        ("skiing and snowboarding", "Skiing & Snowboarding"), ("mini golf", None), ("", None),
    ],
)  # fmt: skip
def test_names(text: str, fine: str | None) -> None:
    found = named(text)
    assert (found and found.fine) == fine


@pytest.mark.parametrize(
    ("action", "fine"),
    [
        ("A man rides a dirt bike over a jump.", "Motocross"),  # not Cycling: the longest counts
        ("A woman is kickboxing.", "MMA"),
        ("A girl is ice skating.", "Figure Skating"),
        ("He is paddle-boarding on a lake", "Paddleboarding"),
        ("walks to the board, then surfs a wave", "Surfing"),  # walking counts where nothing else is named
        ("walks to a chair and sits", "Daily Activity"),
        ("boxes with jabs and an uppercut, dancing on his toes", "Boxing"),  # two words against one
        ("dances, then jabs", "Dancing"),  # as many: the first
        ("a swimsuit, a gulf, an unboxing", None),
        ("raises the left arm", None),
    ],
)
def test_a_caption_is_worded(action: str, fine: str | None) -> None:
    found = worded(action)
    assert (found and found.fine) == fine


def test_the_action_goes_before_the_rest() -> None:
    assert (
        worded("throws a judo partner", "On a tennis court he throws a judo partner; tennis rackets lie by.").fine
        == "Judo"
    )
    assert worded("moves fast", "A woman on a tennis court moves fast.").fine == "Tennis"
    assert worded("walks along", "A woman walks along a basketball court.").fine == "Basketball"
