from humove.duration import format_duration


def test_durations_show_two_units() -> None:
    assert [format_duration(s) for s in (7.4, 65, 3600 * 2 + 180)] == ["7 s", "1 min 05 s", "2 h 03 min"]
