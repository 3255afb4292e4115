"""The states of clips under given settings, from the rows of the state table."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humove.storage import open_store
from pipelines.bench_scale.synthetic import make_item, make_state
from pipelines.config import load_config
from pipelines.engine.plan import STAGES, Plan
from pipelines.engine.resolve import OUTCOME_CODES, resolve_batch
from pipelines.engine.rows import KEY, SCORE
from pipelines.engine.state import BatchState, StateTables


def make_plan(*overrides: str) -> Plan:
    return Plan.from_config(load_config("local", list(overrides)))


PLAN = make_plan()
ITEMS = [make_item(place) for place in range(12)]


def make_tables(plan: Plan = PLAN) -> StateTables:
    return make_state(plan, ITEMS, 0, np.random.default_rng(3))


def find_outcomes(plan: Plan, state: StateTables, shards: set[str] | None = None) -> list[tuple[str, str]]:
    clips = resolve_batch(plan, ITEMS, state, set(), shards).clips
    return [
        (OUTCOME_CODES[code], STAGES[stage] if stage < len(STAGES) else "")
        for code, stage in zip(clips.outcome, clips.stage, strict=True)
    ]


def change_clip(state: StateTables, place: int, **values: object) -> StateTables:
    rows = state.clips.to_pylist()
    rows[place].update(values)
    return StateTables(videos=state.videos, clips=pa.Table.from_pylist(rows, state.clips.schema))


def test_verdicts_are_those_of_the_steps_themselves() -> None:
    state = make_tables()
    for row, (outcome, stage) in zip(state.clips.to_pylist(), find_outcomes(PLAN, state), strict=True):
        scores = {name.removeprefix(SCORE): value for name, value in row.items() if name.startswith(SCORE)}
        judged = [(name, t.judge(scores, getattr(PLAN.config, t.stage))) for name, t in PLAN.step_thresholds.items()]
        missed = next(((name, reject) for name, reject in judged if reject is not None), None)
        assert (outcome, stage) == (("kept", "") if missed is None else ("rejected", missed[0]))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(PLAN.step_thresholds)),
    st.lists(st.lists(st.one_of(st.none(), st.floats(-2, 2)), min_size=6, max_size=6), min_size=1, max_size=8),
)
def test_a_column_of_verdicts_is_each_clips_own(name: str, rows: list[list[float | None]]) -> None:
    thresholds, section = PLAN.step_thresholds[name], getattr(PLAN.config, PLAN.step_thresholds[name].stage)
    names = sorted({threshold.score for threshold in thresholds.thresholds})
    values = [dict(zip(names, row * 3, strict=False)) for row in rows]
    columns = {n: np.array([np.nan if v[n] is None else v[n] for v in values]) for n in names}
    decides = thresholds.find_missed(columns, len(rows), section)
    for value, index in zip(values, decides, strict=True):
        verdict = thresholds.judge({n: v for n, v in value.items() if v is not None}, section)
        if index < 0:
            assert verdict is None
        else:
            score = value[thresholds.thresholds[index].score]
            found = thresholds.explain(int(index), np.nan if score is None else score, section)
            assert (found.reason, found.detail, found.threshold) == (verdict.reason, verdict.detail, verdict.threshold)


def test_a_changed_step_setting_requires_that_step_and_later_ones() -> None:
    before = find_outcomes(PLAN, make_tables())
    after = find_outcomes(make_plan("motion.landmark_fit.iterations=5"), make_tables())
    for (outcome, stage), found in zip(before, after, strict=True):
        early = outcome == "rejected" and STAGES.index(stage) < STAGES.index("motion")
        assert found == ((outcome, stage) if early else ("missing", "motion"))


def test_a_changed_caption_setting_requires_no_other_step() -> None:
    after = find_outcomes(make_plan("caption.max_clauses=1"), make_tables())
    assert {stage for outcome, stage in after if outcome == "missing"} == {"caption"}


def test_the_row_with_the_most_measured_steps_under_these_settings_counts() -> None:
    state = make_tables()
    kept = find_outcomes(PLAN, state).index(("kept", ""))
    other = make_plan("encode.crf=30")
    row = state.clips.slice(kept, 1).to_pylist()[0]
    newer = {**row, f"{KEY}encode": other.step_keys["encode"], f"{SCORE}jitter": 1.0}
    both = StateTables(
        videos=state.videos,
        clips=pa.concat_tables([state.clips, pa.Table.from_pylist([newer], state.clips.schema)]),
    )
    for plan in (PLAN, other):
        clips = resolve_batch(plan, ITEMS, both, set()).clips
        chosen = clips.rows.slice(kept, 1).to_pylist()[0]
        assert chosen[f"{KEY}encode"] == plan.step_keys["encode"] and clips.kept[kept]


def test_a_clip_whose_shard_is_gone_is_encoded_again() -> None:
    state = make_tables()
    kept = find_outcomes(PLAN, state).index(("kept", ""))
    packed = change_clip(state, kept, mp4_file="shards/train-000007.tar")
    assert find_outcomes(PLAN, packed, {"shards/train-000007.tar"})[kept] == ("kept", "")
    assert find_outcomes(PLAN, packed, {"shards/train-000008.tar"})[kept] == ("missing", "encode")
    elsewhere = change_clip(packed, kept, mp4_origin="s3://bucket/base")
    assert find_outcomes(PLAN, elsewhere, {"shards/train-000008.tar"})[kept] == ("kept", "")


def test_a_precondition_holds_where_thresholds_are_lifted() -> None:
    reject = '{"reason": "no_person", "detail": "nobody", "score": 0.0, "threshold": 0.5}'
    state = change_clip(make_tables(), 0, reject_stage="track", reject=reject)
    lifted = make_plan("score_only=true")
    assert find_outcomes(lifted, state)[0] == ("rejected", "track")
    assert {outcome for outcome, _ in find_outcomes(lifted, state)[1:]} == {"kept"}


def test_the_same_bytes_in_an_earlier_batch_are_a_duplicate() -> None:
    state = make_tables()
    first = state.videos["video_id"][0].as_py()
    states = resolve_batch(PLAN, ITEMS, state, {first})
    assert states.videos[0].reject.reason == "duplicate" and states.videos[1].outcome == "split"
    assert len(states.clips) == 5 * (len(ITEMS) - 1)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_state_is_read_as_it_was_written_in_however_many_parts(tmp_path: Path, parts: int) -> None:
    store, state = open_store(tmp_path), make_tables()
    rows = state.clips.to_pylist()
    written = BatchState(store=store, number=4)
    for part in range(parts):
        written.add(state.videos.to_pylist() if part == 0 else [], rows[part::parts])
        written.save()
    assert written.num_waiting == 0
    read = BatchState(store=store, number=4).read()
    assert sorted(map(str, read.clips.to_pylist())) == sorted(map(str, rows))
    BatchState(store=store, number=4).replace_rows(state)
    assert len(store.list("ledger/state/000004")) == 2
    assert BatchState(store=store, number=4).read().clips.to_pylist() == rows


def test_rows_of_the_base_set_name_it_as_their_origin(tmp_path: Path) -> None:
    base = BatchState(store=open_store(tmp_path / "base"), number=0)
    base.replace_rows(make_tables())
    state = BatchState(store=open_store(tmp_path / "own"), number=0, base=base)
    read = state.read()
    where = str(tmp_path / "base")
    assert set(read.clips["origin"].to_pylist()) == set(read.clips["mp4_origin"].to_pylist()) == {where}
    third = BatchState(store=open_store(tmp_path / "third"), number=0, base=state)
    assert set(third.read().clips["origin"].to_pylist()) == {f"{tmp_path / 'own'}\n{where}"}
    assert set(third.read().clips["mp4_origin"].to_pylist()) == {where}
