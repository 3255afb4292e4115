"""Labels of clips, given in the explorer, as a filter of a build.

A build keeps a copy in the ledger, named by its content, so that the data set does not depend on the file.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from humove.config.strict import Strict
from humove.errors import UserError
from humove.reasons import Reason
from humove.stage import Reject
from humove.storage import Store, open_store
from shards.format import LEDGER_FOLDER
from shards.labels import Label, load_labels, parse_labels


class LabelsConfig(Strict):
    """Clips that are dropped because of their labels."""

    file: str = Field("", description="a labels.jsonl, as `humove view` writes it into a data set; empty: none")
    keep: Literal["not_bad", "good"] = Field(
        "not_bad", description="not_bad: drop the clips labelled bad; good: drop all but those labelled good"
    )
    sha256: str = Field("", description="the hash of the labels; filled in by the build")


def pin_labels(config: LabelsConfig) -> LabelsConfig:
    """Fill in the hash of the labels in the configured file."""
    if not config.file:
        return config
    text = _format_labels(_read_file(config))
    return config.model_copy(update={"sha256": hashlib.sha256(text.encode()).hexdigest()})


def _read_file(config: LabelsConfig) -> dict[str, Label]:
    """Read the labels of the configured file, a path or a URL."""
    store, name = open_store(config.file.rpartition("/")[0] or "."), config.file.rpartition("/")[2]
    try:
        return load_labels(store, name)
    except (FileNotFoundError, IsADirectoryError) as e:
        raise UserError(f"labels.file={config.file}: no such file; give a labels.jsonl that `humove view` wrote") from e


def load_build_labels(config: LabelsConfig, store: Store) -> dict[str, Label]:
    """Read the labels that a build uses, from its file, else from the copy in its ledger; empty if it uses none."""
    if config.file:
        return _read_file(config)
    if not config.sha256:
        return {}
    try:
        return parse_labels(store.read(get_copy_name(config)), get_copy_name(config))
    except FileNotFoundError as e:
        raise UserError(f"labels.sha256={config.sha256}: not in the ledger; give the labels with labels.file") from e


def store_build_labels(config: LabelsConfig, labels: Mapping[str, Label], store: Store) -> None:
    """Write the copy of the labels into the ledger."""
    if config.sha256:
        store.write(get_copy_name(config), _format_labels(labels).encode())


def judge_label(clip_id: str, labels: Mapping[str, Label], config: LabelsConfig) -> Reject | None:
    """Reject a clip that is labelled bad, or, with `keep: good`, one without a label."""
    if not config.sha256:
        return None
    label = labels.get(clip_id)
    if label is not None and label.mark == "bad":
        return Reject(reason=Reason.NOT_SELECTED, detail=f"labelled bad: {label.why}" if label.why else "labelled bad")
    if config.keep == "good" and label is None:
        return Reject(reason=Reason.NOT_SELECTED, detail="not labelled good")
    return None


def get_copy_name(config: LabelsConfig) -> str:
    """Return the name of the labels' copy in the ledger."""
    return f"{LEDGER_FOLDER}/marks/{config.sha256}.jsonl"


def _format_labels(labels: Mapping[str, Label]) -> str:
    rows = ({"clip_id": clip_id, "mark": label.mark, "why": label.why} for clip_id, label in sorted(labels.items()))
    return "".join(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows)
