"""Authorization with JSON Web Tokens, and CORS, on a separate stack."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.api.test_signatures import BODY, PATHS, request
from tests.e2e.stack import curl, local_up
from tests.support.issuer import AUDIENCE, Issuer, new_key, running_issuer


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
    with local_up(*settings, environment={"SSL_CERT_FILE": str(issuer.certificate)}) as client:
        assert client.outputs["apiAuth"] == "jwt"
        yield client.outputs["apiUrl"]


def bearer(token: str) -> tuple[str, str]:
    return "-H", f"Authorization: Bearer {token}"


def test_token_subject_owns_the_job(jwt_url: str, issuer: Issuer) -> None:
    ann, ben = bearer(issuer.token(sub="ann")), bearer(issuer.token(sub="ben"))
    status, accepted = request(f"{jwt_url}/zip-jobs", *ann, "-d", BODY)
    assert status == 202, accepted
    job = f"{jwt_url}/zip-jobs/{accepted['jobId']}"
    assert curl(job, *ann)[0] == 200
    assert curl(job, *ben)[0] == 404
    assert curl(job, "-H", f"Authorization: {issuer.token(sub='ann')}")[0] == 200


@pytest.mark.parametrize("path", PATHS)
def test_request_without_token_gets_401(jwt_url: str, path: str) -> None:
    status, headers, body = curl(jwt_url + path)
    assert (status, body) == (401, {"message": "Unauthorized"})
    assert headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1}, "the token has expired"),
        ({"aud": "another-audience"}, "the token does not have a valid audience"),
        ({"iss": "https://login.example.com"}, "the token does not have a valid issuer"),
        ({"key": new_key()}, "the token's signature is not valid"),
    ],
)
def test_invalid_token_gets_401_with_the_reason(
    jwt_url: str, issuer: Issuer, claims: dict[str, Any], reason: str
) -> None:
    status, headers, body = curl(f"{jwt_url}/zip-jobs", *bearer(issuer.token(**claims)))
    assert (status, body) == (401, {"message": "Unauthorized"})
    assert headers["www-authenticate"] == (
        f'Bearer scope="" error="invalid_token" error_description="{reason}"'
    )


def test_allowed_origin_gets_cors_headers(jwt_url: str, issuer: Issuer) -> None:
    origin = ("-H", "Origin: https://app.example.com")
    preflight = ("-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST")
    status, headers, _ = curl(f"{jwt_url}/zip-jobs", *origin, *preflight)
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert "POST" in headers["access-control-allow-methods"].split(",")
    allowed = headers["access-control-allow-headers"].split(",")
    assert {"authorization", "content-type", "idempotency-key"} <= set(allowed)
    status, headers, _ = curl(f"{jwt_url}/zip-jobs", *origin, *bearer(issuer.token()), "-d", BODY)
    assert status == 202
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert "location" in headers["access-control-expose-headers"].split(",")
    status, headers, _ = curl(
        f"{jwt_url}/zip-jobs", "-H", "Origin: https://evil.example", *preflight
    )
    assert status == 204
    assert not any(name.startswith("access-control") for name in headers)
