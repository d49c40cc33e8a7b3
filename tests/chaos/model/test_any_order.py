"""Jobs end, once and well, whatever order things happen in, and whatever fails meanwhile.

A hypothesis state machine lets a small world happen: jobs of many kinds are asked for, by API and
by manifest; their messages are delivered in any order, twice, to two workers at a time, late, or
never; workers die at any of their calls, before or after it took effect; calls are refused, go
unanswered or are sent twice; jobs are cancelled, given up and swept, also while a worker is in the
middle of one; sources change; time passes. The handlers and all that is behind them are the real
ones, on moto. SQS, the event bus and the clock are models, so that everything is deterministic.

After each step, and when all was given time to come to rest (``World.finish``):

- States move one way, final ones do not change, and no worker writes without its lease.
- Events are those of final states, and never contradict each other.
- Who is READY has its archive, which opens, with the right names and contents, and its receipt.
- A delivery fails for a reason: a lease that runs, a call that failed, a bus that is down.
- One function timeout after a worker died, the next one takes over.
- A manifest's event comes after its status object, which in the end tells of its last drop.
- In the end every job that was accepted has the end that it should have, and an event; no upload,
  no working object, no message, nothing in the reconciler's index, and, of jobs that did not get
  READY, no archive and no receipt is left.

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

from tests.chaos.model.invocations import Fate, Script, Trouble
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
    Order,
    kind,
)
from tests.chaos.model.simulation import (
    CALLS,
    GRACE_SECONDS,
    MAX_RECEIVE_COUNT,
    TIMEOUT_SECONDS,
    Aws,
    Crash,
    World,
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
MOST_ORDERS = 3


@dataclass(frozen=True)
class Deliver:
    """A worker gets any of the messages that can be received."""

    pick: int
    script: Script = ()

    def happen(self, world: World) -> None:
        if messages := world.queue.visible:
            world.deliver(messages[self.pick % len(messages)], self.script)


@dataclass(frozen=True)
class DeliverAgain:
    """Any message is delivered once more, whether a worker has it or not."""

    pick: int
    script: Script = ()

    def happen(self, world: World) -> None:
        if messages := world.queue.messages:
            message = messages[self.pick % len(messages)]
            world.deliver(world.queue.duplicate(message), self.script)


@dataclass(frozen=True)
class Cancel:
    pick: int
    script: Script = ()

    def happen(self, world: World) -> None:
        if orders := world.orders:
            world.cancel(orders[self.pick % len(orders)], self.script)


@dataclass(frozen=True)
class GiveUp:
    """The dead-letter function gets a message."""

    pick: int
    script: Script = ()

    def happen(self, world: World) -> None:
        if messages := world.queue.visible_dead_letters:
            world.deliver_dead_letter(messages[self.pick % len(messages)], self.script)


@dataclass(frozen=True)
class Sweep:
    script: Script = ()

    def happen(self, world: World) -> None:
        world.reconcile(self.script)


@dataclass(frozen=True)
class PassTime:
    seconds: float

    def happen(self, world: World) -> None:
        world.pass_time(self.seconds)


@dataclass(frozen=True)
class Change:
    """An object is replaced by a small one or a large one, or deleted."""

    key: str
    into: Literal["small", "large", "nothing"]

    def happen(self, world: World) -> None:
        world.change(self.key, {"small": b"new", "large": BODIES[BIG], "nothing": None}[self.into])


picks = st.integers(0, 5)
calls = st.integers(1, max(CALLS.values()))
failures = st.builds(
    Trouble,
    calls,
    st.sampled_from([fate for fate in Fate if fate is not Fate.MEANWHILE]),
    st.sampled_from([1, 1, 1, 2, 5]),
)
deaths = st.builds(Trouble, calls, st.sampled_from([Fate.DIES_BEFORE, Fate.DIES_AFTER]))
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
    st.builds(Sweep),
    st.builds(PassTime, times),
    changes,
)
interruptions = st.builds(
    lambda call, happening: Trouble(call, Fate.MEANWHILE, happening=happening), calls, meanwhile
)


class AnyOrder(RuleBasedStateMachine):
    """What may happen next."""

    def __init__(self, aws: Aws) -> None:
        super().__init__()
        self.world = World(aws)

    @initialize(kinds=st.lists(st.sampled_from([*SMALL, *PLANNED]), min_size=1, max_size=2))
    def begin(self, kinds: list[Kind]) -> None:
        for one in kinds:
            self.world.submit(one)

    @precondition(lambda self: len(self.world.orders) < MOST_ORDERS)
    @rule(kind=st.sampled_from([*SMALL, *PLANNED]), script=perhaps_failing, is_taken=st.booleans())
    def submit(self, kind: Kind, script: Script, is_taken: bool) -> None:
        self.world.submit(kind, script, is_taken=is_taken and kind is SMALL[0])

    @precondition(lambda self: len(self.world.orders) < MOST_ORDERS)
    @rule(kind=st.sampled_from([*SMALL, *PLANNED, INVALID]))
    def drop(self, kind: Kind) -> None:
        self.world.drop(kind)

    @precondition(lambda self: len(self.world.orders) < MOST_ORDERS and self._manifests())
    @rule(pick=picks)
    def drop_again(self, pick: int) -> None:
        """The same manifest, which is another job."""
        orders = self._manifests()
        order = orders[pick % len(orders)]
        self.world.drop(order.kind, order.manifest_key)

    @precondition(lambda self: any(order.api_event for order in self.world.orders))
    @rule(pick=picks, script=perhaps_failing)
    def submit_again(self, pick: int, script: Script) -> None:
        orders = [order for order in self.world.orders if order.api_event]
        self.world.submit_again(orders[pick % len(orders)], script)

    @precondition(lambda self: self.world.queue.visible)
    @rule(delivery=st.builds(Deliver, picks))
    def deliver(self, delivery: Deliver) -> None:
        delivery.happen(self.world)

    @precondition(lambda self: self.world.queue.visible)
    @rule(pick=picks, death=deaths)
    def deliver_to_a_worker_that_dies(self, pick: int, death: Trouble) -> None:
        Deliver(pick, (death,)).happen(self.world)

    @precondition(lambda self: self.world.queue.visible)
    @rule(pick=picks, failure=failures)
    def deliver_to_a_worker_whose_calls_fail(self, pick: int, failure: Trouble) -> None:
        Deliver(pick, (failure,)).happen(self.world)

    @precondition(lambda self: self.world.queue.visible)
    @rule(pick=picks, interruption=interruptions, more=interruptions | failures)
    def deliver_while_other_things_happen(
        self, pick: int, interruption: Trouble, more: Trouble
    ) -> None:
        Deliver(pick, (interruption, more)).happen(self.world)

    @precondition(lambda self: self.world.queue.visible)
    @rule(pick=picks, at=calls, script=perhaps_failing)
    def deliver_to_two_workers_at_a_time(self, pick: int, at: int, script: Script) -> None:
        messages = self.world.queue.visible
        message = messages[pick % len(messages)]
        again = DeliverAgain(self.world.queue.messages.index(message), script)
        self.world.deliver(message, (Trouble(at, Fate.MEANWHILE, happening=again),))

    @precondition(lambda self: self.world.queue.messages)
    @rule(pick=picks)
    def duplicate(self, pick: int) -> None:
        messages = self.world.queue.messages
        self.world.queue.duplicate(messages[pick % len(messages)])

    @precondition(lambda self: self.world.queue.visible)
    @rule(pick=picks)
    def receive_and_drop(self, pick: int) -> None:
        messages = self.world.queue.visible
        self.world.queue.receive(messages[pick % len(messages)])

    @precondition(lambda self: self._losable())
    @rule(pick=picks)
    def lose(self, pick: int) -> None:
        messages = self._losable()
        self.world.lose(messages[pick % len(messages)])

    @rule(passing=st.builds(PassTime, times))
    def pass_time(self, passing: PassTime) -> None:
        passing.happen(self.world)

    @precondition(lambda self: self.world.orders)
    @rule(cancelling=st.builds(Cancel, picks, perhaps_failing))
    def cancel(self, cancelling: Cancel) -> None:
        cancelling.happen(self.world)

    @precondition(lambda self: self.world.queue.visible_dead_letters)
    @rule(giving_up=st.builds(GiveUp, picks, perhaps_failing))
    def give_up(self, giving_up: GiveUp) -> None:
        giving_up.happen(self.world)

    @precondition(lambda self: self.world.overdue)
    @rule(script=perhaps_failing)
    def sweep_when_something_is_due(self, script: Script) -> None:
        self.world.wait_until(min(self.world.overdue))
        self.world.reconcile(script)

    @precondition(lambda self: self.world.orders)
    @rule(change=changes)
    def change_a_source(self, change: Change) -> None:
        change.happen(self.world)

    @rule(events=st.integers(1, 3))
    def let_the_bus_refuse(self, events: int) -> None:
        self.world.bus.refusals = events

    @precondition(lambda self: self._recoverable())
    @rule(pick=picks)
    def recover(self, pick: int) -> None:
        crashes = self._recoverable()
        self.world.recover(crashes[pick % len(crashes)])

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        if not self.world.problems:
            self.world.finish()

    def _manifests(self) -> list[Order]:
        return [order for order in self.world.orders if order.manifest_key]

    def _losable(self) -> list[Message]:
        """Who knows of a lost message, but the record of a job that has no end?"""
        world = self.world
        return [one for one in world.queue.messages if world.is_unfinished(world.job_of(one))]

    def _recoverable(self) -> list[Crash]:
        """Crashes whose messages wait for their visibility timeout."""
        world = self.world
        return [
            crash
            for crash in world.crashes
            if crash.message in world.queue.messages
            and crash.message.receives == crash.receives < MAX_RECEIVE_COUNT
            and world.is_unfinished(world.job_of(crash.message))
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
    world = World(aws)
    world.submit(kind("alone"))
    world.deliver(world.queue.visible[0], (Trouble(4, Fate.SENT_TWICE),))
    world.finish()


def test_a_late_segment_keeps_skipped_objects(aws: Aws) -> None:
    world = World(aws)
    world.submit(kind("skipping, planned"))
    world.deliver(world.queue.visible[0])
    world.deliver(world.queue.visible[0], (Trouble(5, Fate.MEANWHILE, happening=DeliverAgain(0)),))
    world.finish()


def test_no_plan_is_left_when_a_planned_job_runs_unsplit(aws: Aws) -> None:
    world = World(aws)
    world.submit(kind("two archives"))
    world.deliver(world.queue.visible[0], (Trouble(10, Fate.DIES_AFTER),))
    world.change(BIG, None)
    world.finish()


# What is too rare for it.


@pytest.mark.parametrize("fate", [Fate.MEANWHILE, Fate.DIES_BEFORE])
@pytest.mark.parametrize("call", [3, *range(9, CALLS["zipper"] + 1)])
def test_status_object_describes_the_last_manifest_upload(aws: Aws, call: int, fate: Fate) -> None:
    """Whenever its job ends: while the first one's worker is at a call, or after it died there."""
    world = World(aws)
    for _ in range(2):
        world.drop(kind("alone"), "manifests/again.json")
    first, second = world.queue.visible
    happening = Deliver(1) if fate is Fate.MEANWHILE else None
    world.deliver(first, (Trouble(call, fate, happening=happening),))
    if second in world.queue.messages:
        world.deliver(second)
    world.finish()
