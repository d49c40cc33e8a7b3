"""Each job gets one correct final status, in any order of events and with any failure.

A hypothesis state machine runs a simulation. Jobs of many kinds are submitted by API and by
manifest. Messages are delivered in any order, twice, to two workers at a time, late, or never.
Workers are killed at any call, before or after its effect. Calls are rejected, get no
response, or are sent twice. Jobs are cancelled, exhaust their retries, and are reconciled, also
while a worker processes them. Sources change, and time passes. The handlers and all code behind
them are real and run on moto. SQS, the event bus and the clock are models, so each run is
deterministic.

Checked after each step, and after ``Simulation.finish``:

- Only allowed status changes occur, final statuses never change, and each worker has the lease
  of the job that it writes to.
- Events announce final statuses and never contradict each other.
- A READY job has its archive, which opens and has the right names and contents, and its receipt.
- A delivery fails only for a reason: an active lease, a failed call, or an unavailable bus.
- One function timeout after a crash, another worker takes over.
- A manifest's event comes after its status object. In the end the status object describes the
  last upload.
- At the end each accepted job has its expected status and an event. No upload, working object
  or message is left. The reconciler's index is empty. Jobs that are not READY have no archive and
  no receipt.

``make fuzz`` runs more examples, and new ones each time.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.chaos.model.invocations import CallFault, FaultKind, Script
from tests.chaos.model.queues import Message
from tests.chaos.model.requested_jobs import (
    BIG,
    BODIES,
    INVALID,
    MISSING,
    ONE,
    PLANNED,
    SMALL,
    TWO,
    JobKind,
    RequestedJob,
    job_kind,
)
from tests.chaos.model.service import (
    CALLS,
    GRACE_SECONDS,
    MAX_RECEIVE_COUNT,
    TIMEOUT_SECONDS,
    Aws,
    serving,
)
from tests.chaos.model.simulation import Crash, Simulation
from tests.support.examples import examples

T = TypeVar("T")

SETTINGS = settings(
    examples(30),
    stateful_step_count=12,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # Shrinking takes minutes, and the log in the error is enough.
    report_multiple_bugs=False,
)
MAX_JOBS = 3


def picked(items: Sequence[T], pick: int) -> T:
    return items[pick % len(items)]


@dataclass(frozen=True)
class Deliver:
    """Deliver one of the visible messages."""

    pick: int
    script: Script = ()

    def happen(self, simulation: Simulation) -> None:
        if messages := simulation.queue.visible:
            simulation.deliver(picked(messages, self.pick), self.script)


@dataclass(frozen=True)
class DeliverAgain:
    """Deliver a copy of any message, whether a worker processes the message or not."""

    pick: int
    script: Script = ()

    def happen(self, simulation: Simulation) -> None:
        if messages := simulation.queue.messages:
            copy = simulation.queue.duplicate(picked(messages, self.pick))
            simulation.deliver(copy, self.script)


@dataclass(frozen=True)
class Cancel:
    pick: int
    script: Script = ()

    def happen(self, simulation: Simulation) -> None:
        if jobs := simulation.requested_jobs:
            simulation.cancel(picked(jobs, self.pick), self.script)


@dataclass(frozen=True)
class DeliverDeadLetter:
    pick: int
    script: Script = ()

    def happen(self, simulation: Simulation) -> None:
        if messages := simulation.queue.visible_dead_letters:
            simulation.deliver_dead_letter(picked(messages, self.pick), self.script)


@dataclass(frozen=True)
class Reconcile:
    script: Script = ()

    def happen(self, simulation: Simulation) -> None:
        simulation.reconcile(self.script)


@dataclass(frozen=True)
class PassTime:
    seconds: float

    def happen(self, simulation: Simulation) -> None:
        simulation.pass_time(self.seconds)


@dataclass(frozen=True)
class ChangeSource:
    """Replace an object by a small or a large one, or delete it."""

    key: str
    into: Literal["small", "large", "nothing"]

    def happen(self, simulation: Simulation) -> None:
        body = {"small": b"new", "large": BODIES[BIG], "nothing": None}[self.into]
        simulation.change_source(self.key, body)


picks = st.integers(0, 5)
calls = st.integers(1, max(CALLS.values()))
failures = st.builds(
    CallFault,
    calls,
    st.sampled_from([kind for kind in FaultKind if kind is not FaultKind.INTERRUPTED]),
    st.sampled_from([1, 1, 1, 2, 5]),
)
kills = st.builds(
    CallFault, calls, st.sampled_from([FaultKind.KILLED_BEFORE, FaultKind.KILLED_AFTER])
)
maybe_failing = st.just(()) | failures.map(lambda fault: (fault,))
times = st.sampled_from(
    [1.0, 10.5, TIMEOUT_SECONDS - 1.0, TIMEOUT_SECONDS, GRACE_SECONDS, 2 * GRACE_SECONDS]
)
changes = st.builds(
    ChangeSource,
    st.sampled_from([ONE, TWO, MISSING, BIG]),
    st.sampled_from(["small", "nothing", "large"]),
)
interrupting_actions = st.one_of(
    st.builds(Deliver, picks, maybe_failing),
    st.builds(DeliverAgain, picks, maybe_failing),
    st.builds(Cancel, picks, maybe_failing),
    st.builds(DeliverDeadLetter, picks),
    st.builds(Reconcile),
    st.builds(PassTime, times),
    changes,
)
interruptions = st.builds(
    lambda call, action: CallFault(call, FaultKind.INTERRUPTED, action=action),
    calls,
    interrupting_actions,
)


class AnyOrder(RuleBasedStateMachine):
    """The possible steps of a simulation."""

    def __init__(self, aws: Aws) -> None:
        super().__init__()
        self.simulation = Simulation(aws)

    @initialize(kinds=st.lists(st.sampled_from([*SMALL, *PLANNED]), min_size=1, max_size=2))
    def begin(self, kinds: list[JobKind]) -> None:
        for kind in kinds:
            self.simulation.submit(kind)

    @precondition(lambda self: len(self.simulation.requested_jobs) < MAX_JOBS)
    @rule(
        kind=st.sampled_from([*SMALL, *PLANNED]), script=maybe_failing, target_exists=st.booleans()
    )
    def submit(self, kind: JobKind, script: Script, target_exists: bool) -> None:
        is_unsplit = kind is SMALL[0]
        self.simulation.submit(kind, script, target_exists=target_exists and is_unsplit)

    @precondition(lambda self: len(self.simulation.requested_jobs) < MAX_JOBS)
    @rule(kind=st.sampled_from([*SMALL, *PLANNED, INVALID]))
    def upload_manifest(self, kind: JobKind) -> None:
        self.simulation.upload_manifest(kind)

    @precondition(
        lambda self: len(self.simulation.requested_jobs) < MAX_JOBS and self._manifest_jobs()
    )
    @rule(pick=picks)
    def upload_manifest_again(self, pick: int) -> None:
        """Upload the same manifest again, which is another job."""
        job = picked(self._manifest_jobs(), pick)
        self.simulation.upload_manifest(job.kind, job.manifest_key)

    @precondition(lambda self: any(job.api_event for job in self.simulation.requested_jobs))
    @rule(pick=picks, script=maybe_failing)
    def submit_again(self, pick: int, script: Script) -> None:
        jobs = [job for job in self.simulation.requested_jobs if job.api_event]
        self.simulation.submit_again(picked(jobs, pick), script)

    @precondition(lambda self: self.simulation.queue.visible)
    @rule(pick=picks)
    def deliver(self, pick: int) -> None:
        Deliver(pick).happen(self.simulation)

    @precondition(lambda self: self.simulation.queue.visible)
    @rule(pick=picks, kill=kills)
    def deliver_to_a_worker_that_is_killed(self, pick: int, kill: CallFault) -> None:
        Deliver(pick, (kill,)).happen(self.simulation)

    @precondition(lambda self: self.simulation.queue.visible)
    @rule(pick=picks, failure=failures)
    def deliver_to_a_worker_whose_calls_fail(self, pick: int, failure: CallFault) -> None:
        Deliver(pick, (failure,)).happen(self.simulation)

    @precondition(lambda self: self.simulation.queue.visible)
    @rule(pick=picks, interruption=interruptions, more=interruptions | failures)
    def deliver_while_other_things_happen(
        self, pick: int, interruption: CallFault, more: CallFault
    ) -> None:
        Deliver(pick, (interruption, more)).happen(self.simulation)

    @precondition(lambda self: self.simulation.queue.visible)
    @rule(pick=picks, at=calls, script=maybe_failing)
    def deliver_to_two_workers_at_a_time(self, pick: int, at: int, script: Script) -> None:
        message = picked(self.simulation.queue.visible, pick)
        again = DeliverAgain(self.simulation.queue.messages.index(message), script)
        self.simulation.deliver(message, (CallFault(at, FaultKind.INTERRUPTED, action=again),))

    @precondition(lambda self: self.simulation.queue.messages)
    @rule(pick=picks)
    def duplicate(self, pick: int) -> None:
        self.simulation.queue.duplicate(picked(self.simulation.queue.messages, pick))

    @precondition(lambda self: self.simulation.queue.visible)
    @rule(pick=picks)
    def receive_without_processing(self, pick: int) -> None:
        self.simulation.queue.receive(picked(self.simulation.queue.visible, pick))

    @precondition(lambda self: self._losable())
    @rule(pick=picks)
    def lose_message(self, pick: int) -> None:
        self.simulation.lose_message(picked(self._losable(), pick))

    @rule(seconds=times)
    def pass_time(self, seconds: float) -> None:
        self.simulation.pass_time(seconds)

    @precondition(lambda self: self.simulation.requested_jobs)
    @rule(pick=picks, script=maybe_failing)
    def cancel(self, pick: int, script: Script) -> None:
        Cancel(pick, script).happen(self.simulation)

    @precondition(lambda self: self.simulation.queue.visible_dead_letters)
    @rule(pick=picks, script=maybe_failing)
    def deliver_dead_letter(self, pick: int, script: Script) -> None:
        DeliverDeadLetter(pick, script).happen(self.simulation)

    @precondition(lambda self: self.simulation.reconcile_times)
    @rule(script=maybe_failing)
    def reconcile_when_a_job_is_due(self, script: Script) -> None:
        self.simulation.wait_until(min(self.simulation.reconcile_times))
        self.simulation.reconcile(script)

    @precondition(lambda self: self.simulation.requested_jobs)
    @rule(change=changes)
    def change_a_source(self, change: ChangeSource) -> None:
        change.happen(self.simulation)

    @rule(events=st.integers(1, 3))
    def reject_events(self, events: int) -> None:
        self.simulation.bus.rejections = events

    @precondition(lambda self: self._recoverable())
    @rule(pick=picks)
    def recover(self, pick: int) -> None:
        self.simulation.recover(picked(self._recoverable(), pick))

    @invariant()
    def no_problem_was_found(self) -> None:
        self.simulation.check()

    def teardown(self) -> None:
        if not self.simulation.problems:
            self.simulation.finish()

    def _manifest_jobs(self) -> list[RequestedJob]:
        return [job for job in self.simulation.requested_jobs if job.manifest_key]

    def _losable(self) -> list[Message]:
        """Return messages that can be lost: those of unfinished jobs, which have a record."""
        simulation = self.simulation
        return [
            message
            for message in simulation.queue.messages
            if simulation.is_unfinished(simulation.job_of(message))
        ]

    def _recoverable(self) -> list[Crash]:
        """Return crashes whose messages wait for their visibility timeout."""
        losable = self._losable()
        return [
            crash
            for crash in self.simulation.crashes
            if crash.message in losable
            and crash.message.receives == crash.receives < MAX_RECEIVE_COUNT
        ]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    logger = logging.getLogger("zipjobs")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with serving() as aws:
        yield aws
    logger.setLevel(level)


@pytest.fixture
def simulation(aws: Aws) -> Simulation:
    return Simulation(aws)


@pytest.mark.hypothesis
def test_every_job_reaches_one_correct_final_status(aws: Aws) -> None:
    run_state_machine_as_test(lambda: AnyOrder(aws), settings=SETTINGS)  # type: ignore[arg-type]


# Failures that the state machine found


def test_no_upload_is_left_when_create_is_sent_twice(simulation: Simulation) -> None:
    simulation.submit(job_kind("unsplit"))
    Deliver(0, (CallFault(4, FaultKind.SENT_TWICE),)).happen(simulation)
    simulation.finish()


def test_a_late_segment_keeps_skipped_objects(simulation: Simulation) -> None:
    simulation.submit(job_kind("skipping, planned"))
    Deliver(0).happen(simulation)
    interruption = CallFault(5, FaultKind.INTERRUPTED, action=DeliverAgain(0))
    Deliver(0, (interruption,)).happen(simulation)
    simulation.finish()


def test_no_plan_is_left_when_a_planned_job_runs_unsplit(simulation: Simulation) -> None:
    simulation.submit(job_kind("two archives"))
    Deliver(0, (CallFault(10, FaultKind.KILLED_AFTER),)).happen(simulation)
    simulation.change_source(BIG, None)
    simulation.finish()


# Cases that the state machine rarely reaches


@pytest.mark.parametrize("fault_kind", [FaultKind.INTERRUPTED, FaultKind.KILLED_BEFORE])
@pytest.mark.parametrize("call", [3, *range(9, CALLS["zipper"] + 1)])
def test_status_object_describes_the_last_manifest_upload(
    simulation: Simulation, call: int, fault_kind: FaultKind
) -> None:
    """The second job finishes while the first one's worker makes a call, or after it was killed."""
    for _ in range(2):
        simulation.upload_manifest(job_kind("unsplit"), "manifests/again.json")
    first, second = simulation.queue.visible
    action = Deliver(1) if fault_kind is FaultKind.INTERRUPTED else None
    simulation.deliver(first, (CallFault(call, fault_kind, action=action),))
    if second in simulation.queue.messages:
        simulation.deliver(second)
    simulation.finish()
