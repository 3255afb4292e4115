"""Invalid mp4s, made by ffmpeg."""

import subprocess
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import imageio_ffmpeg
import pytest

from shards.checks.video import check_video

SOUND = ("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-shortest", "-c:v", "copy", "-c:a", "aac")
CASES = {
    "sound": (("-c:v", "copy"), None),
    "audio": (SOUND, "has audio"),
    "rotation tag": (None, "rotation tag"),
    "variable rate": (
        ("-vf", "setpts='if(gt(N,9),N+3,N)/(25*TB)'", "-fps_mode", "vfr", "-c:v", "libx264"),
        "is not 25 frames per second throughout: up to 0.120 s off",
    ),
    "half the rate": (("-r", "12.5", "-c:v", "libx264"), "frames, json says 20"),
    "yuv444p": (("-pix_fmt", "yuv444p", "-c:v", "libx264"), "h264/yuv444p, wanted h264/yuv420p"),
    "scaled": (("-vf", "scale=80:96", "-c:v", "libx264"), "mp4 is 80x96, json says 160x192"),
}


@pytest.mark.parametrize("case", CASES)
def test_invalid_videos_are_found(case: str, make: SimpleNamespace, tmp_path: Path):
    options, expected = CASES[case]
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.write_bytes(make.mp4(20, Fraction(25)))
    before = ("-display_rotation", "90") if options is None else ()
    command = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *before, "-i", source, *(options or ("-c", "copy")), out)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    raw = out.read_bytes()
    lines = [str(d) for d in check_video("here", raw, width=160, height=192, num_frames=20, fps=Fraction(25))]
    if expected is None:
        assert lines == []
    else:
        assert [line for line in lines if expected in line], lines


def test_a_truncated_video_is_found(make: SimpleNamespace):
    raw = make.mp4(20, Fraction(25))
    for keep in (0, 50, len(raw) // 2):
        assert check_video("here", raw[:keep], width=160, height=192, num_frames=20, fps=Fraction(25))
