"""What `humove train` tells of its way."""

import pytest

from echomotion_model import commands


def test_a_run_tells_the_time_left_at_its_pace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    now = iter((0.0, 5.0, 5.0))
    monkeypatch.setattr(commands.time, "monotonic", lambda: next(now))
    teller = commands._Teller(100)
    teller(10, {"loss": 1.0, "step_seconds": 0.5})
    teller(20, {"loss": 0.5, "step_seconds": 0.5})
    teller(20, {"validation/motion_to_video_psnr_db": 21.0})
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "step 10 of 100: loss 1, step_seconds 0.5"
    assert second == "step 20 of 100: loss 0.5, step_seconds 0.5, about 40 s left"
    assert third == "step 20: motion_to_video_psnr_db 21"
