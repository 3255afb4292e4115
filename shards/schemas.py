"""The JSON documents of the format: a sample's .json and the data set's dataset.json."""

import json
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, ValidationError

from humove.config.strict import Strict
from humove.errors import UserError
from shards.format import DATASET_FILE, SCHEMA_VERSION, parse_key, parse_shard_name

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(pattern=r"\S")]
"""A string that is not blank."""


def _check_key(value: str) -> str:
    parse_key(value)
    return value


def _check_shard_name(value: str) -> str:
    parse_shard_name(value)
    return value


def _check_rate(value: str) -> str:
    if "/" not in value or Fraction(value) <= 0:
        raise ValueError(f"{value!r} is not a frame rate; write num/den, such as 30000/1001")
    return value


SampleKey = Annotated[str, AfterValidator(_check_key)]
ShardName = Annotated[str, AfterValidator(_check_shard_name)]


class Span(Strict):
    """The clip's half-open span of source frames, also in seconds."""

    start_frame: Count
    end_frame: PositiveInt
    start_s: Finite
    end_s: Finite


class Captions(Strict):
    """The captions of a clip; `source` is the captioner."""

    appearance: Text
    background: Text
    action: Text
    full: Text
    source: Text


class Category(Strict):
    """The kind of motion; `source` is the classifier."""

    major: str
    fine: str
    source: str


class BodyModel(Strict):
    """The body that the pose moves; `shape_source` is "proxy" if betas do not come from a true shape model."""

    name: Text
    licence: str
    shape_source: Text


class WeightsRecord(Strict):
    """A weights file of an annotator."""

    name: str
    sha256: Sha256
    licence: str


class AnnotatorRecord(Strict):
    """An annotator with its weights and their licences."""

    name: Text
    version: Text
    licence: str = ""
    weights: tuple[WeightsRecord, ...] = ()
    model: str = ""
    """The name of a served model, whose weights are not known."""


class Rights(Strict):
    """The source's rights, from the manifest; empty if not stated."""

    licence: str = ""
    source_url: str = ""
    consent: str = ""


class Cam(Strict):
    """The camera of cam_intrinsics: its focal length and where that comes from."""

    focal_px: tuple[Finite, Finite] = Field(description="Of the stored clip, across and down.")
    source: Literal["metadata", "annotator", "default"] = Field(
        description="The video file's metadata, the motion's annotator, or the field of view that the build assumed."
    )
    detail: Text


class SampleMeta(Strict):
    """A sample's .json."""

    key: SampleKey
    video_id: Text
    uri: Text
    span: Span
    shot_index: Count
    crop_xyxy: tuple[Finite, Finite, Finite, Finite] = Field(description="The region of the source, in its px.")
    fps: Annotated[str, AfterValidator(_check_rate)]
    width: PositiveInt
    height: PositiveInt
    num_frames: PositiveInt
    captions: Captions
    category: Category
    scores: dict[str, Finite]
    cam: Cam | None = Field(None, description="None in sets of older builds, which assumed a field of view.")
    body_model: BodyModel
    annotators: tuple[AnnotatorRecord, ...]
    rights: Rights
    config_hash: Text

    @property
    def rate(self) -> Fraction:
        """Exact frames per second."""
        return Fraction(self.fps)


class ShardRow(Strict):
    """One tar of the data set."""

    name: ShardName
    split: Text
    num_samples: PositiveInt
    bytes: PositiveInt
    sha256: Sha256


class StageCounts(Strict):
    """Outcome counts of a stage; the accounting invariant is inputs == emitted + rejected + faulted."""

    inputs: Count
    emitted: Count
    rejected: Count
    faulted: Count


class SplitRow(Strict):
    """The size of one split."""

    num_samples: Count
    num_videos: Count


class BatchRow(Strict):
    """One frozen list of inputs and the shards built from it."""

    number: Count
    num_inputs: Count
    inputs_sha256: Sha256
    num_samples: Count
    shards: tuple[ShardName, ...]
    num_videos: dict[str, Count] = Field({}, description="Videos with samples, by split.")
    counts: dict[str, StageCounts] = Field({}, description="This batch's part of the counts by stage.")


class TableRow(Strict):
    """One part of a table: a Parquet file in the set's folder `tables`."""

    name: Annotated[str, Field(pattern=r"^tables/[a-z]+-\d{6}-[0-9a-f]{8}\.parquet$")]
    bytes: PositiveInt
    sha256: Sha256


class DatasetDoc(Strict):
    """dataset.json, the commit: a file that it does not list is not part of the set."""

    schema_version: Literal[1] = SCHEMA_VERSION
    tool_version: Text
    config: dict[str, Any]
    config_hash: Text
    annotators: tuple[AnnotatorRecord, ...]
    splits: dict[str, SplitRow]
    batches: tuple[BatchRow, ...]
    shards: tuple[ShardRow, ...]
    counts: dict[str, StageCounts]
    tables: dict[str, tuple[TableRow, ...]] = Field(
        {}, description="The parts of index and outcomes, in the order of the batches; none in older sets."
    )
    purges: tuple[dict[str, Any], ...] = ()

    def to_bytes(self) -> bytes:
        """Return the file's bytes, which depend on the document only. Keys are not sorted: stages keep their order."""
        text = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False)
        return (text + "\n").encode()


def parse_dataset(raw: bytes, where: str) -> DatasetDoc:
    """Parse dataset.json. UserError with `where` and the first invalid field."""
    try:
        return DatasetDoc.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        remedy = "upgrade humove" if place == "schema_version" else "restore the file or build the set again"
        raise UserError(f"{where}/{DATASET_FILE}: {place}: {first['msg']}; {remedy}") from error
