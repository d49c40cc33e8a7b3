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


def test_a_submitted_job_is_pending_and_queued(gateway: Gateway) -> None:
    accepted = gateway("POST", "/zip-jobs", REQUEST)
    assert accepted.status == 202
    assert accepted.headers["location"] == f"/zip-jobs/{accepted.body['jobId']}"
    assert int(accepted.headers["retry-after"]) > 0
    job = gateway("GET", accepted.headers["location"])
    assert (job.status, job.body["status"]) == (200, "PENDING")
    assert job.headers["cache-control"] == "no-store"
    assert [message["jobId"] for message in gateway.messages()] == [accepted.body["jobId"]]


def test_the_message_contains_the_owner(gateway: Gateway) -> None:
    gateway.submit(ALICE)
    assert [message["owner"] for message in gateway.messages()] == [f"iam:{ALICE}"]


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain"]
)
def test_the_content_type_of_the_body_is_ignored(gateway: Gateway, content_type: str) -> None:
    response = gateway("POST", "/zip-jobs", REQUEST, headers={"content-type": content_type})
    assert response.status == 202


def test_a_base64_body_is_parsed(gateway: Gateway) -> None:
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
def test_an_invalid_field_has_a_pointer(
    gateway: Gateway, body: str, pointer: str, detail: str
) -> None:
    response = gateway("POST", "/zip-jobs", body)
    assert (response.status, response.body["code"]) == (400, "INVALID_REQUEST")
    assert response.is_problem
    (wrong,) = response.body["errors"]
    assert wrong["pointer"] == pointer
    assert detail in wrong["detail"]


@pytest.mark.parametrize("body", [None, "", "{", "null", "[]", b"\xff\xfe", "\ud800", '"x"'])
def test_a_body_that_is_not_a_request_is_rejected(gateway: Gateway, body: Any) -> None:
    response = gateway("POST", "/zip-jobs", body)
    assert (response.status, response.body["code"]) == (400, "INVALID_REQUEST")
    assert response.is_problem
    assert len(response.body["detail"]) > 10
    assert gateway.messages() == []


def test_a_location_that_is_not_allowed_is_403(gateway: Gateway) -> None:
    response = gateway("POST", "/zip-jobs", '{"keys": ["a"], "sourceBucket": "other"}')
    assert (response.status, response.body["code"]) == (403, "NOT_ALLOWED")
    assert response.is_problem


