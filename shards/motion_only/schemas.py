"""The documents of a motion-only set, a sample's .json and motion_dataset.json, and the sample itself."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from humove.config.strict import Strict
from humove.types import SmplMotion
from shards.format import encode_meta
from shards.npz import encode_motion_npz
from shards.schemas import Count, Finite, Rights, SampleKey, ShardRow, Text

MOTION_FILE = "motion_dataset.json"
MOTION_MEMBERS = ("motion.npz", "txt", "json")
"""Suffixes of a sample's members, in their order in the tar."""
FrameOfReference = Literal["camera", "world_z_up", "world_y_up"]
Vector = tuple[Finite, Finite, Finite]


class MotionSource(Strict):
    """The source of a motion."""

    kind: Literal["amass", "humanml3d", "bvh"]
    file: Text
    """Relative to the imported folder."""
    name: str
    """The clip's name in its collection (HumanML3D's 000123); empty if it has none."""
    start_frame: Count
    end_frame: PositiveInt
    """Half-open, in frames of the file."""
    fps: PositiveFloat
    """The file's own rate."""
    frame: FrameOfReference
    """The file's frame of reference."""


class CameraRecord(Strict):
    """The camera of a motion: x_camera = rotation @ x_source + translation, OpenCV's axes, metres."""

    made: Literal["synthetic", "source"]
    """"synthetic": a static camera, sampled from the key only; "source": the source's own camera."""
    rotation: tuple[Vector, Vector, Vector]
    translation: Vector
    azimuth_deg: Finite
    """Relative to the person's main facing direction: 0 sees the front, 90 the left side."""
    pitch_deg: Finite
    """Downward pitch."""
    distance_m: PositiveFloat
    """From the camera to the middle of the motion."""
    width: PositiveInt
    height: PositiveInt
    fov_deg: PositiveFloat
    """Across the longer side."""


class MotionBody(Strict):
    """The body that the pose moves. `shape_source` is "true" if rest_joints are computed from the source's betas with
    the source's own body model, "proxy" if the open body replaces it: betas are zero then."""

    name: Text
    licence: str
    gender: str
    shape_source: Literal["true", "proxy"]
    source_betas: tuple[Finite, ...]
    """As in the source, used or not."""


class MotionOnlyMeta(Strict):
    """A motion-only sample's .json."""

    key: SampleKey
    split: Text
    num_frames: PositiveInt
    fps: Annotated[str, Field(pattern=r"^\d+/\d+$")]
    frame: Literal["camera"]
    """Of the stored arrays."""
    captions: tuple[Text, ...]
    """Captions of the whole sample; the first is the .txt."""
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
        """The first caption, or an empty string."""
        return self.captions[0] if self.captions else ""


class MotionOnlyDoc(Strict):
    """motion_dataset.json."""

    schema_version: Literal[1] = 1
    tool_version: Text
    kind: Text
    settings: dict[str, Any]
    shards: tuple[ShardRow, ...]
    inputs: Count
    """Input files, or clips that an index lists; inputs = kept + the sum of left_out."""
    kept: Count
    left_out: dict[str, Count]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionOnlySample:
    """A motion with its captions and source."""

    motion: SmplMotion
    meta: MotionOnlyMeta

    @property
    def key(self) -> str:
        """The sample's key."""
        return self.meta.key

    @property
    def caption(self) -> str:
        """The first caption, or an empty string."""
        return self.meta.caption

    def encode_members(self) -> list[tuple[str, bytes]]:
        """Encode the sample as (suffix, bytes), in the order of MOTION_MEMBERS."""
        return [
            ("motion.npz", encode_motion_npz(self.motion)),
            ("txt", self.caption.encode()),
            ("json", encode_meta(self.meta.model_dump(mode="json"))),
        ]
