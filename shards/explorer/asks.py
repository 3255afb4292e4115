"""What a page may ask for in a request's body. Anything else is refused in one line."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from humove.config import Strict
from humove.errors import UserError
from humove.near_duplicates import DedupConfig
from shards.explorer.query import Filter, Sort, Word

Thresholds = dict[Word, Annotated[float, Field(allow_inf_nan=False)]]


class Ask(Strict):
    """The base of every request's body."""

    @classmethod
    def parse(cls, raw: bytes) -> "Ask":
        """UserError that names the first thing wrong."""
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part)[:80] for part in first["loc"]) or "the request"
            raise UserError(f"{place}: {first['msg']}") from error


class ClipsAsk(Ask):
    """A window of the clips' table."""

    search: Word = ""
    filters: list[Filter] = Field([], max_length=100)
    sort: list[Sort] = Field([], max_length=20)
    group: Word | None = None
    thresholds: Thresholds = {}
    dedup: DedupConfig | None = None
    offset: int = Field(0, ge=0, le=10**9)
    limit: int = Field(100, ge=0, le=500)


class SelectAsk(Ask):
    """Other thresholds; those that are not named are the build's."""

    thresholds: Thresholds = {}
    dedup: DedupConfig | None = None


class SelectionAsk(SelectAsk):
    """Thresholds to be saved under a name."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    replace: bool = False


class MarkAsk(Ask):
    """What someone thinks of a clip."""

    clip_id: Word
    mark: Literal["good", "bad", ""]
    why: str = Field("", max_length=2000)
