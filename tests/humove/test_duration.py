from humove.duration import duration


def test_lengths_are_told_in_the_two_units_that_matter() -> None:
    assert [duration(s) for s in (7.4, 65, 3600 * 2 + 180)] == ["7 s", "1 min 05 s", "2 h 03 min"]
