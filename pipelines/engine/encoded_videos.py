"""The encoded clips of one unit: a tar in the ledger that lives until they are packed into shards."""

import io
import tarfile
import tempfile
from pathlib import Path

from humove.storage.store import Store
from humove.types import Clip
from pipelines.engine.jobs import Mp4Place
from pipelines.stages.records import make_owner_name
from shards.tars import TarWriter


def name_video_member(clip: Clip, encode_key: str) -> str:
    """Return the tar member's name: the clip with its span, and the key of the encode settings."""
    return f"{make_owner_name(clip)}.{encode_key[:12]}.mp4"


class EncodedVideos:
    """The videos of one unit in memory, in the order of arrival."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self.name = store, name
        self._videos: dict[str, bytes] = {}
        self._places: dict[str, tuple[int, int]] = {}
        self.changed = False

    def read(self) -> None:
        """Read the unit's file; a missing or damaged one counts as empty."""
        try:
            with tarfile.open(fileobj=io.BytesIO(self._store.read(self.name)), mode="r:") as box:
                for entry in box:
                    content = box.extractfile(entry)
                    self._videos[entry.name] = content.read() if content else b""
                    self._places[entry.name] = (entry.offset_data, entry.size)
        except (FileNotFoundError, tarfile.TarError):
            self._videos, self._places = {}, {}

    def __contains__(self, member: str) -> bool:
        return member in self._videos

    def put(self, member: str, mp4: bytes) -> None:
        self._videos.pop(member, None)
        self._videos[member] = mp4
        self.changed = True

    def get_place(self, member: str) -> Mp4Place | None:
        """Return the place of a video in the file as last saved; None where it is not in it."""
        if member not in self._places:
            return None
        offset, size = self._places[member]
        return Mp4Place(origin="", file=self.name, offset=offset, size=size)

    def save(self, scratch: Path) -> None:
        """Write the file atomically."""
        with tempfile.TemporaryDirectory(dir=scratch, prefix="videos-") as folder:
            path = Path(folder) / "videos.tar"
            with TarWriter(path) as tar:
                self._places = {name: (tar.add(name, mp4), len(mp4)) for name, mp4 in self._videos.items()}
            self._store.write_file(self.name, path)
        self.changed = False
