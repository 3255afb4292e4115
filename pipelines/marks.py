"""What people said of clips while looking at them, as a filter of a build.

A build keeps its own copy in the ledger, named by its content: the file may change or go, the data set says the same.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from humove.atomic import write_text
from humove.config import Strict
from humove.errors import UserError
from humove.reasons import Reason
from humove.stage import Reject
from shards.explorer.marks import Mark, read_marks


class MarksConfig(Strict):
    """Which clips go for what people marked in the explorer."""

    file: str = Field("", description="a marks.jsonl, as `humove view` keeps it in a data set; empty: none")
    keep: Literal["not_bad", "good"] = Field(
        "not_bad", description="not_bad: drop what is marked bad; good: keep no other"
    )
    sha256: str = Field("", description="the marks' content; filled in by the build")


def resolved(config: MarksConfig) -> MarksConfig:
    """The configuration with its file's content named."""
    if not config.file:
        return config
    if not Path(config.file).is_file():
        raise UserError(f"marks.file={config.file}: no such file; name a marks.jsonl that `humove view` wrote")
    text = _text(read_marks(Path(config.file)))
    return config.model_copy(update={"sha256": hashlib.sha256(text.encode()).hexdigest()})


def keep_copy(config: MarksConfig, folder: Path) -> None:
    """Puts the marks into the ledger's folder."""
    if config.file:
        write_text(_copy(config, folder), _text(read_marks(Path(config.file))))


def kept_marks(config: MarksConfig, folder: Path) -> dict[str, Mark]:
    """The marks of the ledger's copy; none where the build uses none."""
    if not config.sha256:
        return {}
    path = _copy(config, folder)
    if not path.is_file():
        raise UserError(f"marks.sha256={config.sha256}: the ledger has no such marks; name them with marks.file")
    return read_marks(path)


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
    rows = ({"clip_id": clip_id, "mark": marks[clip_id].mark, "why": marks[clip_id].why} for clip_id in sorted(marks))
    return "".join(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows)
