"""A data set whose frames encode their number: frame k shows k as black and white blocks, row k holds its motion.

Its names, captions and categories are hostile: markup that runs if a page does not escape it.
"""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np

from humove.types import Sample, SmplMotion

URI = "<img src=x onerror=alert(1)>.mp4"
CAPTION = "</script><script>alert('caption')</script> A person swings both arms."
BITS, BLOCK, SIZE = 8, 20, (160, 192)


def encode_coded_mp4(num_frames: int, fps: Fraction) -> bytes:
    """Encode a video; frame k shows the bits of k, least significant first, as blocks of BLOCK px along its bottom."""
    out, width, height = io.BytesIO(), *SIZE
    with av.open(out, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "superfast", "bf": "2"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.thread_count = 1
        for k in range(num_frames):
            image = np.full((height, width, 3), 90, np.uint8)
            for bit in range(BITS):
                image[-BLOCK:, bit * BLOCK : (bit + 1) * BLOCK] = 235 if k >> bit & 1 else 16
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
    return out.getvalue()


def decode_frames(mp4: bytes) -> list[np.ndarray]:
    """Decode every frame, (H, W, 3) uint8 RGB."""
    with av.open(io.BytesIO(mp4)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _encode_row_numbers(motion: SmplMotion) -> SmplMotion:
    """Set the confidence of row k to k/100, and make the person walk across the image."""
    rows = np.arange(len(motion.transl), dtype=np.float32)
    walk = np.zeros_like(motion.transl)
    walk[:, 0] = np.linspace(-0.7, 0.7, len(rows))
    confidence = np.where(motion.valid, rows / 100, 0).astype(np.float32)
    return replace(motion, transl=motion.transl + walk, joints=motion.joints + walk[:, None], confidence=confidence)


def make_coded_sample(make: SimpleNamespace, video_id: str, fps: Fraction, num_frames: int) -> Sample:
    """Make a sample with hostile names and captions."""
    plain = make.sample(video_id, 0, split="train", start_frame=0, num_frames=num_frames, fps=fps)
    meta = {
        **plain.meta,
        "uri": URI,
        "captions": {**plain.meta["captions"], "full": CAPTION, "action": CAPTION},
        "category": {"major": "<svg onload=alert(2)>", "fine": "", "source": "manifest"},
        "rights": {"licence": "<b>mine</b>", "source_url": "javascript:alert(3)", "consent": ""},
    }
    motion = _encode_row_numbers(plain.motion)
    return replace(plain, meta=meta, mp4=encode_coded_mp4(num_frames, fps), motion=motion, pose2d=make.pose2d(motion))


def write_coded(make: SimpleNamespace, folder: Path) -> list[Sample]:
    """Write a data set of three samples, at 25, 30000/1001 and 60 fps; return the samples."""
    rates = [Fraction(25), Fraction(30000, 1001), Fraction(60)]
    samples = [make_coded_sample(make, digit * 16, fps, 48) for digit, fps in zip("abc", rates, strict=True)]
    make.dataset(folder, samples, make.outcomes(samples))
    return samples
