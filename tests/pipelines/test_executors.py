"""Both executors: the same results, every item accounted for, and faults that cost one item alone."""

import os
import signal
from collections.abc import Iterator, Sequence

import pytest

from humove.errors import UserError
from humove.reasons import Reason
from humove.stage import Emit, Reject, Resources
from pipelines.executors.local import LocalExecutor
from pipelines.executors.worker import StepError
from pipelines.work import Executor, Fault, Work, longest_first


class Squares:
    """A stage that does what its input says: a number is squared, "odd" is rejected, others fail in their ways."""

    name, version, batch_size = "squares", "1", 1
    resources = Resources(cpus=1)

    def setup(self) -> None:
        self.ready = True

    def process(self, batch: Sequence) -> list[Emit | Reject]:
        return [self._one(item) for item in batch]

    def _one(self, item) -> Emit | Reject:
        assert self.ready
        if item == "odd":
            return Reject(reason=Reason.TOO_SHORT, detail="odd")
        if item == "raise":
            raise StepError("fit") from ZeroDivisionError("no frames")
        if item == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "misconfigured":
            raise UserError("weights missing")
        if isinstance(item, tuple):
            return Emit(outputs=tuple(self._one(i).outputs[0] for i in item))
        return Emit(outputs=(item * item,))


def work(name: str, payload, weight: float = 1.0, parts: tuple[Work, ...] = ()) -> Work:
    return Work(unit_id=name, label=name, weight=weight, payload=payload, parts=parts)


@pytest.fixture(scope="module", params=["local", "ray"])
def executor(request) -> Iterator[Executor]:
    if request.param == "local":
        made: Executor = LocalExecutor(workers=2, retries=1)
    else:
        from pipelines.executors.ray import RayExecutor

        made = RayExecutor(address="", workers=2, retries=1)
    yield made
    made.close()


def test_every_item_ends_in_one_of_three_ways(executor: Executor) -> None:
    works = [work(f"n{i}", i, weight=i) for i in range(12)] + [work("odd", "odd"), work("bad", "raise")]
    done = {d.work.unit_id: d.outcome for d in executor.map(Squares(), works)}
    assert {k: v.outputs[0] for k, v in done.items() if isinstance(v, Emit)} == {f"n{i}": i * i for i in range(12)}
    assert done["odd"].reason == Reason.TOO_SHORT
    fault = done["bad"]
    assert isinstance(fault, Fault)
    assert (fault.stage, fault.error) == ("fit", "ZeroDivisionError: no frames")
    assert "Traceback" in fault.traceback and "in _one" in fault.traceback


def test_a_group_with_a_bad_part_loses_that_part_alone(executor: Executor) -> None:
    parts = (work("p1", (3,)), work("p2", ("raise",)), work("p3", (5,)))
    works = [work("p1", (3, "raise", 5), parts=parts), work("other", 2)]
    done = {d.work.unit_id: d.outcome for d in executor.map(Squares(), works)}
    assert [done[k].outputs[0] for k in ("p1", "p3", "other")] == [9, 25, 4]
    assert isinstance(done["p2"], Fault)


def test_a_dying_worker_costs_the_item_that_killed_it(executor: Executor) -> None:
    works = [work(f"n{i}", i) for i in range(6)] + [work("killer", "die")]
    done = {d.work.unit_id: d.outcome for d in executor.map(Squares(), works)}
    assert {k for k, v in done.items() if isinstance(v, Emit)} == {f"n{i}" for i in range(6)}
    assert done["killer"].error.startswith("WorkerDied")


def test_a_mistake_of_the_user_ends_the_build(executor: Executor) -> None:
    with pytest.raises(UserError, match="weights missing"):
        list(executor.map(Squares(), [work("m", "misconfigured"), work("n", 2)]))


def test_the_longest_work_goes_first() -> None:
    works = [work("a", 1, 1.0), work("c", 1, 3.0), work("b", 1, 3.0)]
    assert [w.unit_id for w in longest_first(works)] == ["b", "c", "a"]
