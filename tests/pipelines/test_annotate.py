"""Annotations of a finished set: side shards with the same keys; the set is not changed."""

import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset

from humove.errors import UserError
from humove.reasons import Reason
from humove.stage import Reject
from humove.storage import open_store
from humove.video.stored import StoredFrames
from pipelines.config import make_config
from pipelines.jobs.annotate import AnnotateStage, annotate, parse_annotator_choice
from pipelines.stages.records import Record
from shards.annotations import DOC_FILE, AnnotationDoc, list_annotations, read_annotated_samples, read_annotation
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import CountingReporter


def annotate_set(root: Path, choice: str, *overrides: str, name: str = "") -> tuple[AnnotationDoc, CountingReporter]:
    step, chosen = parse_annotator_choice(choice)
    settings = open_dataset(str(root)).doc.model_dump()["config"]
    config = make_config(settings, ["execution.workers=1", *chosen, *overrides])
    reporter = CountingReporter()
    return annotate(config, step, name, root, reporter), reporter


def hash_shards(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.tar"))}


@pytest.fixture(scope="module")
def annotated(built: Path, tmp_path_factory) -> Path:
    """A copy of the built set with two annotations beside it."""
    root = tmp_path_factory.mktemp("annotated") / "set"
    shutil.copytree(built, root)
    annotate_set(root, "caption=kinematics", "caption.max_clauses=1", name="short")
    annotate_set(root, "pose2d=blazepose")
    return root


@pytest.fixture
def own_copy(annotated: Path, tmp_path: Path) -> Path:
    shutil.copytree(annotated, tmp_path / "set")
    return tmp_path / "set"


def test_the_set_is_unchanged_and_sound(annotated: Path, built: Path) -> None:
    for folder in ("shards", "."):
        assert hash_shards(annotated / folder) == hash_shards(built / folder)
    assert (annotated / "dataset.json").read_bytes() == (built / "dataset.json").read_bytes()
    notes: list[str] = []
    assert verify(str(annotated), on_note=notes.append) == []
    assert notes == []
    assert list_annotations(open_dataset(str(annotated))) == ["pose2d-blazepose", "short"]


def test_captions_equal_those_of_a_build_with_these_settings(annotated: Path) -> None:
    pairs = list(read_annotated_samples(open_dataset(str(annotated)), "short"))
    assert [s.key for s, _ in pairs] == sorted(row.key for _, row in pairs) and pairs
    for sample, row in pairs:
        # One clause of the movement instead of five, of the same motion: the first of the former ones.
        assert sample.meta["captions"]["action"].startswith(row.facts["action"].split(",")[0].split(" and ")[0])
        assert row.facts["source"] == "kinematics" and row.reject is None


def test_keypoints_detected_again_are_close_to_the_stored_ones(annotated: Path) -> None:
    for sample, row in read_annotated_samples(open_dataset(str(annotated)), "pose2d-blazepose"):
        assert row.arrays["keypoints"].shape == sample.pose2d.keypoints.shape
        visible = (sample.pose2d.scores > 0.5) & (row.arrays["scores"] > 0.5)
        distance = np.linalg.norm(row.arrays["keypoints"] - sample.pose2d.keypoints, axis=-1)[visible]
        height = np.ptp(sample.pose2d.keypoints[..., 1], axis=1).mean()
        assert visible.mean() > 0.5 and np.median(distance) < 0.02 * height


def test_the_document_names_model_settings_and_sources(annotated: Path) -> None:
    doc = AnnotationDoc.model_validate_json((annotated / "annotations" / "short" / DOC_FILE).read_bytes())
    own = open_dataset(str(annotated)).doc.shards
    assert doc.annotator.name == "caption.kinematics" and doc.settings["own"]["max_clauses"] == 1
    assert [s.name for s in doc.shards] == [s.name for s in own]
    assert [s.source_sha256 for s in doc.shards] == [s.sha256 for s in own]
    folder = annotated / "annotations" / "short"
    assert {s.name: s.sha256 for s in doc.shards} == hash_shards(folder)
    assert sorted(p.name for p in folder.iterdir()) == [".lock", "annotation.json", *sorted(hash_shards(folder))]


def test_plain_webdataset_reads_a_side_shard(annotated: Path) -> None:
    path = next((annotated / "annotations" / "pose2d-blazepose").glob("*.tar"))
    with tarfile.open(path) as box:
        assert {entry.mtime for entry in box} == {0}
    for sample in webdataset.WebDataset(str(path), shardshuffle=False).decode():
        assert sample["pose2d.npz"]["keypoints"].shape[-1] == 2 and sample["pose2d.json"]["reject"] is None


def test_a_second_run_only_does_what_is_missing(own_copy: Path) -> None:
    folder = own_copy / "annotations" / "short"
    before = hash_shards(folder)
    _, reporter = annotate_set(own_copy, "caption=kinematics", "caption.max_clauses=1", name="short")
    assert reporter.works["annotate"] == 0
    lost = next(iter(before))
    (folder / lost).unlink()
    _, reporter = annotate_set(own_copy, "caption=kinematics", "caption.max_clauses=1", name="short")
    assert reporter.works["annotate"] == 1 and hash_shards(folder) == before


def test_a_stopped_run_keeps_the_shards_that_it_finished(own_copy: Path) -> None:
    folder = own_copy / "annotations" / "short"
    doc = json.loads((folder / DOC_FILE).read_text())
    (folder / DOC_FILE).unlink()
    first, *others = doc["shards"]
    assert others, "the set must have several shards for this"
    (folder / ".parts").mkdir()
    (folder / ".parts" / f"{first['name']}.{doc['settings_hash']}.json").write_text(json.dumps(first))
    again, reporter = annotate_set(own_copy, "caption=kinematics", "caption.max_clauses=1", name="short")
    assert reporter.works["annotate"] == len(others)
    assert again.model_dump(mode="json") == doc
    assert not (folder / ".parts").exists()


def test_a_name_used_with_other_settings_is_refused(own_copy: Path) -> None:
    with pytest.raises(UserError, match="by another model or settings; give this one another --name"):
        annotate_set(own_copy, "caption=kinematics", "caption.max_clauses=2", name="short")


def test_verify_finds_damaged_side_shards(own_copy: Path) -> None:
    folder = own_copy / "annotations" / "short"
    shard = next(folder.glob("*.tar"))
    shard.write_bytes(shard.read_bytes() + b"\0" * 512)
    (own_copy / "annotations" / "pose2d-blazepose" / shard.name).unlink()
    found = [str(defect) for defect in verify(str(own_copy), deep=False)]
    assert any(f"{shard.name} is not the file that was written" in line for line in found)
    assert any(f"{shard.name} is missing" in line for line in found) and len(found) == 2


def test_an_annotation_of_older_shards_is_stale_and_is_made_again(own_copy: Path) -> None:
    path = own_copy / "annotations" / "short" / DOC_FILE
    doc = json.loads(path.read_text())
    doc["shards"][0]["source_sha256"] = "0" * 64
    path.write_text(json.dumps(doc))
    notes: list[str] = []
    assert verify(str(own_copy), deep=False, on_note=notes.append) == []
    assert "1 of" in notes[0] and "run humove annotate again" in notes[0]
    _, reporter = annotate_set(own_copy, "caption=kinematics", "caption.max_clauses=1", name="short")
    assert reporter.works["annotate"] == 1
    notes.clear()
    assert verify(str(own_copy), deep=False, on_note=notes.append) == [] and notes == []


@pytest.mark.parametrize(
    "choice, line",
    [
        ("caption", "write KIND=NAME"),
        ("colour=x", "kinds are caption, category, aesthetic, pose2d"),
        ("motion=nlf", "needs the source video: build again with SET motion.annotator=NAME"),
        ("track=ultralytics", "needs the source video"),
    ],
)
def test_a_step_that_cannot_be_added_is_a_one_line_error(choice: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        parse_annotator_choice(choice)


def test_a_name_that_leads_elsewhere_is_refused(built: Path) -> None:
    with pytest.raises(UserError, match="use small letters"):
        annotate_set(built, "caption=kinematics", name="../elsewhere")


def test_stored_frames_are_those_of_the_mp4(built: Path, tmp_path: Path) -> None:
    import av

    sample = next(open_dataset(str(built)).iterate_samples())
    mp4 = tmp_path / "clip.mp4"
    mp4.write_bytes(sample.mp4)
    with av.open(str(mp4)) as container:
        straight = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    source = sample.motion.source_frames
    with StoredFrames(sample.mp4, fps=30, source_frames=source, scratch=tmp_path) as frames:
        assert len(frames) == len(straight)
        for index in (0, len(straight) // 2, len(straight) - 1):
            np.testing.assert_array_equal(frames.read_yuv(index), straight[index])
        assert frames.read_rgb(0).shape == (frames.height, frames.width, 3)
    with pytest.raises(ValueError, match="its sample 3"):
        StoredFrames(sample.mp4, fps=30, source_frames=source[:3], scratch=tmp_path)


class RejectingStep:
    """A step that rejects every sample."""

    name, version = "caption", "1"

    def setup(self, networks) -> None: ...

    def measure(self, view) -> tuple[Record, dict]:
        return Record(reject=Reject(reason=Reason.TOO_DARK, detail=f"{len(view.frames)} frames", score=0.1)), {}


def test_a_rejected_sample_has_its_reason(own_copy: Path) -> None:
    folder = own_copy / "annotations" / "short"
    doc = json.loads((folder / DOC_FILE).read_text())
    store = open_store(own_copy)
    side_store = store.child("annotations/short")
    stage = AnnotateStage(root=store, store=side_store, step=RejectingStep(), digest="x", config=make_config({}, []))
    dataset = open_dataset(str(own_copy))
    sides = [stage.process(row, 0).model_dump(mode="json") for row in dataset.doc.shards]
    (folder / DOC_FILE).write_text(json.dumps({**doc, "shards": sides}))
    rows = {row.key: row for row in read_annotation(dataset, "short")}
    assert sum(side["num_rejected"] for side in sides) == len(rows) == len(dataset)
    for sample in dataset.iterate_samples():
        assert rows[sample.key].reject["reason"] == "too_dark"
        assert rows[sample.key].reject["detail"] == f"{len(sample.motion.valid)} frames"