def test_an_idempotency_key_identifies_one_job_per_caller(gateway: Gateway) -> None:
    key = {"idempotency-key": "order-7"}
    first = gateway("POST", "/zip-jobs", REQUEST, headers=key)
    again = gateway("POST", "/zip-jobs", REQUEST, headers=key)
    by_bob = gateway("POST", "/zip-jobs", REQUEST, BOB, headers=key)
    assert first.body == again.body
    assert first.body["jobId"] != by_bob.body["jobId"]
    other = gateway("POST", "/zip-jobs", '{"keys": ["c.pdf"]}', headers=key)
    assert (other.status, other.body["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_an_invalid_idempotency_key_is_rejected(gateway: Gateway) -> None:
    response = gateway("POST", "/zip-jobs", REQUEST, headers={"idempotency-key": "é"})
    assert response.status == 400
    assert response.body["errors"][0]["parameter"].lower() == "idempotency-key"


def test_an_unavailable_service_is_503_with_retry_after(gateway: Gateway) -> None:
    fault = {"service": "sqs", "error": {"code": "ServiceUnavailable", "status": 503}}
    gateway.faults.install(FaultPlan.model_validate({"faults": [fault]}))
    response = gateway("POST", "/zip-jobs", REQUEST)
    assert (response.status, response.body["code"]) == (503, "UNAVAILABLE")
    assert response.is_problem
    assert int(response.headers["retry-after"]) > 0


def test_an_internal_error_is_a_problem(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zipjobs.jobs.table.JobTable.get", lambda self, job_id: 1 / 0)
    response = gateway("GET", "/zip-jobs/any")
    assert (response.status, response.body["code"]) == (500, "INTERNAL_ERROR")
    assert response.is_problem
    assert "division" not in json.dumps(response.body)


# Owners


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_job_of_another_caller_is_not_found(gateway: Gateway, method: str) -> None:
    job_id = gateway.submit(ALICE)
    by_bob = gateway(method, f"/zip-jobs/{job_id}", caller=BOB)
    missing = gateway(method, "/zip-jobs/none", caller=BOB)
    assert (by_bob.status, by_bob.body["code"]) == (404, "JOB_NOT_FOUND")
    assert by_bob.body["detail"].replace(job_id, "none") == missing.body["detail"]
    assert gateway("GET", f"/zip-jobs/{job_id}").body["status"] == "PENDING"


def test_a_role_owns_its_jobs_across_sessions(gateway: Gateway) -> None:
    job_id = gateway.submit(f"{ROLE}/monday")
    assert gateway("GET", f"/zip-jobs/{job_id}", caller=f"{ROLE}/tuesday").status == 200
    assert gateway("GET", f"/zip-jobs/{job_id}", caller=f"{ROLE}-too/monday").status == 404


def token(**claims: str) -> dict[str, Any]:
    """Return the authorizer context of a token."""
    return {"jwt": {"claims": {"iss": "https://login.example.com", **claims}, "scopes": None}}


def test_issuer_and_subject_of_a_token_own_its_jobs(gateway: Gateway) -> None:
    gateway.use_api_auth("jwt")
    alice, bob = token(sub="a"), token(sub="b")
    elsewhere = token(sub="a", iss="https://other.example.com")
    response = gateway("POST", "/zip-jobs", REQUEST, None, authorizer=alice)
    path = response.headers["location"]
    assert gateway("GET", path, caller=None, authorizer=alice).status == 200
    assert gateway("GET", path, caller=None, authorizer=bob).status == 404
    assert gateway("GET", path, caller=None, authorizer=elsewhere).status == 404


def test_a_subject_that_is_an_arn_is_not_the_iam_user(gateway: Gateway) -> None:
    """After a change of apiAuth, the same text must not own the same jobs."""
    job_id = gateway.submit(ALICE)
    gateway.use_api_auth("jwt")
    path = f"/zip-jobs/{job_id}"
    assert gateway("GET", path, caller=None, authorizer=token(sub=ALICE)).status == 404


@pytest.mark.parametrize("auth", ["iam", "jwt"])
@pytest.mark.parametrize("authorizer", [None, {}, {"iam": None}, {"jwt": {}}, {"lambda": {}}])
def test_a_request_without_a_caller_is_rejected(
    gateway: Gateway, auth: str, authorizer: dict[str, Any] | None
) -> None:
    """Such jobs would have no owner and be visible to every caller."""
    job_id = gateway.submit()
    assert len(gateway.messages()) == 1
    gateway.use_api_auth(auth)
    for method, path in (
        *(("POST", "/zip-jobs"), ("GET", "/zip-jobs")),
        *(("GET", f"/zip-jobs/{job_id}"), ("DELETE", f"/zip-jobs/{job_id}")),
    ):
        body = REQUEST if method == "POST" else None
        response = gateway(method, path, body, None, authorizer=authorizer)
        assert (response.status, response.body["code"]) == (403, "NO_CALLER")
    assert gateway.messages() == []


def test_an_identity_of_another_auth_type_is_rejected(gateway: Gateway) -> None:
    response = gateway("POST", "/zip-jobs", REQUEST, None, authorizer=token(sub="a"))
    assert (response.status, response.body["code"]) == (403, "NO_CALLER")


def test_a_subject_that_is_too_long_is_rejected(gateway: Gateway) -> None:
    gateway.use_api_auth("jwt")
    response = gateway("POST", "/zip-jobs", REQUEST, None, authorizer=token(sub="s" * 1024))
    assert (response.status, response.body["code"]) == (403, "NO_SUBJECT")
    assert gateway.messages() == []


def test_without_authorization_jobs_have_no_owner(gateway: Gateway) -> None:
    gateway.use_api_auth("none")
    job_id = gateway.submit(None)
    assert [message["owner"] for message in gateway.messages()] == [EVERYONE]
    for caller in (None, ALICE):
        assert gateway("GET", f"/zip-jobs/{job_id}", caller=caller).status == 200


# The list


def test_own_jobs_are_listed_newest_first(gateway: Gateway) -> None:
    mine = [gateway.submit(ALICE) for _ in range(3)]
    gateway.submit(BOB)
    response = gateway("GET", "/zip-jobs")
    assert response.status == 200
    listed = [job["jobId"] for job in response.body["jobs"]]
    assert sorted(listed) == sorted(mine)
    times = [job["createdAt"] for job in response.body["jobs"]]
    assert times == sorted(times, reverse=True)
    assert response.body["nextCursor"] is None


def test_a_cursor_returns_the_next_page(gateway: Gateway) -> None:
    mine = {gateway.submit(ALICE) for _ in range(3)}
    first = gateway("GET", "/zip-jobs", query={"limit": "2"})
    after = {"limit": "2", "cursor": first.body["nextCursor"]}
    second = gateway("GET", "/zip-jobs", query=after)
    found = [job["jobId"] for page in (first, second) for job in page.body["jobs"]]
    assert (len(found), set(found)) == (3, mine)
    assert second.body["nextCursor"] is None


def test_jobs_are_filtered_by_status(gateway: Gateway) -> None:
    waiting, cancelled = gateway.submit(), gateway.submit()
    gateway("DELETE", f"/zip-jobs/{cancelled}")
    for status, job_id in (("PENDING", waiting), ("CANCELLED", cancelled)):
        jobs = gateway("GET", "/zip-jobs", query={"status": status}).body["jobs"]
        assert [job["jobId"] for job in jobs] == [job_id]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("limit", "0"), ("limit", "101"), ("limit", "many"), ("status", "DONE"), ("cursor", "x")],
)
def test_an_invalid_parameter_is_named(gateway: Gateway, parameter: str, value: str) -> None:
    response = gateway("GET", "/zip-jobs", query={parameter: value})
    assert (response.status, response.body["code"]) == (400, "INVALID_REQUEST")
    assert response.is_problem
    assert response.body["detail"].startswith(parameter)


# Cancelling


def test_cancelling_twice_returns_the_same_response(gateway: Gateway) -> None:
    job_id = gateway.submit()
    first, again = (gateway("DELETE", f"/zip-jobs/{job_id}") for _ in range(2))
    assert (first.status, first.body["status"]) == (200, "CANCELLED")
    assert (again.status, again.body["status"]) == (200, "CANCELLED")


def test_a_cancelled_large_job_shows_its_progress(gateway: Gateway) -> None:
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


def test_a_token_without_a_subject_is_rejected(gateway: Gateway) -> None:
    gateway.use_api_auth("jwt")
    response = gateway("POST", "/zip-jobs", REQUEST, None, authorizer=token())
    assert (response.status, response.body["code"]) == (403, "NO_SUBJECT")
    assert gateway.messages() == []


def test_a_queued_job_without_a_record_is_accepted(
    gateway: Gateway,
) -> None:
    fault = {
        "service": "dynamodb",
        "operation": "UpdateItem",
        "error": {"code": "ThrottlingException", "status": 400},
    }
    gateway.faults.install(FaultPlan.model_validate({"faults": [fault]}))
    response = gateway("POST", "/zip-jobs", REQUEST)
    assert response.status == 202
    assert [message["jobId"] for message in gateway.messages()] == [response.body["jobId"]]
