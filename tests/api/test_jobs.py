"""Submitting, showing, listing and cancelling jobs over HTTP."""

import json
from typing import Any

import pytest

from local.faults.plan import FaultPlan
from tests.api.conftest import ALICE, BOB, Gateway
from zipjobs.jobs.job import EVERYONE
from zipjobs.jobs.summary import ProgressCounts
from zipjobs.wiring import api as wiring

REQUEST = json.dumps({"keys": ["a.pdf", "b.pdf"]})
ROLE = "arn:aws:sts::123456789012:assumed-role/auditors"


def test_a_job_is_accepted_and_can_be_asked_for(gateway: Gateway) -> None:
    accepted = gateway("POST", "/zip-jobs", REQUEST)
    assert accepted.status == 202
    assert accepted.headers["location"] == f"/zip-jobs/{accepted.body['jobId']}"
    assert int(accepted.headers["retry-after"]) > 0
    job = gateway("GET", accepted.headers["location"])
    assert (job.status, job.body["status"]) == (200, "PENDING")
    assert job.headers["cache-control"] == "no-store"
    assert [message["jobId"] for message in gateway.messages()] == [accepted.body["jobId"]]


def test_the_owner_travels_with_the_message(gateway: Gateway) -> None:
    gateway.submit(ALICE)
    assert [message["owner"] for message in gateway.messages()] == [f"iam:{ALICE}"]


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain"]
)
def test_the_body_is_json_whatever_the_client_calls_it(gateway: Gateway, content_type: str) -> None:
    answer = gateway("POST", "/zip-jobs", REQUEST, headers={"content-type": content_type})
    assert answer.status == 202


