"""A reference to one input of a build, as it was listed."""

import hashlib
import json
from dataclasses import asdict, dataclass

from humove.types import Source
from pipelines.inputs.addresses import is_url
from pipelines.inputs.versions import read_local_version

__all__ = ["InputRef", "has_changed", "is_url"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRef:
    """One video as the user named it, before anything of it is read."""

    uri: str
    """The uri in the manifest, else the path relative to VIDEOS."""
    location: str
    """Where to read it: an absolute path or a URL."""
    stamp: str
    """Size and time of change, or the store's tag: identifies a changed file."""
    source: Source
    size: int = 0
    """Bytes; 0 where unknown."""

    @property
    def input_id(self) -> str:
        """The name of this input in the build's state: uri and stamp, so that a changed file is a new input."""
        return hashlib.sha256(f"{self.uri}\0{self.stamp}".encode()).hexdigest()[:16]

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)  # ASCII: a location may hold bytes that are not UTF-8

    @classmethod
    def from_json(cls, line: str) -> "InputRef":
        row = json.loads(line)
        return cls(**{**row, "source": Source(**row["source"])})


def has_changed(item: InputRef) -> bool:
    """Whether a local file is gone or has changed since it was listed. False for a URL, which is not requested."""
    return not is_url(item.location) and read_local_version(item.location).stamp != item.stamp
