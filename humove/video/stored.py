"""The frames of a stored clip, decoded once into a file, so that memory use does not depend on its length."""

import io
import os
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from humove.video.frames import yuv_to_rgb

_BT601 = (5, 6)
"""libavutil's AVCOL_SPC_BT470BG and AVCOL_SPC_SMPTE170M."""


class StoredFrames:
    """The frames of a sample's mp4, as `humove.video.frames.Frames`.

    A context manager: leaving it deletes the file in `scratch`. Raises av.error.FFmpegError if the bytes are no video.
    """

    def __init__(self, mp4: bytes, *, fps: Fraction, source_frames: np.ndarray, scratch: Path) -> None:
        self.fps, self.source_frames = fps, np.asarray(source_frames, np.int64)
        self._file = tempfile.TemporaryFile(dir=scratch, prefix="stored-")  # noqa: SIM115
        try:
            count = 0
            with av.open(io.BytesIO(mp4)) as container:
                stream = container.streams.video[0]
                self.width, self.height = stream.codec_context.width, stream.codec_context.height
                self.matrix = "bt709"
                for frame in container.decode(stream):
                    self.matrix = "bt601" if int(frame.colorspace) in _BT601 else "bt709"
                    self._file.write(frame.to_ndarray(format="yuv420p").tobytes())
                    count += 1
            if count != len(self.source_frames):
                raise ValueError(f"the mp4 has {count} frames, its sample {len(self.source_frames)}")
            self._file.flush()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self.source_frames)

    def read_yuv(self, index: int) -> np.ndarray:
        size = self.width * self.height * 3 // 2
        data = os.pread(self._file.fileno(), size, index * size)
        return np.frombuffer(data, np.uint8).reshape(self.height * 3 // 2, self.width)

    def read_rgb(self, index: int) -> np.ndarray:
        return yuv_to_rgb(self.read_yuv(index), self.matrix)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "StoredFrames":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
