import json
from dataclasses import asdict, replace
from functools import cache
from itertools import islice, pairwise

import pytest

from bench.large_jobs import scale
from bench.large_jobs.layout import Plan, Scenario, plan_job, plan_unsplit, sized_entries
from bench.large_jobs.model import Estimate, ModelInputs, simulate
from bench.large_jobs.planning import PlanningResult
from bench.request_kinds import dollars
from bench.workloads import KB, MB, WORKLOADS
from zipjobs.archive.layout import Layout
from zipjobs.archive.parts.sizing import MAX_ARCHIVE_BYTES, MIB, MIN_PART_BYTES, PartSizing
from zipjobs.archive.segment import part_lengths
from zipjobs.worker.segment_plan import SizeHistogram, WorkerQuota, segments, sizing_for

INPUTS = ModelInputs(
    cpu_per_get=250e-6,
    cpu_per_mb=1.8e-3,
    cpu_per_copy=2e-3,
    cpu_per_probe=140e-6,
    cpu_per_planned_entry=45e-6,
    cpu_per_segment_entry=10e-6,
    list_bytes_per_entry=30.0,
)
SCENARIOS = (
    Scenario("race set", WORKLOADS["r"]),
    Scenario("small", [100 * KB] * 41_000, in_list=True),
    Scenario("small, listed", [100 * KB] * 41_000, has_sizes=True, in_list=True, segment_mib=64),
    Scenario("huge", [100_000 * MB] * 10),
)


@cache
def plan_of(name: str) -> Plan:
    (scenario,) = (s for s in SCENARIOS if s.name == name)
    return plan_job(scenario)


@cache
def rows_of(name: str) -> list[Estimate]:
    return list(scale.simulate_all(tuple(s for s in SCENARIOS if s.name == name), INPUTS))


each = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


@each
def test_more_workers_are_never_slower(scenario: Scenario) -> None:
    for fewer, more in pairwise(rows_of(scenario.name)):
        assert more.workers == 2 * fewer.workers
        assert more.wall_s <= fewer.wall_s


@each
def test_requests_do_not_depend_on_the_number_of_workers(scenario: Scenario) -> None:
    _, first, *rest = rows_of(scenario.name)
    assert all(row.requests_by_kind == first.requests_by_kind for row in rest)


@each
def test_the_network_limits_the_speed(scenario: Scenario) -> None:
    plan = plan_of(scenario.name)
    sent = sum(work.sent_bytes for work in plan.work)
    for row in rows_of(scenario.name):
        assert row.wall_s >= sent / (row.workers * INPUTS.network)


@each
def test_every_body_is_read_or_copied_once(scenario: Scenario) -> None:
    work_list = plan_of(scenario.name).work
    assert sum(work.read_bytes + work.copied_bytes for work in work_list) == sum(scenario.sizes)
    assert sum(work.entries for work in work_list) == len(scenario.sizes)


@each
def test_parts_have_the_lengths_that_workers_expect(scenario: Scenario) -> None:
    work_list = plan_of(scenario.name).work
    histogram = SizeHistogram()
    for one in sized_entries(scenario.sizes):
        histogram.add(one)
    share = histogram.quota(WorkerQuota(read_bytes=scenario.segment_mib * MIB))
    sizing = sizing_for(histogram, PartSizing(), share, MAX_ARCHIVE_BYTES)
    entries = sized_entries(scenario.sizes)
    planned = segments(sized_entries(scenario.sizes), sizing, share)
    for work, segment in zip(work_list, planned, strict=True):
        layout = Layout(sizing, segment.first_part, segment.offset)
        lengths = part_lengths(islice(entries, segment.entries), layout)
        assert work.puts + work.copies == sum(n >= MIN_PART_BYTES for n in lengths.values())
        assert work.sent_bytes + work.copied_bytes == sum(lengths.values()) == segment.size


@each
def test_requests_add_up_and_cost(scenario: Scenario) -> None:
    for row in rows_of(scenario.name):
        kinds = row.requests_by_kind
        assert row.requests == sum(kinds.values())
        assert row.usd > dollars(kinds) > 0
        assert 0 < kinds["UPLOAD_PART"] + kinds.get("COPY_PART", 0) <= 10_000


def test_sizes_in_the_list_are_not_requested() -> None:
    plan = plan_of("small")
    known = replace(plan, scenario=replace(plan.scenario, has_sizes=True))
    asked, listed = (simulate(one, 4, INPUTS) for one in (plan, known))
    assert asked.requests_by_kind["GET"] - listed.requests_by_kind["GET"] == 41_000
    assert asked.planning_s > listed.planning_s


def test_only_jobs_within_the_largest_quota_stay_unsplit() -> None:
    unsplit = {scenario.name for scenario in SCENARIOS if plan_unsplit(scenario)}
    assert unsplit == {"race set"}
    assert [bool(row.segments) for row in rows_of("race set")] == [False] + 6 * [True]


def test_the_race_set_stays_within_its_budget() -> None:
    alone, *fanned_out = rows_of("race set")
    assert alone.usd <= 0.005
    assert max(row.usd for row in fanned_out) <= 0.007


def test_json_is_the_only_output_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = PlanningResult(1, 1, 1, 1, 1.0, 1.0, 1.0, 1.0)
    monkeypatch.setattr(scale, "measure_planning", lambda entries: planned)
    monkeypatch.setattr(scale, "measure_model_inputs", lambda planned: INPUTS)
    monkeypatch.setattr(scale, "SCENARIOS", SCENARIOS[:1])

    assert scale.main(["--json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert rows == [asdict(row) for row in rows_of("race set")]
    assert [Estimate(**row).workers for row in rows] == list(scale.WORKERS)
