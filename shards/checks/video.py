"""Check that a sample's mp4 decodes to the frames that its motion describes."""

import io
from fractions import Fraction

import av

from shards.checks.defect import Findings


def check_video(where: str, raw: bytes, *, width: int, height: int, num_frames: int, fps: Fraction) -> Findings:
    """Decode every frame: H.264, yuv420p, this size and constant rate, square pixels, not rotated, no sound."""
    found = Findings(where)
    try:
        with av.open(io.BytesIO(raw), format="mp4") as box:
            if not found.expect(len(box.streams.video) == 1, f"mp4 holds {len(box.streams.video)} video streams"):
                return found
            found.expect(len(box.streams) == 1, "mp4 has audio or other streams besides the video")
            stream = box.streams.video[0]
            stream.codec_context.thread_count = 1
            codec, pixels = stream.codec_context.name, stream.codec_context.pix_fmt
            found.expect((codec, pixels) == ("h264", "yuv420p"), f"mp4 is {codec}/{pixels}, wanted h264/yuv420p")
            aspect = stream.sample_aspect_ratio
            found.expect(aspect in (None, 0, 1), f"mp4 has pixels that are not square: {aspect}")
            shapes, times, rotated = set(), [], False
            for frame in box.decode(stream):
                shapes.add((frame.width, frame.height))
                times.append(frame.pts)
                rotated |= bool(frame.rotation % 360)
            tick = stream.time_base
    except av.FFmpegError as error:
        found.add(f"mp4 does not decode: {error.strerror}")
        return found
    found.expect(len(times) == num_frames, f"mp4 decodes to {len(times)} frames, json says {num_frames}")
    sizes = ", ".join(f"{w}x{h}" for w, h in sorted(shapes))
    found.expect(shapes <= {(width, height)}, f"mp4 is {sizes}, json says {width}x{height}")
    found.expect(not rotated, "mp4 has a rotation tag")
    if found.expect(None not in times, "mp4 has frames without a timestamp") and times:
        drift = max(abs((time - times[0]) * tick - i / fps) for i, time in enumerate(times))
        found.expect(drift <= tick, f"mp4 is not {fps} frames per second throughout: up to {float(drift):.3f} s off")
    return found
