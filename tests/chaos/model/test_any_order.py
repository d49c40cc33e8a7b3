"""Each job gets one correct final status, in any order of events and with any failure.

A hypothesis state machine runs a simulation. Jobs of many kinds are submitted by API and by
manifest. Messages are delivered in any order, twice, to two workers at a time, late, or never.
Workers die at any call, before or after it took effect. Calls are refused, get no response, or are
sent twice. Jobs are cancelled, exhausted and reconciled, also while a worker processes them.
Sources change, and time passes. The handlers and all code behind them are real and run on moto.
SQS, the event bus and the clock are models, so each run is deterministic.

Checked after each step, and after ``Simulation.finish``:

- Statuses change only as allowed, final ones never, and no worker writes without its lease.
- Events announce final statuses and never contradict each other.
- A READY job has its archive, which opens and has the right names and contents, and its receipt.
- A delivery fails only for a reason: an active lease, a failed call, or an unavailable bus.
- One function timeout after a worker died, the next one takes over.
- A manifest's event comes after its status object, which finally describes the last upload.
- At the end each accepted job has its expected status and an event. There is no upload, working
  object or message, nothing in the reconciler's index, and no archive or receipt of a job that is
  not READY.

``make fuzz`` runs more examples, and new ones each time.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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
    GONE,
    INVALID,
    ONE,
    PLANNED,
    SMALL,
    TWO,
    Kind,
    RequestedJob,
    kind,
)
from tests.chaos.model.simulation import (
    CALLS,
    GRACE_SECONDS,
    MAX_RECEIVE_COUNT,
    TIMEOUT_SECONDS,
    Aws,
    Crash,
    Simulation,
    serving,
)
from tests.support.examples import examples

SETTINGS = settings(
    examples(30),
    stateful_step_count=12,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # Shrinking takes minutes, and the story in the error is enough.
    report_multiple_bugs=False,
)
MAX_JOBS = 3


@dataclass(frozen=True)
class Deliver:
    """A worker gets any of the messages that can be received."""

    pick: int
    script: Script = ()

    def happen(self, simulation: Simulation) -> None:
        if messages := simulation.queue.visible:
            simulation.deliver(messages[self.pick % len(messages)], self.script)


@dataclass(frozen=True)
class DeliverAgain:
    """Any message is delivered once more, whether a worker has it or not."""

    pick: int
    script: Script = ()

    def happen(self, simulation: Simulation) -> None:
        if messages := simulation.queue.messages:
            message = messages[self.pick % len(messages)]
            simulation.deliver(simulation.queue.duplicate(message), self.script)


@dataclass(frozen=True)
class Cancel:
    pick: int
    script: Script = ()

    def happen(self, simulation: Simulation) -> None:
        if orders := simulation.orders:
            simulation.cancel(orders[self.pick % len(orders)], self.script)


@dataclass(frozen=True)
class GiveUp:
    """The dead-letter function gets a message."""

    pick: int
    script: Script = ()

    def happen(self, simulation: Simulation) -> None:
        if messages := simulation.queue.visible_dead_letters:
            simulation.deliver_dead_letter(messages[self.pick % len(messages)], self.script)


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
class Change:
    """An object is replaced by a small one or a large one, or deleted."""

    key: str
    into: Literal["small", "large", "nothing"]

    def happen(self, simulation: Simulation) -> None:
        simulation.change(
            self.key, {"small": b"new", "large": BODIES[BIG], "nothing": None}[self.into]
        )


picks = st.integers(0, 5)
calls = st.integers(1, max(CALLS.values()))
failures = st.builds(
    CallFault,
    calls,
    st.sampled_from(
        [fault_kind for fault_kind in FaultKind if fault_kind is not FaultKind.MEANWHILE]
    ),
    st.sampled_from([1, 1, 1, 2, 5]),
)
deaths = st.builds(CallFault, calls, st.sampled_from([FaultKind.DIES_BEFORE, FaultKind.DIES_AFTER]))
perhaps_failing = st.just(()) | failures.map(lambda trouble: (trouble,))
times = st.sampled_from(
    [1.0, 10.5, TIMEOUT_SECONDS - 1.0, TIMEOUT_SECONDS, GRACE_SECONDS, 2 * GRACE_SECONDS]
)
changes = st.builds(
    Change,
    st.sampled_from([ONE, TWO, GONE, BIG]),
    st.sampled_from(["small", "nothing", "large"]),
)
meanwhile = st.one_of(
    st.builds(Deliver, picks, perhaps_failing),
    st.builds(DeliverAgain, picks, perhaps_failing),
    st.builds(Cancel, picks, perhaps_failing),
    st.builds(GiveUp, picks),
    st.builds(Reconcile),
    st.builds(PassTime, times),
    changes,
)
interruptions = st.builds(
    lambda call, happening: CallFault(call, FaultKind.MEANWHILE, happening=happening),
    calls,
    meanwhile,
)


class AnyOrder(RuleBasedStateMachine):
    """What may happen next."""

    def __init__(self, aws: Aws) -> None:
        super().__init__()
        self.simulation = Simulation(aws)

    @initialize(kinds=st.lists(st.sampled_from([*SMALL, *PLANNED]), min_size=1, max_size=2))
    def begin(self, kinds: list[Kind]) -> None:
        for one in kinds:
            self.simulation.submit(one)

    @precondition(lambda self: len(self.simulation.orders) < MAX_JOBS)
    @rule(kind=st.sampled_from([*SMALL, *PLANNED]), script=perhaps_failing, is_taken=st.booleans())
    def submit(self, kind: Kind, script: Script, is_taken: bool) -> None:
        self.simulation.submit(kind, script, is_taken=is_taken and kind is SMALL[0])

    @precondition(lambda self: len(self.simulation.orders) < MAX_JOBS)
    @rule(kind=st.sampled_from([*SMALL, *PLANNED, INVALID]))
    def drop(self, kind: Kind) -> None:
        self.simulation.drop(kind)

    @precondition(lambda self: len(self.simulation.orders) < MAX_JOBS and self._manifests())
    @rule(pick=picks)
    def drop_again(self, pick: int) -> None:
        """The same manifest, which is another job."""
        orders = self._manifests()
        order = orders[pick % len(orders)]
        self.simulation.drop(order.kind, order.manifest_key)

    @precondition(lambda self: any(order.api_event for order in self.simulation.orders))
    @rule(pick=picks, script=perhaps_failing)
    def submit_again(self, pick: int, script: Script) -> None:
        orders = [order for order in self.simulation.orders if order.api_event]
        self.simulation.submit_again(orders[pick % len(orders)], script)

    @precondition(lambda self: self.simulation.queue.visible)
    @rule(delivery=st.builds(Deliver, picks))
    def deliver(self, delivery: Deliver) -> None:
        delivery.happen(self.simulation)

    @precondition(lambda self: self.simulation.queue.visible)
    @rule(pick=picks, death=deaths)
    def deliver_to_a_worker_that_dies(self, pick: int, death: CallFault) -> None:
        Deliver(pick, (death,)).happen(self.simulation)

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
    @rule(pick=picks, at=calls, script=perhaps_failing)
    def deliver_to_two_workers_at_a_time(self, pick: int, at: int, script: Script) -> None:
        messages = self.simulation.queue.visible
        message = messages[pick % len(messages)]
        again = DeliverAgain(self.simulation.queue.messages.index(message), script)
        self.simulation.deliver(message, (CallFault(at, FaultKind.MEANWHILE, happening=again),))

    @precondition(lambda self: self.simulation.queue.messages)
    @rule(pick=picks)
    def duplicate(self, pick: int) -> None:
        messages = self.simulation.queue.messages
        self.simulation.queue.duplicate(messages[pick % len(messages)])

    @precondition(lambda self: self.simulation.queue.visible)
    @rule(pick=picks)
    def receive_and_drop(self, pick: int) -> None:
        messages = self.simulation.queue.visible
        self.simulation.queue.receive(messages[pick % len(messages)])

    @precondition(lambda self: self._losable())
    @rule(pick=picks)
    def lose(self, pick: int) -> None:
        messages = self._losable()
        self.simulation.lose(messages[pick % len(messages)])

    @rule(passing=st.builds(PassTime, times))
    def pass_time(self, passing: PassTime) -> None:
        passing.happen(self.simulation)

    @precondition(lambda self: self.simulation.orders)
    @rule(cancelling=st.builds(Cancel, picks, perhaps_failing))
    def cancel(self, cancelling: Cancel) -> None:
        cancelling.happen(self.simulation)

    @precondition(lambda self: self.simulation.queue.visible_dead_letters)
    @rule(giving_up=st.builds(GiveUp, picks, perhaps_failing))
    def give_up(self, giving_up: GiveUp) -> None:
        giving_up.happen(self.simulation)

    @precondition(lambda self: self.simulation.overdue)
    @rule(script=perhaps_failing)
    def sweep_when_something_is_due(self, script: Script) -> None:
        self.simulation.wait_until(min(self.simulation.overdue))
        self.simulation.reconcile(script)

    @precondition(lambda self: self.simulation.orders)
    @rule(change=changes)
    def change_a_source(self, change: Change) -> None:
        change.happen(self.simulation)

    @rule(events=st.integers(1, 3))
    def let_the_bus_refuse(self, events: int) -> None:
        self.simulation.bus.refusals = events

    @precondition(lambda self: self._recoverable())
    @rule(pick=picks)
    def recover(self, pick: int) -> None:
        crashes = self._recoverable()
        self.simulation.recover(crashes[pick % len(crashes)])

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        self.simulation.check()

    def teardown(self) -> None:
        if not self.simulation.problems:
            self.simulation.finish()

    def _manifests(self) -> list[RequestedJob]:
        return [order for order in self.simulation.orders if order.manifest_key]

    def _losable(self) -> list[Message]:
        """Return messages that can be lost: those of unfinished jobs, which their records show."""
        simulation = self.simulation
        return [
            one
            for one in simulation.queue.messages
            if simulation.is_unfinished(simulation.job_of(one))
        ]

    def _recoverable(self) -> list[Crash]:
        """Crashes whose messages wait for their visibility timeout."""
        simulation = self.simulation
        return [
            crash
            for crash in simulation.crashes
            if crash.message in simulation.queue.messages
            and crash.message.receives == crash.receives < MAX_RECEIVE_COUNT
            and simulation.is_unfinished(simulation.job_of(crash.message))
        ]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    logger = logging.getLogger("zipjobs")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with serving() as aws:
        yield aws
    logger.setLevel(level)


@pytest.mark.hypothesis
def test_every_job_reaches_one_correct_final_status(aws: Aws) -> None:
    run_state_machine_as_test(lambda: AnyOrder(aws), settings=SETTINGS)  # type: ignore[arg-type]


# What it has found.


def test_no_upload_is_left_when_create_is_sent_twice(aws: Aws) -> None:
    simulation = Simulation(aws)
    simulation.submit(kind("alone"))
    simulation.deliver(simulation.queue.visible[0], (CallFault(4, FaultKind.SENT_TWICE),))
    simulation.finish()


def test_a_late_segment_keeps_skipped_objects(aws: Aws) -> None:
    simulation = Simulation(aws)
    simulation.submit(kind("skipping, planned"))
    simulation.deliver(simulation.queue.visible[0])
    simulation.deliver(
        simulation.queue.visible[0], (CallFault(5, FaultKind.MEANWHILE, happening=DeliverAgain(0)),)
    )
    simulation.finish()


def test_no_plan_is_left_when_a_planned_job_runs_unsplit(aws: Aws) -> None:
    simulation = Simulation(aws)
    simulation.submit(kind("two archives"))
    simulation.deliver(simulation.queue.visible[0], (CallFault(10, FaultKind.DIES_AFTER),))
    simulation.change(BIG, None)
    simulation.finish()


# What is too rare for it.


@pytest.mark.parametrize("fault_kind", [FaultKind.MEANWHILE, FaultKind.DIES_BEFORE])
@pytest.mark.parametrize("call", [3, *range(9, CALLS["zipper"] + 1)])
def test_status_object_describes_the_last_manifest_upload(
    aws: Aws, call: int, fault_kind: FaultKind
) -> None:
    """Whenever its job ends: while the first one's worker is at a call, or after it died there."""
    simulation = Simulation(aws)
    for _ in range(2):
        simulation.drop(kind("alone"), "manifests/again.json")
    first, second = simulation.queue.visible
    happening = Deliver(1) if fault_kind is FaultKind.MEANWHILE else None
    simulation.deliver(first, (CallFault(call, fault_kind, happening=happening),))
    if second in simulation.queue.messages:
        simulation.deliver(second)
    simulation.finish()
