"""An executor on a Ray cluster, or on a Ray started on this machine."""

import hashlib
import math
import pickle
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from humove.errors import UserError
from humove.stage import Resources
from pipelines.engine.executors.gpus import require_gpus
from pipelines.engine.executors.ray_cluster import ClusterNodes, connect_ray, is_local, make_remotes
from pipelines.engine.executors.task import Stage, Task, TaskResult, get_resources
from pipelines.engine.executors.worker_process import (
    MAX_DEATHS,
    RESULT,
    SetupError,
    make_death_fault,
    make_fault,
    read_message,
)

MAX_LOSSES = 10
"""A task during which so many machines were lost is a Fault: it may be the cause."""
MAX_FAILING_NODES = 3
"""The same error of a stage's setup on so many machines ends the run."""
BATCH_SECONDS = 0.05
"""Tasks expected to be shorter than a fifth of this share a Ray task of this duration."""
BATCH_TASKS = 64
HOLD_SECONDS = 2.0
"""How long to wait after the death of a worker for news of a lost machine."""
RECENT_SECONDS = 10.0
"""A worker that dies within this time of a machine's loss counts as lost with the machine."""


@dataclass(slots=True, eq=False)
class _Job:
    task: Task
    state: "_StageState"
    payload: bytes
    number: int
    """The order of submission."""
    deaths: int = 0
    losses: int = 0
    alone: bool = False
    """Whether it may have killed a worker and must not share a Ray task."""


@dataclass(slots=True, eq=False)
class _StageState:
    """A stage, its pickle in Ray's object store, its waiting tasks and its statistics."""

    stage: Stage
    pickled: bytes
    key: str
    ref: Any
    resources: Resources
    waiting: deque[_Job] = field(default_factory=deque)
    pace: float = math.inf
    """The largest recent duration of a task, in seconds for each unit of weight."""
    failing: dict[str, SetupError] = field(default_factory=dict)
    """The nodes where the setup failed."""
    function: Any = None
    """The remote function with this stage's options; None after they changed."""
    running: int = 0
    """The number of its Ray tasks in flight."""
    idle_actors: list[Any] = field(default_factory=list)
    num_actors: int = 0


@dataclass(slots=True, eq=False)
class _TaskBatch:
    state: _StageState
    jobs: list[_Job]
    actor: Any = None