def test_a_body_that_the_gateway_took_for_binary_is_read(gateway: Gateway) -> None:
    assert gateway("POST", "/zip-jobs", '{"keys": ["é.pdf"]}'.encode()).status == 202


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ('{"keys": ["a.pdf", 7]}', "#/keys/1", "string"),
        ('{"keys": [""]}', "#/keys/0", "at least 1 character"),
        ('{"keys": ["a"], "surprise": 1}', "#/surprise", "not permitted"),
        ('{"entries": [{"key": "a", "nome": "b"}]}', "#/entries/0/nome", "not permitted"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(
    gateway: Gateway, body: str, pointer: str, detail: str
) -> None:
    answer = gateway("POST", "/zip-jobs", body)
    assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
    assert answer.is_problem
    (wrong,) = answer.body["errors"]
    assert wrong["pointer"] == pointer
    assert detail in wrong["detail"]


@pytest.mark.parametrize("body", [None, "", "{", "null", "[]", b"\xff\xfe", "\ud800", '"x"'])
def test_what_is_no_request_is_refused_with_a_sentence(gateway: Gateway, body: Any) -> None:
    answer = gateway("POST", "/zip-jobs", body)
    assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
    assert answer.is_problem
    assert len(answer.body["detail"]) > 10
    assert gateway.messages() == []


def test_a_place_that_is_not_allowed_is_403(gateway: Gateway) -> None:
    answer = gateway("POST", "/zip-jobs", '{"keys": ["a"], "sourceBucket": "other"}')
    assert (answer.status, answer.body["code"]) == (403, "NOT_ALLOWED")
    assert answer.is_problem


def test_the_same_idempotency_key_is_the_same_job_of_one_caller(gateway: Gateway) -> None:
    key = {"idempotency-key": "order-7"}
    first = gateway("POST", "/zip-jobs", REQUEST, headers=key)
    again = gateway("POST", "/zip-jobs", REQUEST, headers=key)
    bobs = gateway("POST", "/zip-jobs", REQUEST, BOB, headers=key)
    assert first.body == again.body
    assert first.body["jobId"] != bobs.body["jobId"]
    other = gateway("POST", "/zip-jobs", '{"keys": ["c.pdf"]}', headers=key)
    assert (other.status, other.body["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_an_idempotency_key_that_is_none_is_refused_by_name(gateway: Gateway) -> None:
    answer = gateway("POST", "/zip-jobs", REQUEST, headers={"idempotency-key": "é"})
    assert answer.status == 400
    assert answer.body["errors"][0]["parameter"].lower() == "idempotency-key"


def test_what_aws_does_not_do_now_is_503_and_to_be_tried_again(gateway: Gateway) -> None:
    fault = {"service": "sqs", "error": {"code": "ServiceUnavailable", "status": 503}}
    gateway.faults.install(FaultPlan.model_validate({"faults": [fault]}))
    answer = gateway("POST", "/zip-jobs", REQUEST)
    assert (answer.status, answer.body["code"]) == (503, "UNAVAILABLE")
    assert answer.is_problem
    assert int(answer.headers["retry-after"]) > 0


def test_a_defect_is_a_problem_too(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zipjobs.jobs.table.JobTable.get", lambda self, job_id: 1 / 0)
    answer = gateway("GET", "/zip-jobs/any")
    assert (answer.status, answer.body["code"]) == (500, "INTERNAL_ERROR")
    assert answer.is_problem
    assert "division" not in json.dumps(answer.body)


# Whose job it is


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_anothers_job_is_not_found_and_stays_as_it_is(gateway: Gateway, method: str) -> None:
    job_id = gateway.submit(ALICE)
    bobs = gateway(method, f"/zip-jobs/{job_id}", caller=BOB)
    nobodys = gateway(method, "/zip-jobs/none", caller=BOB)
    assert (bobs.status, bobs.body["code"]) == (404, "JOB_NOT_FOUND")
    assert bobs.body["detail"].replace(job_id, "none") == nobodys.body["detail"]
    assert gateway("GET", f"/zip-jobs/{job_id}").body["status"] == "PENDING"


def test_a_role_owns_its_jobs_in_whatever_session(gateway: Gateway) -> None:
    job_id = gateway.submit(f"{ROLE}/monday")
    assert gateway("GET", f"/zip-jobs/{job_id}", caller=f"{ROLE}/tuesday").status == 200
    assert gateway("GET", f"/zip-jobs/{job_id}", caller=f"{ROLE}-too/monday").status == 404


def token(**claims: str) -> dict[str, Any]:
    """What API Gateway says of a token."""
    return {"jwt": {"claims": {"iss": "https://login.example.com", **claims}, "scopes": None}}


def test_the_issuer_and_subject_of_a_token_own_its_jobs(gateway: Gateway) -> None:
    gateway.use_api_auth("jwt")
    alice, bob = token(sub="a"), token(sub="b")
    elsewhere = token(sub="a", iss="https://other.example.com")
    answer = gateway("POST", "/zip-jobs", REQUEST, None, authorizer=alice)
    path = answer.headers["location"]
    assert gateway("GET", path, caller=None, authorizer=alice).status == 200
    assert gateway("GET", path, caller=None, authorizer=bob).status == 404
    assert gateway("GET", path, caller=None, authorizer=elsewhere).status == 404


def test_a_subject_that_is_an_arn_is_not_the_iam_user(gateway: Gateway) -> None:
    """The stack's apiAuth may change: then the same text must not own the same jobs."""
    job_id = gateway.submit(ALICE)
    gateway.use_api_auth("jwt")
    path = f"/zip-jobs/{job_id}"
    assert gateway("GET", path, caller=None, authorizer=token(sub=ALICE)).status == 404


@pytest.mark.parametrize("auth", ["iam", "jwt"])
@pytest.mark.parametrize("authorizer", [None, {}, {"iam": None}, {"jwt": {}}, {"lambda": {}}])
def test_a_request_without_its_callers_identity_is_refused(
    gateway: Gateway, auth: str, authorizer: dict[str, Any] | None
) -> None:
    """If the authorizer were ever missing, nobody would own the jobs, and everybody see them."""
    job_id = gateway.submit()
    assert len(gateway.messages()) == 1
    gateway.use_api_auth(auth)
    for method, path in (
        *(("POST", "/zip-jobs"), ("GET", "/zip-jobs")),
        *(("GET", f"/zip-jobs/{job_id}"), ("DELETE", f"/zip-jobs/{job_id}")),
    ):
        body = REQUEST if method == "POST" else None
        answer = gateway(method, path, body, None, authorizer=authorizer)
        assert (answer.status, answer.body["code"]) == (403, "NO_CALLER")
    assert gateway.messages() == []


def test_an_identity_of_another_kind_is_refused(gateway: Gateway) -> None:
    answer = gateway("POST", "/zip-jobs", REQUEST, None, authorizer=token(sub="a"))
    assert (answer.status, answer.body["code"]) == (403, "NO_CALLER")


def test_a_subject_that_is_too_long_owns_nothing(gateway: Gateway) -> None:
    gateway.use_api_auth("jwt")
    answer = gateway("POST", "/zip-jobs", REQUEST, None, authorizer=token(sub="s" * 1024))
    assert (answer.status, answer.body["code"]) == (403, "NO_SUBJECT")
    assert gateway.messages() == []


def test_without_authorization_jobs_are_everybodys(gateway: Gateway) -> None:
    gateway.use_api_auth("none")
    job_id = gateway.submit(None)
    assert [message["owner"] for message in gateway.messages()] == [EVERYONE]
    for caller in (None, ALICE):
        assert gateway("GET", f"/zip-jobs/{job_id}", caller=caller).status == 200


# The list


def test_jobs_are_listed_newest_first_without_those_of_others(gateway: Gateway) -> None:
    mine = [gateway.submit(ALICE) for _ in range(3)]
    gateway.submit(BOB)
    answer = gateway("GET", "/zip-jobs")
    assert answer.status == 200
    listed = [job["jobId"] for job in answer.body["jobs"]]
    assert sorted(listed) == sorted(mine)
    times = [job["createdAt"] for job in answer.body["jobs"]]
    assert times == sorted(times, reverse=True)
    assert answer.body["nextCursor"] is None


def test_a_page_leads_to_the_next(gateway: Gateway) -> None:
    mine = {gateway.submit(ALICE) for _ in range(3)}
    first = gateway("GET", "/zip-jobs", query={"limit": "2"})
    after = {"limit": "2", "cursor": first.body["nextCursor"]}
    second = gateway("GET", "/zip-jobs", query=after)
    found = [job["jobId"] for page in (first, second) for job in page.body["jobs"]]
    assert (len(found), set(found)) == (3, mine)
    assert second.body["nextCursor"] is None


def test_jobs_of_one_status_are_listed(gateway: Gateway) -> None:
    waiting, cancelled = gateway.submit(), gateway.submit()
    gateway("DELETE", f"/zip-jobs/{cancelled}")
    for status, job_id in (("PENDING", waiting), ("CANCELLED", cancelled)):
        jobs = gateway("GET", "/zip-jobs", query={"status": status}).body["jobs"]
        assert [job["jobId"] for job in jobs] == [job_id]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("limit", "0"), ("limit", "101"), ("limit", "many"), ("status", "DONE"), ("cursor", "x")],
)
def test_a_wrong_parameter_is_named(gateway: Gateway, parameter: str, value: str) -> None:
    answer = gateway("GET", "/zip-jobs", query={parameter: value})
    assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
    assert answer.is_problem
    assert answer.body["detail"].startswith(parameter)


# The end of a job


def test_a_cancelled_job_is_answered_alike_every_time(gateway: Gateway) -> None:
    job_id = gateway.submit()
    first, again = (gateway("DELETE", f"/zip-jobs/{job_id}") for _ in range(2))
    assert (first.status, first.body["status"]) == (200, "CANCELLED")
    assert (again.status, again.body["status"]) == (200, "CANCELLED")


def test_a_job_in_segments_that_is_cancelled_shows_how_far_it_got(gateway: Gateway) -> None:
    job_id = gateway.submit()
    jobs = gateway.aws["dynamodb"]
    jobs.update_item(
        TableName="jobs",
        Key={"jobId": {"S": job_id}},
        UpdateExpression="SET #segments = :two",
        ExpressionAttributeNames={"#segments": "segments"},
        ExpressionAttributeValues={":two": {"N": "2"}},
    )
    job = wiring.status_dependencies().store.get(job_id)
    assert job is not None
    wiring.status_dependencies().progress.record(job, 1, ProgressCounts(7, 700))
    gateway("DELETE", f"/zip-jobs/{job_id}")
    shown = gateway("GET", f"/zip-jobs/{job_id}").body
    assert (shown["status"], shown["entries"]["done"]) == ("CANCELLED", 7)
    assert shown["bytes"]["done"] == 700


def test_a_token_without_a_subject_owns_nothing(gateway: Gateway) -> None:
    gateway.use_api_auth("jwt")
    answer = gateway("POST", "/zip-jobs", REQUEST, None, authorizer=token())
    assert (answer.status, answer.body["code"]) == (403, "NO_SUBJECT")
    assert gateway.messages() == []


def test_a_job_that_is_queued_is_accepted_though_its_record_is_not_there_yet(
    gateway: Gateway,
) -> None:
    fault = {
        "service": "dynamodb",
        "operation": "UpdateItem",
        "error": {"code": "ThrottlingException", "status": 400},
    }
    gateway.faults.install(FaultPlan.model_validate({"faults": [fault]}))
    answer = gateway("POST", "/zip-jobs", REQUEST)
    assert answer.status == 202
    assert [message["jobId"] for message in gateway.messages()] == [answer.body["jobId"]]
