"""Who may call the API, and whose jobs they see."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest

from tests.e2e.stack import Client, curl, local_up
from tests.support.issuer import AUDIENCE, Issuer, new_key, running_issuer
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

Answer = tuple[int, Any]


def brief(answer: tuple[int, dict[str, str], Any]) -> Answer:
    """Status and body of what curl returned."""
    status, _, body = answer
    return status, body


# Signed requests: the stack that all tests share.


@dataclass
class Person:
    """Somebody with an access key, and perhaps with a session's token."""

    client: Client
    access_key_id: str
    secret: str
    token: str | None = None

    @classmethod
    def made(cls, client: Client, name: str) -> "Person":
        """A new user of IAM."""
        iam = client.stack.client("iam")
        user = f"{name}-{uuid.uuid4()}"
        iam.create_user(UserName=user)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        return cls(client, key["AccessKeyId"], key["SecretAccessKey"])

    def call(self, path: str, *arguments: str) -> Answer:
        signing = self.client.signing(self.access_key_id, self.secret)
        token = ["-H", f"x-amz-security-token: {self.token}"] if self.token else []
        return brief(curl(self.client.outputs["apiUrl"] + path, *signing, *token, *arguments))

    def submit(self) -> str:
        status, answer = self.call("/zip-jobs", "-d", BODY)
        assert status == 202, answer
        job_id: str = answer["jobId"]
        return job_id

    def listed(self) -> set[str]:
        """The ids on the first page of the list: newest first, so new jobs are there."""
        status, answer = self.call("/zip-jobs?limit=100")
        assert status == 200, answer
        return {job["jobId"] for job in answer["jobs"]}


@pytest.mark.parametrize("path", PATHS)
def test_an_unsigned_request_is_refused(client: Client, path: str) -> None:
    before = len(client.log)
    assert brief(curl(client.outputs["apiUrl"] + path)) == FORBIDDEN
    assert any("Missing Authentication Token" in line for line in client.log[before:])


@pytest.mark.parametrize(
    ("access_key_id", "secret", "why"),
    [
        ("local", "guessed", "signature we calculated does not match"),
        ("AKIANOBODY", "local", "security token included in the request is invalid"),
    ],
)
def test_wrong_secret_and_unknown_key_are_refused(
    client: Client, access_key_id: str, secret: str, why: str
) -> None:
    before = len(client.log)
    assert Person(client, access_key_id, secret).call("/zip-jobs", "-d", BODY) == FORBIDDEN
    assert any(why in line for line in client.log[before:])


def test_an_old_date_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    url = client.outputs["apiUrl"] + "/zip-jobs"

    def headers_signed(minutes_ago: int) -> list[str]:
        then = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        with monkeypatch.context() as patch:
            patch.setattr(botocore.auth, "get_current_datetime", lambda: then)
            headers = signed_headers("GET", url, None, client.outputs["region"])
        return [
            argument for pair in headers.items() for argument in ("-H", f"{pair[0]}: {pair[1]}")
        ]

    assert curl(url, *headers_signed(minutes_ago=4))[0] == 200
    before = len(client.log)
    assert brief(curl(url, *headers_signed(minutes_ago=6))) == FORBIDDEN
    assert any("Signature expired" in line for line in client.log[before:])


def test_changed_body_is_refused(client: Client) -> None:
    url = client.outputs["apiUrl"] + "/zip-jobs"
    shown = subprocess.run(
        ["curl", "-sv", "-o", os.devnull, *client.signing(), url, "-d", BODY],
        capture_output=True,
        check=True,
        text=True,
    ).stderr
    sent = [line[2:] for line in shown.splitlines() if line.startswith("> ")]
    headers = [
        argument
        for line in sent
        if line.lower().startswith(("authorization:", "x-amz-date:"))
        for argument in ("-H", line)
    ]
    assert brief(curl(url, *headers, "-d", BODY))[0] == 202
    assert brief(curl(url, *headers, "-d", BODY.replace("none", "more"))) == FORBIDDEN