class RayExecutor:
    """An executor on a Ray cluster.

    `address`: "auto" (the cluster of this machine or of RAY_ADDRESS), "HOST:PORT", or "" or "local" for a Ray that is
    started here and ends with the executor. `workers` is the largest number of tasks at once; 0: as many as fit.
    Every node needs the toolkit installed; nothing depends on the working directory. Credentials of object stores
    (AWS_*, GOOGLE_*) must be in each node's environment, or in the one in which `ray start` ran there; a Ray that is
    started here inherits this process's.

    Tasks of CPU stages are Ray tasks, whose worker processes Ray keeps and reuses; tasks of a stage with a share of a
    GPU run in actors, since a process can't change its GPU. `notify` receives messages for the user.
    """

    def __init__(
        self, *, address: str, workers: int, retries: int, notify: Callable[[str], None] | None = None
    ) -> None:
        self._ray = connect_ray(address, workers)
        self._notify = notify or (lambda line: None)
        self._nodes = ClusterNodes(self._ray, self._notify)
        self._workers = 0 if is_local(address) else workers  # a Ray started here has that many CPUs
        self._retries = retries
        self._function, self._actor_class = make_remotes(self._ray)
        self._states: list[_StageState] = []
        self._current = Resources()
        self._in_flight: dict[Any, _TaskBatch] = {}
        self._held: deque[tuple[float, _Job]] = deque()
        """(time of death, task) of tasks whose worker died."""
        self._settled: deque[TaskResult | UserError] = deque()
        self._unsettled = 0
        self._submitted = 0
        self._failure: UserError | None = None

    def count_slots(self) -> int:
        """Return the number of tasks like the last submitted one that the cluster can run at once, at least 1."""
        found = self._nodes.count_slots(self._current)
        return max(1, min(found, self._workers) if self._workers else found)

    def submit(self, task: Task) -> None:
        """Queue a task. UserError where its stage takes a GPU and the cluster has none."""
        try:
            state = self._get_state(task.stage)
            payload = pickle.dumps(task.payload, protocol=pickle.HIGHEST_PROTOCOL)
        except UserError:
            raise
        except Exception as e:  # pickling runs code of the stage's classes
            self._settled.append(TaskResult(task=task, result=make_fault(task.stage.name, e)))
        else:
            self._current = state.resources
            state.waiting.append(_Job(task=task, state=state, payload=payload, number=self._submitted))
            self._submitted += 1
        self._unsettled += 1
        # Collect a few tasks first, so that short ones can share a Ray task.
        if len(self._in_flight) < self.count_slots():
            self._launch_waiting()

    def wait(self, timeout_s: float | None = None) -> list[TaskResult]:
        """Return at least one result, or [] after the timeout or where no task is left.

        Raises the UserError of a stage; that of a setup after MAX_FAILING_NODES machines, or all, failed.
        """
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while self._unsettled:
            self._launch_waiting()
            self._collect_ended(0.0 if self._settled else min(1.0, max(0.0, deadline - time.monotonic())))
            if self._settled:
                break
            if self._failure is not None:
                raise self._failure
            if time.monotonic() >= deadline:
                return []
        self._launch_waiting()  # so that the cluster has work while the driver looks at these results
        return self._take_settled()

    def close(self) -> None:
        """Leave the cluster, which ends this run's workers; a Ray that was started here ends."""
        self._in_flight.clear()
        self._unsettled = 0
        self._ray.shutdown()

    def _take_settled(self) -> list[TaskResult]:
        found: list[TaskResult] = []
        while self._settled:
            if isinstance(self._settled[0], UserError) and found:
                break
            result = self._settled.popleft()
            self._unsettled -= 1
            if isinstance(result, UserError):
                raise result
            found.append(result)
        return found

    def _get_state(self, stage: Stage) -> _StageState:
        """Return the state of a stage; the stage is shipped unless it is the same object as last time."""
        known = next((s for s in self._states if s.stage is stage), None)
        if known is not None:
            return known
        resources = get_resources(stage)
        if resources.gpus:
            require_gpus(self._nodes.count_gpus(), "the Ray cluster")
        pickled = self._ray.cloudpickle.dumps(stage)
        known = next((s for s in self._states if s.stage.name == stage.name and s.pickled == pickled), None)
        if known is None:
            key = hashlib.sha256(pickled).hexdigest()
            ref = self._ray.put(pickled)
            known = _StageState(stage=stage, pickled=pickled, key=key, ref=ref, resources=resources)
            self._states.append(known)
        known.stage = stage
        return known

    def _launch_waiting(self) -> None:
        """Submit waiting tasks to Ray, the oldest first, while slots are free."""
        self._release_held()
        self._end_unused_actors()
        for state in self._states:
            if state.failing and state.waiting:  # the machines that could run it may be gone
                self._check_startable(state)
        while self._failure is None:
            ready = [s for s in self._states if s.waiting and self._has_room(s)]
            if not ready:
                return
            state = min(ready, key=lambda s: s.waiting[0].number)
            self._launch_batch(state, self._take_batch(state))

    def _has_room(self, state: _StageState) -> bool:
        if self._workers and len(self._in_flight) >= self._workers:
            return False
        slots = self._nodes.count_slots(state.resources, state.failing)
        if state.resources.gpus:
            return bool(state.idle_actors) or state.num_actors < max(1, slots)
        # More than the slots: workers that finish while the driver is busy get the next task, and machines that join
        # or that an autoscaler adds find work.
        return len(self._in_flight) < 2 * slots + 2

    def _take_batch(self, state: _StageState) -> list[_Job]:
        """Take the next task; of short tasks as many as fill BATCH_SECONDS, but at most this slot's share."""
        share = min(BATCH_TASKS, len(state.waiting) // self.count_slots())
        jobs = [state.waiting.popleft()]
        expected = jobs[0].task.weight * state.pace
        if jobs[0].alone or expected > BATCH_SECONDS / 5:
            return jobs
        while len(jobs) < share and not state.waiting[0].alone:
            expected += state.waiting[0].task.weight * state.pace
            if expected > BATCH_SECONDS:
                break
            jobs.append(state.waiting.popleft())
        return jobs

    def _launch_batch(self, state: _StageState, jobs: list[_Job]) -> None:
        batch = _TaskBatch(state=state, jobs=jobs)
        if state.resources.gpus:
            batch.actor = state.idle_actors.pop() if state.idle_actors else self._start_actor(state)
            call = batch.actor.run
        else:
            if state.function is None:
                state.function = self._function.options(**self._get_options(state))
            call = state.function
            if jobs[0].deaths:  # the machine may be the cause of the deaths: try others
                call = self._function.options(**self._get_options(state), scheduling_strategy="SPREAD")
        # A list around the reference keeps Ray from reading the stage for every task.
        pairs = [(j.payload, j.deaths) for j in jobs]
        ref = call.remote([state.ref], state.stage.name, state.key, pairs, self._retries, BATCH_SECONDS)
        self._in_flight[ref] = batch
        state.running += 1

    def _get_options(self, state: _StageState) -> dict[str, Any]:
        # Ray would never grant more CPUs than the largest machine has.
        options: dict[str, Any] = {"num_cpus": self._nodes.clamp_cpus(state.resources.cpus)}
        if state.resources.gpus:
            options["num_gpus"] = state.resources.gpus
        if state.failing:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(state.failing)})"}
        return options

    def _start_actor(self, state: _StageState) -> Any:
        state.num_actors += 1
        return self._actor_class.options(**self._get_options(state)).remote()

    def _end_actor(self, state: _StageState, actor: Any) -> None:
        state.num_actors -= 1
        self._ray.kill(actor)

    def _collect_ended(self, timeout_s: float) -> None:
        """Settle all ended Ray tasks; wait up to `timeout_s` for the first."""
        if not self._in_flight:
            time.sleep(min(timeout_s, 0.1))  # tasks are held, or the stage can run nowhere yet
            return
        refs = list(self._in_flight)
        # One call for all: a call takes time for each reference.
        ended, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        if not ended and timeout_s:
            ended, _ = self._ray.wait(refs, num_returns=1, timeout=timeout_s)
        for ref in ended:
            self._settle_batch(ref, self._in_flight.pop(ref))

    def _settle_batch(self, ref: Any, batch: _TaskBatch) -> None:
        errors = self._ray.exceptions
        state = batch.state
        state.running -= 1
        keep_actor = False
        try:
            result = self._ray.get(ref)
        except (errors.NodeDiedError, errors.ObjectLostError, errors.RuntimeEnvSetupError) as e:
            for job in reversed(batch.jobs):
                self._count_loss(job, e)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.RayActorError):
            if len(batch.jobs) > 1:
                self._requeue_jobs(batch.jobs, alone=True)
            else:
                self._held.append((time.monotonic(), batch.jobs[0]))
        except errors.RayError as e:
            if len(batch.jobs) > 1:
                self._requeue_jobs(batch.jobs, alone=True)
            else:
                self._settled.append(TaskResult(task=batch.jobs[0].task, result=make_fault(state.stage.name, e)))
        else:
            node_id, messages, setup_error = result
            keep_actor = setup_error is None
            if setup_error is not None:
                self._requeue_jobs(batch.jobs)
                self._exclude_node(state, node_id, setup_error)
            else:
                self._read_messages(batch, messages)
        if batch.actor is not None:
            if keep_actor:
                state.idle_actors.append(batch.actor)
            else:
                self._end_actor(state, batch.actor)

    def _read_messages(self, batch: _TaskBatch, messages: list[tuple[bytes, float]]) -> None:
        state = batch.state
        for job, (message, seconds) in zip(batch.jobs, messages, strict=False):
            kind, value = read_message(message, state.stage.name)
            self._settled.append(TaskResult(task=job.task, result=value) if kind == RESULT else UserError(*value))
            pace = seconds / max(job.task.weight, 1e-9)
            state.pace = pace if math.isinf(state.pace) else max(pace, 0.95 * state.pace + 0.05 * pace)
        self._requeue_jobs(batch.jobs[len(messages) :])  # those that did not start

    def _requeue_jobs(self, jobs: list[_Job], *, alone: bool = False) -> None:
        for job in reversed(jobs):
            job.alone = job.alone or alone
            job.state.waiting.appendleft(job)

    def _count_loss(self, job: _Job, error: Exception) -> None:
        """Requeue a task whose machine was lost; that does not count as a death of its worker."""
        job.losses += 1
        if job.losses < MAX_LOSSES:
            self._requeue_jobs([job], alone=True)
        else:
            self._settled.append(TaskResult(task=job.task, result=make_fault(job.state.stage.name, error)))

    def _release_held(self) -> None:
        """Requeue held tasks: count a loss where the machine was lost too, else a death of the worker."""
        while self._held and time.monotonic() - self._held[0][0] >= HOLD_SECONDS:
            died, job = self._held.popleft()
            self._nodes.refresh()
            if self._nodes.last_loss > died - RECENT_SECONDS:
                self._count_loss(job, RuntimeError("NodeLost: the machines that ran this task were lost"))
                continue
            job.deaths += 1
            if job.deaths >= MAX_DEATHS:
                self._settled.append(TaskResult(task=job.task, result=make_death_fault(job.state.stage.name)))
            else:
                self._requeue_jobs([job], alone=True)

    def _exclude_node(self, state: _StageState, node_id: str, error: SetupError) -> None:
        """Exclude a machine for a stage after its setup failed there."""
        if node_id in state.failing:
            return
        state.failing[node_id] = error
        state.function = None
        self._nodes.refresh()
        self._check_startable(state)
        if self._failure is None:
            self._notify(f"{self._nodes.get_host(node_id)}: {error[0]}; its tasks run on other machines")

    def _check_startable(self, state: _StageState) -> None:
        """End the run where no machine can start a stage, or the same error occurred on MAX_FAILING_NODES machines."""
        line, count = Counter(line for line, _, _ in state.failing.values()).most_common(1)[0]
        if count < MAX_FAILING_NODES and self._nodes.count_slots(state.resources, state.failing):
            return
        _, details, exit_code = next(e for e in state.failing.values() if e[0] == line)
        self._failure = UserError(line, exit_code)
        self._failure.__cause__ = RuntimeError(details)

    def _end_unused_actors(self) -> None:
        """End the idle actors of a stage, to free their resources, where another stage has tasks."""
        for state in self._states:
            if state.idle_actors and not state.waiting and any(s.waiting or s.running for s in self._states):
                while state.idle_actors:
                    self._end_actor(state, state.idle_actors.pop())
