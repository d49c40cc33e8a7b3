"""Fault plans: parsing, error messages, and random plans."""

import random
import re
from pathlib import Path

import pytest

from local.errors import LocalError
from local.faults.plan import FaultPlan
from local.faults.rules import Delay, ErrorResponse, MessageFault, RequestFault, Stall

WHOLE = """
seed: 7
faults:
  - service: s3
    operation: GetObject
    key: "*/reports/*.pdf"
    caller: zipper
    probability: 0.05
    times: 2
    error: {code: SlowDown, status: 503}
  - {operation: "*Upload*", nth: 3, reset: true, when: after}
  - {nth: [3, 4], per: invocation, invocation: 2, kill: true}
  - {cut: 1000}
  - {stall: {after: 1000, seconds: 30}}
  - {latency: 0.5}
  - {timeout: true}
  - queue: jobs
    duplicate: 0.1
    delay: {probability: 0.1, seconds: 2}
    reorder: true
"""


def test_plan_is_parsed_from_yaml() -> None:
    plan = FaultPlan.parse(WHOLE)
    assert plan == FaultPlan(
        seed=7,
        faults=(
            RequestFault(
                service="s3",
                operation="GetObject",
                key="*/reports/*.pdf",
                caller="zipper",
                probability=0.05,
                times=2,
                error=ErrorResponse(code="SlowDown", status=503),
            ),
            RequestFault(operation="*Upload*", nth=(3,), reset=True, when="after"),
            RequestFault(nth=(3, 4), per="invocation", invocation=(2,), kill=True),
            RequestFault(cut=1000),
            RequestFault(stall=Stall(after=1000, seconds=30)),
            RequestFault(latency=0.5),
            RequestFault(timeout=True),
            MessageFault(
                queue="jobs", duplicate=0.1, delay=Delay(probability=0.1, seconds=2), reorder=True
            ),
        ),
    )


def test_written_plan_can_be_loaded(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    for plan in (FaultPlan.parse(WHOLE), FaultPlan.random(3)):
        file.write_text(plan.to_yaml())
        assert FaultPlan.load(file) == plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("faults: [{operaton: x}]", "faults[0].operaton is unknown. The fields are service,"),
        ("fault: []", "fault is unknown. The fields are seed, faults"),
        ("faults: [{service: S3, reset: true}]", "faults[0].service: Input should be 's3',"),
        ("faults: [{}]", "faults[0]: must have exactly one of error, reset, cut, stall"),
        ("faults: [{reset: true, kill: true}]", "but has reset and kill"),
        (
            "faults: [{error: SlowDown}]",
            "faults[0].error must be an object with the fields code, status",
        ),
        ("faults: [{error: {code: a, status: 99}}]", "faults[0].error.status: Input should be"),
        ("faults: [{error: {kode: a}}]", "faults[0].error.kode is unknown. The fields are code,"),
        ("faults: [reset]", "faults[0] must be an object with the fields service, operation"),
        ("faults: [{nth: 0, reset: true}]", "faults[0].nth[0]: Input should be greater"),
        ("faults: [{probability: 2, cut: 1}]", "faults[0].probability: Input should be less"),
        ("faults: [{probability: 1, nth: 1, cut: 1}]", "has probability and nth. Use one"),
        ("faults: [{per: invocation, cut: 1}]", "per: invocation needs nth"),
        ("faults: [{cut: 1, when: after}]", "when: after needs one of error, reset, kill, timeout"),
        ("faults: [{caller: client, kill: true}]", "kill applies to functions"),
        (
            "faults: [{service: s3, operation: GetObjcet, cut: 1}]",
            "operation 'GetObjcet' matches no operation of s3: ListParts, GetObject",
        ),
        ("faults: [{service: dynamodb, operation: GetObject, cut: 1}]", "no operation of dynamodb"),
        ("faults: [{queue: job, reorder: true}]", "faults[0].queue: Input should be 'jobs' or"),
        ("faults: [{queue: jobs}]", "must have at least one of duplicate, delay, reorder"),
        ("faults: [{queue: jobs, delay: {second: 1}}]", "faults[0].delay.seconds: Field required"),
        ("- a", "the plan must be an object with the fields seed, faults"),
        ("", "the plan must be an object with the fields seed, faults"),
        ("faults: [", "plan.yaml is not valid YAML: "),
    ],
)
def test_error_names_location_and_allowed_values(text: str, message: str) -> None:
    with pytest.raises(LocalError) as raised:
        FaultPlan.parse(text, "plan.yaml")
    assert str(raised.value).startswith("plan.yaml")
    assert message in str(raised.value)


def test_documentation_has_valid_plans_and_every_field() -> None:
    text = (Path(__file__).resolve().parents[4] / "docs" / "faults.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 3
    for block in blocks:
        FaultPlan.parse(block)
    for field in {*RequestFault.model_fields, *MessageFault.model_fields}:
        assert re.search(rf"`{field}\b", text), field


def test_missing_plan_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"Cannot read the fault plan .*nowhere\.yaml"):
        FaultPlan.load(tmp_path / "nowhere.yaml")


def test_random_plan_depends_on_its_seed() -> None:
    assert FaultPlan.random(1) == FaultPlan.random(1)
    assert FaultPlan.random(1) != FaultPlan.random(2)


def test_random_plan_without_seed_has_one_that_recreates_it() -> None:
    state = random.getstate()
    plan = FaultPlan.random()
    random.setstate(state)
    assert FaultPlan.random() == plan == FaultPlan.random(plan.seed)


def test_random_plans_fail_only_functions_temporarily() -> None:
    effects = set()
    for seed in range(50):
        for fault in FaultPlan.random(seed).faults:
            if isinstance(fault, MessageFault):
                effects |= {"duplicate", "delay"} | ({"reorder"} if fault.reorder else set())
                continue
            effects.add(f"{fault.effect} {fault.when}")
            assert fault.caller in ("functions", "zipper")
            assert fault.nth or (fault.probability or 1) < 0.1
            assert fault.error is None or fault.error.code != "AccessDenied"
    assert effects == {
        *("error before", "reset before", "reset after", "cut before", "stall before"),
        *("latency before", "kill before", "kill after", "timeout before", "timeout after"),
        *("duplicate", "delay", "reorder"),
    }


def test_rate_scales_the_probabilities_of_a_random_plan() -> None:
    def probability(rate: float) -> float:
        faults = FaultPlan.random(5, rate).faults
        return sum(fault.probability or 0 for fault in faults if isinstance(fault, RequestFault))

    assert probability(0.1) == pytest.approx(2 * probability(0.05), abs=0.01)
