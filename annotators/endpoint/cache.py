"""Cache of answers on disk, by the sha256 of the request."""

import hashlib
import json
from pathlib import Path
from typing import Any

from annotators.endpoint.client import Reply
from humove.storage.atomic import write_text


class AnswerCache:
    """One JSON file an answer, named by the sha256 of the request with its images.

    Any number of workers may share the folder. Damaged files are ignored.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, request: dict[str, Any]) -> Reply | None:
        """Return the cached answer to a request, if any."""
        if self._folder is None:
            return None
        try:
            row = json.loads(self._get_path(request).read_text(encoding="utf-8"))
            return Reply(text=str(row["text"]), complete=True, refused=bool(row["refused"]))
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def put(self, request: dict[str, Any], reply: Reply) -> None:
        """Store a complete answer, valid or a refusal."""
        if self._folder is not None:
            row = {"model": request.get("model", ""), "text": reply.text, "refused": reply.refused}
            write_text(self._get_path(request), json.dumps(row, indent=1))

    def _get_path(self, request: dict[str, Any]) -> Path:
        name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.json"
