"""The documents of a motion-only set: a sample's .json, the sample itself, and motion_dataset.json."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from humove.config import Strict
from humove.types import SmplMotion
from shards.documents import Count, Finite, Rights, ShardRow, Text
from shards.format import meta_json, parse_key
from shards.npz import motion_bytes

MOTION_FILE = "motion_dataset.json"
MOTION_MEMBERS = ("motion.npz", "txt", "json")
"""Suffixes of a sample's members, in the order in which they stand in the tar."""
FrameOfReference = Literal["camera", "world_z_up", "world_y_up"]
Row = tuple[Finite, Finite, Finite]


def _key(value: str) -> str:
    parse_key(value)
    return value


class MotionSource(Strict):
    """Where a motion comes from."""

    kind: Literal["amass", "humanml3d", "bvh"]
    file: Text
    """Relative to the folder that was imported."""
    name: str
    """The clip's own name in its collection (HumanML3D's 000123); empty where it has none."""
    start_frame: Count
    end_frame: PositiveInt
    """Half-open, in frames of the file."""
    fps: PositiveFloat
    """The file's own rate."""
    frame: FrameOfReference
    """The frame of reference that the file is in."""


class CameraRecord(Strict):
    """How a motion was brought before a camera: x_camera = rotation @ x_source + translation, OpenCV's axes, metres."""

    made: Literal["synthetic", "source"]
    """"synthetic": a still camera of our choice, drawn from the key alone; "source": the source's own camera."""
    rotation: tuple[Row, Row, Row]
    translation: Row
    azimuth_deg: Finite
    """From where the person mostly faces: 0 sees the front, 90 the left side."""
    pitch_deg: Finite
    """How far the camera looks down."""
    distance_m: PositiveFloat
    """From the camera to the middle of the motion."""
    width: PositiveInt
    height: PositiveInt
    fov_deg: PositiveFloat
    """Across the longer side."""


class MotionBody(Strict):
    """The body that the pose moves. `shape_source` is "true" where rest_joints follow from the source's betas through
    the source's own body model, "proxy" where the open body stands in: betas are zero then."""

    name: Text
    licence: str
    gender: str
    shape_source: Literal["true", "proxy"]
    source_betas: tuple[Finite, ...]
    """As the source has them, whether used or not."""


class MotionOnlyMeta(Strict):
    """A motion-only sample's .json."""

    key: Annotated[str, AfterValidator(_key)]
    split: Text
    num_frames: PositiveInt
    fps: Annotated[str, Field(pattern=r"^\d+/\d+$")]
    frame: Literal["camera"]
    """Of the arrays as they are stored."""
    captions: tuple[Text, ...]
    """What is said of the whole sample; the first is the .txt."""
    source: MotionSource
    camera: CameraRecord
    body_model: MotionBody
    rights: Rights

    @property
    def rate(self) -> float:
        """Frames per second."""
        num, den = self.fps.split("/")
        return int(num) / int(den)

    @property
    def caption(self) -> str:
        """The first caption, or nothing."""
        return self.captions[0] if self.captions else ""


class MotionOnlyDoc(Strict):
    """motion_dataset.json."""

    schema_version: Literal[1] = 1
    tool_version: Text
    kind: Text
    settings: dict[str, Any]
    shards: tuple[ShardRow, ...]
    inputs: Count
    """Files, or clips that an index lists; inputs = kept + the sum of left_out."""
    kept: Count
    left_out: dict[str, Count]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionOnlySample:
    """A motion, what is said of it, and where it is from."""

    motion: SmplMotion
    meta: MotionOnlyMeta

    @property
    def key(self) -> str:
        """The sample's key."""
        return self.meta.key

    @property
    def caption(self) -> str:
        """The first caption, or nothing."""
        return self.meta.caption

    def members(self) -> list[tuple[str, bytes]]:
        """(suffix, bytes) in the order of MOTION_MEMBERS."""
        return [
            ("motion.npz", motion_bytes(self.motion)),
            ("txt", self.caption.encode()),
            ("json", meta_json(self.meta.model_dump(mode="json"))),
        ]
