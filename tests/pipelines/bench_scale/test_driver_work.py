"""The synthetic set: planned, resumed and assembled like a real one."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from humove.storage import open_store
from pipelines.bench_scale.curve import draw_curve
from pipelines.bench_scale.driver_work import make_plan, measure_assemble, measure_plan, measure_resume
from pipelines.bench_scale.simulation import Prediction
from pipelines.bench_scale.synthetic import write_synthetic_set
from shards.reader import open_dataset


def test_every_clip_is_planned_kept_or_dropped_by_its_scores(tmp_path: Path) -> None:
    store = open_store(tmp_path / "set")
    write_synthetic_set(store, make_plan(), 100, batch_videos=40)
    plan = measure_plan(store)
    assert (plan["videos"], plan["clips"]) == (100, 500)
    assert 80 < plan["tasks"] <= 100  # a task for each video that has a clip which reaches the keypoints
    resume = measure_resume(store)
    assert 0 < resume["tasks"] <= 2
    found = measure_assemble(store)
    dataset = open_dataset(str(tmp_path / "set"))
    assert 150 < found["samples"] < 250 and found["samples"] == len(dataset) == len(dataset.keys())
    counts = dataset.doc.counts
    assert counts["ingest"].inputs == 100 and counts["screen"].inputs == 500
    assert counts["near_duplicates"].emitted == len(dataset) and counts["near_duplicates"].rejected > 0
    for row in counts.values():
        assert row.inputs == row.emitted + row.rejected + row.faulted
    assert len(list(dataset.iterate_outcomes())) == 100 + 500 + 500


def test_the_curve_has_every_point(tmp_path: Path) -> None:
    points = [Prediction(machines=n, workers=16, videos=1000, seconds=1000 / n, efficiency=0.9) for n in (1, 2, 4)]
    root = ElementTree.fromstring(draw_curve(points))
    assert len(root.findall("{*}circle")) == 3
    assert json.dumps(points[0].to_json())
