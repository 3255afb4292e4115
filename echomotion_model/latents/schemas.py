"""The .json of a latents shard: its origin, and the positions of its members."""

from typing import Any, Literal

from pydantic import PositiveInt, ValidationError

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.protocol import EncoderIds
from humove.config.strict import Strict
from humove.ids import hash_settings
from shards.schemas import Count, Sha256, Text

VERSION = "1"
"""Version of the encoding; another one makes all latents stale."""
ByteRange = tuple[Count, PositiveInt]
"""Offset and size in bytes of a member's data in the tar."""


class LatentsOrigin(Strict):
    """Everything that determines the contents of a latents shard."""

    version: Text = VERSION
    shard: Text
    shard_sha256: Sha256
    encoders: EncoderIds
    settings: LatentsSettings

    @property
    def identity(self) -> str:
        """A hash of all fields."""
        return hash_settings(self.model_dump(mode="json"))

    def describe_difference(self, wanted: "LatentsOrigin") -> str:
        """Describe the first difference from what is wanted, or return "" if there is none."""
        if self.identity == wanted.identity:
            return ""
        if self.shard_sha256 != wanted.shard_sha256:
            return "its shard has changed"
        for kind in ("video", "text"):
            own, other = getattr(self.encoders, kind), getattr(wanted.encoders, kind)
            if own != other:
                return f"made with {own.name} {own.hash[:12]}, now {other.name} {other.hash[:12]}"
        for name, value in _flatten_settings(self.settings.model_dump(mode="json")).items():
            if (other := _flatten_settings(wanted.settings.model_dump(mode="json"))[name]) != value:
                return f"made with {name} {value}, now {other}"
        return "made by another version"


class SampleMembers(Strict):
    """The members of a sample."""

    windows: tuple[ByteRange, ...]
    """Empty for a motion-only sample."""
    texts: tuple[ByteRange, ...]
    """One per caption."""


class LatentsShard(Strict):
    """The .json of a latents shard."""

    schema_version: Literal[1] = 1
    identity: Text
    made_from: LatentsOrigin
    bytes: PositiveInt
    sha256: Sha256
    left_out: dict[str, Count]
    """Samples that fit no bucket, by reason."""
    samples: dict[str, SampleMembers]


def get_json_name(shard: str) -> str:
    """Get the name of the .json of a latents shard."""
    return shard.removesuffix(".tar") + ".json"


def get_null_text_name(text_hash: str, dtype: str) -> str:
    """Get the name of the file with a text encoder's embedding of ""."""
    return f"null-text-{text_hash[:16]}-{dtype}.npz"


def parse_latents_shard(raw: bytes) -> LatentsShard | None:
    """Parse a .json; return None if it is invalid or of another version, so that the shard is encoded again."""
    try:
        return LatentsShard.model_validate_json(raw)
    except ValidationError:
        return None


def _flatten_settings(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flatten_settings(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
