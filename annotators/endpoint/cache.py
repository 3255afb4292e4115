"""Answers that were paid for, on disk, by the sha256 of what was asked."""

import hashlib
import json
from pathlib import Path
from typing import Any

from annotators.endpoint.client import Reply
from humove.atomic import write_text


class AnswerCache:
    """One JSON file an answer. The name covers all that was sent, pictures too: a clip and its prompt.

    Any number of workers may share the folder. A damaged file counts as none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, request: dict[str, Any]) -> Reply | None:
        """What answered this request before."""
        if self._folder is None:
            return None
        try:
            row = json.loads(self._file(request).read_text(encoding="utf-8"))
            return Reply(text=str(row["text"]), whole=True, refused=bool(row["refused"]))
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def put(self, request: dict[str, Any], reply: Reply) -> None:
        """Keeps an answer that is of use: whole, and in the form that was asked for, or a refusal."""
        if self._folder is not None:
            row = {"model": request.get("model", ""), "text": reply.text, "refused": reply.refused}
            write_text(self._file(request), json.dumps(row, indent=1))

    def _file(self, request: dict[str, Any]) -> Path:
        name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.json"
