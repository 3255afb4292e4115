"""A side shard's .json: what it was made from, and where everything lies in it."""

from typing import Any, Literal

from pydantic import PositiveInt, ValidationError

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.protocol import EncoderIds
from humove.config import Strict
from humove.ids import settings_hash
from shards.documents import Count, Sha256, Text

VERSION = "1"
"""Of the encoding itself: another one makes all side shards stale."""
Place = tuple[Count, PositiveInt]
"""Offset and bytes of a member's data in the tar."""


class MadeFrom(Strict):
    """All that a side shard's contents follow from."""

    version: Text = VERSION
    shard: Text
    shard_sha256: Sha256
    encoders: EncoderIds
    settings: LatentsSettings

    @property
    def identity(self) -> str:
        """A hash of it."""
        return settings_hash(self.model_dump(mode="json"))

    def difference(self, wanted: "MadeFrom") -> str:
        """The first thing that is another than wanted, for people; nothing where all is the same."""
        if self.identity == wanted.identity:
            return ""
        if self.shard_sha256 != wanted.shard_sha256:
            return "its shard has changed since"
        for kind in ("video", "text"):
            mine, other = getattr(self.encoders, kind), getattr(wanted.encoders, kind)
            if mine != other:
                return f"made with {mine.name} {mine.hash[:12]}, now {other.name} {other.hash[:12]}"
        for name, value in _flat(self.settings.model_dump(mode="json")).items():
            if (other := _flat(wanted.settings.model_dump(mode="json"))[name]) != value:
                return f"made with {name} {value}, now {other}"
        return "made by another version"


class Entry(Strict):
    """A sample's members."""

    windows: tuple[Place, ...]
    """None for a motion-only sample."""
    texts: tuple[Place, ...]
    """One for each of its captions; none where it has no caption."""


class SideShard(Strict):
    """A side shard's .json."""

    schema_version: Literal[1] = 1
    identity: Text
    made_from: MadeFrom
    bytes: PositiveInt
    sha256: Sha256
    left_out: dict[str, Count]
    """Samples of the shard that train in no bucket, by reason."""
    samples: dict[str, Entry]


def json_name(shard: str) -> str:
    """The name of the document beside a side shard."""
    return shard.removesuffix(".tar") + ".json"


def null_text_name(text_hash: str, dtype: str) -> str:
    """The name of the file with the embedding of "", for one text encoder."""
    return f"null-text-{text_hash[:16]}-{dtype}.npz"


def parse_side_shard(raw: bytes) -> SideShard | None:
    """The document in `raw`; None where it is none, or of another version: such a side shard is made again."""
    try:
        return SideShard.model_validate_json(raw)
    except ValidationError:
        return None


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found
