"""Signed requests to the API, and the jobs that each caller can see."""

import json
import os
import subprocess
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest

from tests.e2e.stack import Client, curl
from tests.support.signing import signed_headers

FORBIDDEN = (403, {"message": "Forbidden"})
BODY = json.dumps({"keys": ["auth/none.pdf"], "onMissing": "skip"})
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
            "Action": "sts:AssumeRole",
        }
    ],
}
PATHS = ("/zip-jobs", f"/zip-jobs/{uuid.UUID(int=0)}", "/openapi.json", "/docs")

Response = tuple[int, Any]


def request(url: str, *arguments: str) -> Response:
    """Request a URL with curl. Return status and body."""
    status, _, body = curl(url, *arguments)
    return status, body


@dataclass
class User:
    """A caller with an access key, and a session token if it is a role."""

    client: Client
    access_key_id: str
    secret: str
    token: str | None = None

    @classmethod
    def create(cls, client: Client, name: str) -> "User":
        """Create a user in IAM."""
        iam = client.stack.client("iam")
        user = f"{name}-{uuid.uuid4()}"
        iam.create_user(UserName=user)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        return cls(client, key["AccessKeyId"], key["SecretAccessKey"])

    def call(self, path: str, *arguments: str) -> Response:
        signing = self.client.signing(self.access_key_id, self.secret)
        token = ["-H", f"x-amz-security-token: {self.token}"] if self.token else []
        return request(self.client.outputs["apiUrl"] + path, *signing, *token, *arguments)

    def submit(self) -> str:
        status, response = self.call("/zip-jobs", "-d", BODY)
        assert status == 202, response
        job_id: str = response["jobId"]
        return job_id

    def listed(self) -> set[str]:
        """Return the job IDs on the first page of the list, which contains the newest jobs."""
        status, response = self.call("/zip-jobs?limit=100")
        assert status == 200, response
        return {job["jobId"] for job in response["jobs"]}


@pytest.mark.parametrize("path", PATHS)
def test_an_unsigned_request_is_refused(client: Client, path: str) -> None:
    before = len(client.log)
    assert request(client.outputs["apiUrl"] + path) == FORBIDDEN
    assert any("Missing Authentication Token" in line for line in client.log[before:])


@pytest.mark.parametrize(
    ("access_key_id", "secret", "reason"),
    [
        ("local", "guessed", "signature we calculated does not match"),
        ("AKIANOBODY", "local", "security token included in the request is invalid"),
    ],
)
def test_wrong_secret_and_unknown_key_are_refused(
    client: Client, access_key_id: str, secret: str, reason: str
) -> None:
    before = len(client.log)
    assert User(client, access_key_id, secret).call("/zip-jobs", "-d", BODY) == FORBIDDEN
    assert any(reason in line for line in client.log[before:])


def test_an_old_date_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    url = client.outputs["apiUrl"] + "/zip-jobs"

    def signed_at(minutes_ago: int) -> list[str]:
        then = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        with monkeypatch.context() as patch:
            patch.setattr(botocore.auth, "get_current_datetime", lambda: then)
            headers = signed_headers("GET", url, None, client.outputs["region"])
        return [
            argument for pair in headers.items() for argument in ("-H", f"{pair[0]}: {pair[1]}")
        ]

    assert request(url, *signed_at(minutes_ago=4))[0] == 200
    before = len(client.log)
    assert request(url, *signed_at(minutes_ago=6)) == FORBIDDEN
    assert any("Signature expired" in line for line in client.log[before:])


def test_changed_body_is_refused(client: Client) -> None:
    url = client.outputs["apiUrl"] + "/zip-jobs"
    verbose = subprocess.run(
        ["curl", "-sv", "-o", os.devnull, *client.signing(), url, "-d", BODY],
        capture_output=True,
        check=True,
        text=True,
    ).stderr
    sent = [line[2:] for line in verbose.splitlines() if line.startswith("> ")]
    headers = [
        argument
        for line in sent
        if line.lower().startswith(("authorization:", "x-amz-date:"))
        for argument in ("-H", line)
    ]
    assert request(url, *headers, "-d", BODY)[0] == 202
    assert request(url, *headers, "-d", BODY.replace("none", "more")) == FORBIDDEN


def test_users_see_only_their_own_jobs(client: Client) -> None:
    ann, ben = User.create(client, "ann"), User.create(client, "ben")
    job_id = ann.submit()
    assert ann.call(f"/zip-jobs/{job_id}")[0] == 200
    assert job_id in ann.listed()
    assert job_id not in ben.listed()
    status, problem = ben.call(f"/zip-jobs/{job_id}")
    unknown, other = ben.call(f"/zip-jobs/{uuid.uuid4()}")
    assert status == unknown == 404
    assert problem["code"] == other["code"] == "JOB_NOT_FOUND"
    assert ben.call(f"/zip-jobs/{job_id}", "-X", "DELETE")[0] == 404


def test_user_with_a_deleted_key_is_refused(client: Client) -> None:
    ann = User.create(client, "ann")
    assert ann.call("/zip-jobs")[0] == 200
    iam = client.stack.client("iam")
    (user,) = [
        user["UserName"]
        for user in iam.list_users()["Users"]
        for key in iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]
        if key["AccessKeyId"] == ann.access_key_id
    ]
    iam.delete_access_key(UserName=user, AccessKeyId=ann.access_key_id)
    assert ann.call("/zip-jobs") == FORBIDDEN


def test_role_owns_its_jobs_in_every_session(client: Client) -> None:
    role = client.stack.client("iam").create_role(
        RoleName=f"auth-{uuid.uuid4()}", AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]

    def session(name: str) -> User:
        sts = client.stack.client("sts")
        found = sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
        return User(client, found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    monday, tuesday = session("monday"), session("tuesday")
    job_id = monday.submit()
    assert tuesday.call(f"/zip-jobs/{job_id}")[0] == 200
    assert User(client, "local", "local").call(f"/zip-jobs/{job_id}")[0] == 404
    tuesday.token = monday.token
    assert tuesday.call("/zip-jobs") == FORBIDDEN


def test_unknown_paths_return_404_signed_or_not(client: Client) -> None:
    url = client.outputs["apiUrl"]
    not_found = (404, {"message": "Not Found"})
    assert User(client, "local", "local").call("/nope") == not_found
    assert request(f"{url}/nope") == not_found
    assert request(f"{url}/zip-jobs", "-X", "OPTIONS") == not_found
