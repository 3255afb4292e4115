"""Encode and decode the array members of a sample.

An npz is a zip of .npy files. numpy's savez writes the current time, so the zip is written here: fixed dates, fixed
order, uncompressed (deflate differs between zlib builds and saves only a tenth). Pickles are never loaded.
"""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from humove.types import Pose2D, SmplMotion, WorldCamera

MOTION_ARRAYS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "betas": ("<f4", (10,)),
    "rest_joints": ("<f4", (24, 3)),
    "global_orient": ("<f4", ("N", 3)),
    "body_pose": ("<f4", ("N", 23, 3)),
    "transl": ("<f4", ("N", 3)),
    "joints": ("<f4", ("N", 24, 3)),
    "cam_intrinsics": ("<f4", (3, 3)),
    "confidence": ("<f4", ("N",)),
    "valid": ("|b1", ("N",)),
    "source_frames": ("<i8", ("N",)),
    "raw_global_orient": ("<f4", ("N", 3)),
    "raw_body_pose": ("<f4", ("N", 23, 3)),
    "raw_transl": ("<f4", ("N", 3)),
}
"""Arrays of motion.npz, in file order: dtype and shape, N frames."""
WORLD_ARRAYS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "rotation": ("<f4", ("N", 3, 3)),
    "position": ("<f4", ("N", 3)),
    "gravity": ("<f4", ("N", 3)),
}
"""Arrays of world.npz, in file order."""
POSE2D_ARRAYS = ("keypoints", "scores", "skeleton", "names")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def encode_npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Encode arrays as an npz, in their order; the same arrays give the same bytes. ValueError for object arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as box:
        for name, array in arrays.items():
            npy = io.BytesIO()
            np.lib.format.write_array(npy, np.require(array, requirements="C"), version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.create_system = 3  # otherwise zipfile records the host's system
            entry.external_attr = 0o644 << 16
            box.writestr(entry, npy.getvalue())
    return out.getvalue()


def decode_npz(raw: bytes) -> dict[str, np.ndarray]:
    """Decode an npz to arrays by name. ValueError if it holds pickles, zipfile.BadZipFile if it is not an npz."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as box:
        return {name: box[name] for name in box.files}


def encode_motion_npz(motion: SmplMotion) -> bytes:
    """Encode motion.npz with the format's dtypes."""
    return encode_npz({name: getattr(motion, name).astype(dtype) for name, (dtype, _) in MOTION_ARRAYS.items()})


def decode_motion_npz(raw: bytes) -> SmplMotion:
    """Decode motion.npz; arrays that a later version may add are ignored."""
    arrays = decode_npz(raw)
    return SmplMotion(**{name: arrays[name] for name in MOTION_ARRAYS})


def encode_world_npz(world: WorldCamera) -> bytes:
    """Encode world.npz with the format's dtypes."""
    return encode_npz({name: getattr(world, name).astype(dtype) for name, (dtype, _) in WORLD_ARRAYS.items()})


def decode_world_npz(raw: bytes) -> WorldCamera:
    """Decode world.npz."""
    arrays = decode_npz(raw)
    return WorldCamera(**{name: arrays[name] for name in WORLD_ARRAYS})


def encode_pose2d_npz(pose: Pose2D) -> bytes:
    """Encode pose2d.npz: keypoints and scores float32, skeleton and names unicode."""
    return encode_npz(
        {
            "keypoints": pose.keypoints.astype("<f4"),
            "scores": pose.scores.astype("<f4"),
            "skeleton": np.array(pose.skeleton, dtype=f"<U{max(len(pose.skeleton), 1)}"),
            "names": np.array(pose.names, dtype=f"<U{max(map(len, pose.names), default=1)}"),
        }
    )


def decode_pose2d_npz(raw: bytes) -> Pose2D:
    """Decode pose2d.npz."""
    arrays = decode_npz(raw)
    return Pose2D(
        keypoints=arrays["keypoints"],
        scores=arrays["scores"],
        skeleton=str(arrays["skeleton"]),
        names=tuple(str(name) for name in arrays["names"]),
    )
