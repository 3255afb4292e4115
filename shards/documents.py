"""The two JSON documents of the format: a sample's .json and the data set's dataset.json."""

import json
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, ValidationError

from humove.config import Strict
from humove.errors import UserError
from shards.format import DATASET_FILE, SCHEMA_VERSION, parse_key, parse_shard_name

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(pattern=r"\S")]
"""A string that says something."""


def _key(value: str) -> str:
    parse_key(value)
    return value


def _shard(value: str) -> str:
    parse_shard_name(value)
    return value


def _rate(value: str) -> str:
    if "/" not in value or Fraction(value) <= 0:
        raise ValueError(f"{value!r} is no frame rate; write num/den, as in 30000/1001")
    return value


class Span(Strict):
    """Where the clip lies in its source: half-open, in source frames; seconds are for people."""

    start_frame: Count
    end_frame: PositiveInt
    start_s: Finite
    end_s: Finite


class Captions(Strict):
    """What is said of the clip; `source` is who says it."""

    appearance: Text
    background: Text
    action: Text
    full: Text
    source: Text


class Category(Strict):
    """What kind of motion it is; `source` is who says so."""

    major: str
    fine: str
    source: str


class BodyModel(Strict):
    """The body that the pose moves; `shape_source` is "proxy" where betas do not come from a true shape model."""

    name: Text
    licence: str
    shape_source: Text


class WeightsRecord(Strict):
    """A weights file that an annotator read."""

    name: str
    sha256: Sha256
    licence: str


class AnnotatorRecord(Strict):
    """A model that annotated; its weights and their licences."""

    name: Text
    version: Text
    licence: str = ""
    weights: tuple[WeightsRecord, ...] = ()
    model: str = ""
    """The name of a served model, whose weights nobody here has seen."""


class Rights(Strict):
    """What the manifest says of the source's rights; empty where it says nothing."""

    licence: str = ""
    source_url: str = ""
    consent: str = ""


class Cam(Strict):
    """The camera behind cam_intrinsics: how long its focal length is, and who says so."""

    focal_px: tuple[Finite, Finite] = Field(description="Of the stored clip, across and down.")
    source: Literal["metadata", "annotator", "default"] = Field(
        description="The video file's metadata, the motion's annotator, or the field of view that the build assumed."
    )
    detail: Text


class SampleMeta(Strict):
    """A sample's .json."""

    key: Annotated[str, AfterValidator(_key)]
    video_id: Text
    uri: Text
    span: Span
    shot_index: Count
    crop_xyxy: tuple[Finite, Finite, Finite, Finite] = Field(description="What the mp4 shows of the source, in its px.")
    fps: Annotated[str, AfterValidator(_rate)]
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
        """Frames per second, exactly."""
        return Fraction(self.fps)


class ShardRow(Strict):
    """One tar of the data set."""

    name: Annotated[str, AfterValidator(_shard)]
    split: Text
    num_samples: PositiveInt
    bytes: PositiveInt
    sha256: Sha256


class StageCounts(Strict):
    """What became of a stage's inputs; the law is inputs == emitted + rejected + faulted."""

    inputs: Count
    emitted: Count
    rejected: Count
    faulted: Count


class SplitRow(Strict):
    """The size of one split."""

    num_samples: Count
    num_videos: Count


class BatchRow(Strict):
    """One frozen list of inputs and the shards that came of it."""

    number: Count
    num_inputs: Count
    inputs_sha256: Sha256
    num_samples: Count
    shards: tuple[Annotated[str, AfterValidator(_shard)], ...]
    num_videos: dict[str, Count] = Field({}, description="Videos with samples, by split.")
    counts: dict[str, StageCounts] = Field({}, description="This batch's part of the counts by stage.")


class TableRow(Strict):
    """One part of a table: a Parquet file in the set's folder `tables`."""

    name: Annotated[str, Field(pattern=r"^tables/[a-z]+-\d{6}-[0-9a-f]{8}\.parquet$")]
    bytes: PositiveInt
    sha256: Sha256


class DatasetDoc(Strict):
    """dataset.json, the commit: what it does not list is no part of the set."""

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
        """The file's bytes: a function of the document alone. Stages keep their order, so keys are not sorted."""
        text = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False)
        return (text + "\n").encode()


def parse_dataset(raw: bytes, where: str) -> DatasetDoc:
    """The document in `raw`; UserError naming `where` and the first thing wrong with it."""
    try:
        return DatasetDoc.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        remedy = "upgrade humove" if place == "schema_version" else "restore the file or build the set again"
        raise UserError(f"{where}/{DATASET_FILE}: {place}: {first['msg']}; {remedy}") from error
