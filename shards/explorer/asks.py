"""The bodies of the page's requests. Anything else is refused with a one-line error."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from humove.config.strict import Strict
from humove.errors import UserError
from humove.near_duplicates.index import DedupConfig
from shards.explorer.query import Filter, ShortText, Sort

Thresholds = dict[ShortText, Annotated[float, Field(allow_inf_nan=False)]]


class RequestBody(Strict):
    """Base class of request bodies."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Parse and validate JSON. UserError naming the first invalid field."""
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part)[:80] for part in first["loc"]) or "the request"
            raise UserError(f"{place}: {first['msg']}") from error


class ClipsRequest(RequestBody):
    """Request for a window of the clip table."""

    search: ShortText = ""
    filters: list[Filter] = Field([], max_length=100)
    sort: list[Sort] = Field([], max_length=20)
    group: ShortText | None = None
    thresholds: Thresholds = {}
    dedup: DedupConfig | None = None
    offset: int = Field(0, ge=0, le=10**9)
    limit: int = Field(100, ge=0, le=500)


class SelectRequest(RequestBody):
    """Changed thresholds, by setting; all others keep the build's limit."""

    thresholds: Thresholds = {}
    dedup: DedupConfig | None = None


class SaveRequest(SelectRequest):
    """Thresholds to save under a name."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    replace: bool = False


class LabelRequest(RequestBody):
    """A label for a clip; an empty `label` removes it."""

    clip_id: ShortText
    label: Literal["good", "bad", ""]
    reason: str = Field("", max_length=2000)
