"""JWT authorizers accept valid tokens only."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.gateway.tokens import InvalidToken, TokenVerifier, as_strings
from tests.support.issuer import AUDIENCE, Issuer, new_key, running_issuer


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    folder: Path = tmp_path_factory.mktemp("issuer")
    with pytest.MonkeyPatch.context() as patch, running_issuer(folder) as issuer:
        patch.setenv("SSL_CERT_FILE", str(issuer.certificate))
        yield issuer


@pytest.fixture
def verifier(issuer: Issuer) -> TokenVerifier:
    return TokenVerifier(issuer.url, [AUDIENCE, "reports"])


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": "reports"},
        {"aud": ["somebody", AUDIENCE]},
        {"aud": None, "client_id": AUDIENCE},
        {"aud": AUDIENCE, "client_id": "somebody"},
        {"nbf": 0},
        {"iat": None},
    ],
)
def test_valid_token_is_accepted(
    issuer: Issuer, verifier: TokenVerifier, claims: dict[str, Any]
) -> None:
    assert verifier.verify(issuer.token(**claims))["sub"] == "ann"


@pytest.mark.parametrize("algorithm", ["RS384", "RS512"])
def test_longer_rsa_digests_are_accepted(
    issuer: Issuer, verifier: TokenVerifier, algorithm: str
) -> None:
    assert verifier.verify(issuer.token(algorithm=algorithm))["sub"] == "ann"


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"aud": "somebody"}, "valid audience"),
        ({"aud": "somebody", "client_id": AUDIENCE}, "valid audience"),
        ({"aud": None}, "valid audience"),
        ({"iss": "https://login.example.com"}, "valid issuer"),
        ({"iss": None}, "iss"),
        ({"exp": 1}, "has expired"),
        ({"exp": None}, "exp"),
        ({"nbf": 2**40}, "not valid yet"),
        ({"iat": 2**40}, "not valid yet"),
    ],
)
def test_token_with_wrong_claims_is_refused(
    issuer: Issuer, verifier: TokenVerifier, claims: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidToken, match=message):
        verifier.verify(issuer.token(**claims))


def test_token_signed_with_another_key_is_refused(issuer: Issuer, verifier: TokenVerifier) -> None:
    with pytest.raises(InvalidToken, match="signature is not valid"):
        verifier.verify(issuer.token(key=new_key()))


def test_token_with_unknown_kid_is_refused(issuer: Issuer, verifier: TokenVerifier) -> None:
    with pytest.raises(InvalidToken, match="kid"):
        verifier.verify(issuer.token(kid="second"))


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_algorithms_other_than_rsa_are_refused(
    issuer: Issuer, verifier: TokenVerifier, algorithm: str
) -> None:
    key = "a secret that is long enough for the digest" if algorithm == "HS256" else ""
    with pytest.raises(InvalidToken, match="algorithm is not supported"):
        verifier.verify(issuer.token(key=key, algorithm=algorithm))


@pytest.mark.parametrize("text", ["", "no token", "a.b.c", "é"])
def test_malformed_token_is_refused(verifier: TokenVerifier, text: str) -> None:
    with pytest.raises(InvalidToken, match="cannot be decoded"):
        verifier.verify(text)


def test_issuer_keys_are_cached(issuer: Issuer, verifier: TokenVerifier) -> None:
    issuer.requested_paths.clear()
    for _ in range(3):
        verifier.verify(issuer.token())
    assert issuer.requested_paths == ["/.well-known/openid-configuration", "/keys"]


def test_token_is_refused_if_issuer_is_unreachable(issuer: Issuer) -> None:
    nowhere = TokenVerifier("https://127.0.0.1:1", [AUDIENCE])
    with pytest.raises(InvalidToken, match="cannot be fetched"):
        nowhere.verify(issuer.token(iss="https://127.0.0.1:1"))


def test_claims_are_converted_to_strings() -> None:
    now = int(time.time())
    claims = {"sub": "ann", "iat": now, "admin": True, "groups": ["staff", "editors"]}
    assert as_strings(claims) == {
        "sub": "ann",
        "iat": str(now),
        "admin": "true",
        "groups": "[staff editors]",
    }
