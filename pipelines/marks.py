"""What people said of clips while looking at them, as a filter of a build.

A build keeps its own copy in the ledger, named by its content: the file may change or go, the data set says the same.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from humove.config import Strict
from humove.errors import UserError
from humove.reasons import Reason
from humove.stage import Reject
from humove.storage import Store, open_store
from shards.explorer.marks import Mark, parse_marks
from shards.format import LEDGER_FOLDER


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
    text = _text(_read_file(config))
    return config.model_copy(update={"sha256": hashlib.sha256(text.encode()).hexdigest()})


def _read_file(config: MarksConfig) -> dict[str, Mark]:
    """The marks of the file that the configuration names, by path or address."""
    store, name = open_store(config.file.rpartition("/")[0] or "."), config.file.rpartition("/")[2]
    try:
        return parse_marks(store.read(name), config.file)
    except (FileNotFoundError, IsADirectoryError) as e:
        raise UserError(f"marks.file={config.file}: no such file; name a marks.jsonl that `humove view` wrote") from e


def read_copy(config: MarksConfig, store: Store) -> dict[str, Mark]:
    """The marks that a build heeds: those of its file, else of the copy in its ledger; none where it uses none."""
    if config.file:
        return _read_file(config)
    if not config.sha256:
        return {}
    try:
        return parse_marks(store.read(_copy(config)), _copy(config))
    except FileNotFoundError as e:
        raise UserError(f"marks.sha256={config.sha256}: the ledger has no such marks; name them with marks.file") from e


def keep_copy(config: MarksConfig, marks: Mapping[str, Mark], store: Store) -> None:
    """Puts the marks into the ledger."""
    if config.sha256:
        store.write(_copy(config), _text(marks).encode())


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


def _copy(config: MarksConfig) -> str:
    return f"{LEDGER_FOLDER}/marks/{config.sha256}.jsonl"


def _text(marks: Mapping[str, Mark]) -> str:
    rows = ({"clip_id": clip_id, "mark": marks[clip_id].mark, "why": marks[clip_id].why} for clip_id in sorted(marks))
    return "".join(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows)