def test_users_see_only_their_own_jobs(client: Client) -> None:
    ann, ben = Person.made(client, "ann"), Person.made(client, "ben")
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
    ann = Person.made(client, "ann")
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

    def session(name: str) -> Person:
        answer = client.stack.client("sts").assume_role(RoleArn=role, RoleSessionName=name)
        made = answer["Credentials"]
        return Person(client, made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    monday, tuesday = session("monday"), session("tuesday")
    job_id = monday.submit()
    assert tuesday.call(f"/zip-jobs/{job_id}")[0] == 200
    assert Person(client, "local", "local").call(f"/zip-jobs/{job_id}")[0] == 404
    tuesday.token = monday.token
    assert tuesday.call("/zip-jobs") == FORBIDDEN


def test_unknown_paths_return_404_signed_or_not(client: Client) -> None:
    url = client.outputs["apiUrl"]
    not_found = (404, {"message": "Not Found"})
    assert brief(client.curl("/nope")) == not_found
    assert brief(curl(f"{url}/nope")) == not_found
    assert brief(curl(f"{url}/zip-jobs", "-X", "OPTIONS")) == not_found


# Other settings: stacks of their own, as a person starts them.


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer")) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def jwt_url(issuer: Issuer) -> Iterator[str]:
    settings = (
        "apiAuth=jwt",
        f"apiJwtIssuer={issuer.url}",
        f'apiJwtAudience=["{AUDIENCE}"]',
        'apiCorsOrigins=["https://app.example.com"]',
    )
    with local_up(*settings, environment={"SSL_CERT_FILE": str(issuer.certificate)}) as (out, _):
        assert out["apiAuth"] == "jwt"
        yield out["apiUrl"]


def bearing(token: str) -> tuple[str, str]:
    return "-H", f"Authorization: Bearer {token}"


def test_token_subject_owns_the_job(jwt_url: str, issuer: Issuer) -> None:
    ann, ben = bearing(issuer.token(sub="ann")), bearing(issuer.token(sub="ben"))
    status, answer = brief(curl(f"{jwt_url}/zip-jobs", *ann, "-d", BODY))
    assert status == 202, answer
    job = f"{jwt_url}/zip-jobs/{answer['jobId']}"
    assert curl(job, *ann)[0] == 200
    assert curl(job, *ben)[0] == 404
    assert curl(job, "-H", f"Authorization: {issuer.token(sub='ann')}")[0] == 200


@pytest.mark.parametrize("path", PATHS)
def test_request_without_token_gets_401(jwt_url: str, path: str) -> None:
    status, headers, body = curl(jwt_url + path)
    assert (status, body) == (401, {"message": "Unauthorized"})
    assert headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1}, "the token has expired"),
        ({"aud": "somebody"}, "the token does not have a valid audience"),
        ({"iss": "https://login.example.com"}, "the token does not have a valid issuer"),
        ({"key": new_key()}, "the token's signature is not valid"),
    ],
)
def test_invalid_token_gets_401_with_the_reason(
    jwt_url: str, issuer: Issuer, claims: dict[str, Any], why: str
) -> None:
    status, headers, body = curl(f"{jwt_url}/zip-jobs", *bearing(issuer.token(**claims)))
    assert (status, body) == (401, {"message": "Unauthorized"})
    assert headers["www-authenticate"] == (
        f'Bearer scope="" error="invalid_token" error_description="{why}"'
    )


def test_allowed_origin_gets_cors_headers(jwt_url: str, issuer: Issuer) -> None:
    origin = ("-H", "Origin: https://app.example.com")
    asks = ("-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST")
    status, headers, _ = curl(f"{jwt_url}/zip-jobs", *origin, *asks)
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert "POST" in headers["access-control-allow-methods"].split(",")
    allowed = headers["access-control-allow-headers"].split(",")
    assert {"authorization", "content-type", "idempotency-key"} <= set(allowed)
    status, headers, _ = curl(f"{jwt_url}/zip-jobs", *origin, *bearing(issuer.token()), "-d", BODY)
    assert status == 202
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert "location" in headers["access-control-expose-headers"].split(",")
    status, headers, _ = curl(f"{jwt_url}/zip-jobs", "-H", "Origin: https://evil.example", *asks)
    assert status == 204
    assert not any(name.startswith("access-control") for name in headers)


def test_api_auth_none_allows_everyone_and_warns() -> None:
    with local_up("apiAuth=none", "apiDocs=false") as (outputs, said):
        assert outputs["apiAuth"] == "none"
        status, answer = brief(curl(f"{outputs['apiUrl']}/zip-jobs", "-d", BODY))
        assert status == 202, answer
        assert curl(f"{outputs['apiUrl']}/zip-jobs/{answer['jobId']}")[0] == 200
        assert curl(f"{outputs['apiUrl']}/docs")[0] == 404
        assert curl(f"{outputs['apiUrl']}/openapi.json")[0] == 404
    assert "apiAuth is none: anyone who knows the API's URL can submit jobs" in said[0]


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("apiAuth=open", 'Setting apiAuth is "open", but it must be iam, jwt or none.'),
        ("apiAuth", "'apiAuth' must have the form NAME=VALUE"),
    ],
)
def test_invalid_setting_is_reported(setting: str, complaint: str) -> None:
    with local_up(setting) as (outputs, said):
        assert outputs == {}
    assert complaint in " ".join(said[0].split())
    assert "Traceback" not in said[0]
