"""What people said of clips while looking at them, as a filter of a build.

    marks.jsonl   a line a mark: {"clip_id": ..., "mark": "good" | "bad" | "", "why": ...}; a clip's last one counts

A build keeps its own copy in the ledger, named by its content: the file may change or go, the data set says the same.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from humove.atomic import write_text
from humove.config import Strict
from humove.errors import UserError
from humove.reasons import Reason
from humove.stage import Reject


class MarksConfig(Strict):
    """Which clips go for what people marked in the explorer."""

    file: str = Field("", description="a marks.jsonl, as `humove view` keeps it in a data set; empty: none")
    keep: Literal["not_bad", "good"] = Field(
        "not_bad", description="not_bad: drop what is marked bad; good: keep no other"
    )
    sha256: str = Field("", description="the marks' content; filled in by the build")


class Mark(Strict):
    """One line of the file."""

    clip_id: str
    mark: Literal["good", "bad", ""]
    why: str = ""
    time: str = ""


def read_marks(path: Path) -> dict[str, Mark]:
    """The last mark of each clip; UserError naming the line that is none."""
    marks: dict[str, Mark] = {}
    number = 0
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            number += 1
            mark = Mark.model_validate_json(line)
            marks[mark.clip_id] = mark
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(f"marks.file={path}: cannot be read: {e}; name a marks.jsonl that the explorer wrote") from e
    except ValidationError as e:
        raise UserError(f"marks.file={path}: line {number}: {e.errors()[0]['msg']}; mend or remove the line") from e
    return {clip_id: mark for clip_id, mark in sorted(marks.items()) if mark.mark}


def resolved(config: MarksConfig) -> MarksConfig:
    """The configuration with its file's content named."""
    if not config.file:
        return config
    text = _text(read_marks(Path(config.file)))
    return config.model_copy(update={"sha256": hashlib.sha256(text.encode()).hexdigest()})


def keep_copy(config: MarksConfig, folder: Path) -> None:
    """Puts the marks into the ledger's folder."""
    if config.file:
        write_text(_copy(config, folder), _text(read_marks(Path(config.file))))


def kept_marks(config: MarksConfig, folder: Path) -> dict[str, Mark]:
    """The marks of the ledger's copy; none where the build uses none."""
    return read_marks(_copy(config, folder)) if config.sha256 else {}


def judge(clip_id: str, marks: Mapping[str, Mark], config: MarksConfig) -> Reject | None:
    """Whether a clip goes for its mark, or for the want of one."""
    if not config.sha256:
        return None
    mark = marks.get(clip_id)
    if mark is not None and mark.mark == "bad":
        return Reject(reason=Reason.NOT_SELECTED, detail=f"marked bad: {mark.why}" if mark.why else "marked bad")
    if config.keep == "good" and mark is None:
        return Reject(reason=Reason.NOT_SELECTED, detail="not marked good")
    return None


def _copy(config: MarksConfig, folder: Path) -> Path:
    return folder / f"{config.sha256}.jsonl"


def _text(marks: Mapping[str, Mark]) -> str:
    rows = ({"clip_id": mark.clip_id, "mark": mark.mark, "why": mark.why} for mark in marks.values())
    return "".join(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows)
