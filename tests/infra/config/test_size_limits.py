"""Lists that make a policy or an environment too large stop the program."""

from dataclasses import replace

import pytest

from infra.config.settings import InvalidSetting
from infra.config.size_limits import fitting_environment, fitting_policy
from local.errors import LocalError
from tests.infra.config.valid import VALID
from tools.declared import declared

PLACES = tuple(f"documents-of-customer-{n}/2026/" for n in range(150))
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-123456789"


def test_a_policy_longer_than_iam_allows_is_refused() -> None:
    longest = "x" * 10_240
    assert fitting_policy(VALID, f" {longest}\n") == f" {longest}\n"
    with pytest.raises(InvalidSetting, match="role have 10,241 characters. IAM allows 10,240"):
        fitting_policy(VALID, longest, "x")


def test_an_environment_larger_than_lambda_allows_is_refused() -> None:
    """In JSON, a quote is two characters."""
    used = len('{"LIST":"[\\"\\"]"}')
    longest = {"LIST": '["' + "x" * (4096 - used) + '"]'}
    assert fitting_environment(VALID, longest) == longest
    with pytest.raises(InvalidSetting, match="environment has 4,097 bytes. Lambda allows 4,096"):
        fitting_environment(VALID, {"LISTS": longest["LIST"]})
    with pytest.raises(InvalidSetting, match="environment has 4,098 bytes"):
        fitting_environment(VALID, {"LIST": longest["LIST"].replace("xx", "éé", 1)})


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("allowed_sources", "allowedSources"),
        ("allowed_targets", "allowedTargets"),
        ("source_kms_key_arns", "sourceKmsKeyArns"),
        ("target_kms_key_arns", "targetKmsKeyArns"),
    ],
)
def test_the_error_about_a_long_policy_names_the_longest_list(field: str, name: str) -> None:
    some = replace(VALID, allowed_sources=PLACES[:1], bucket_owners=PLACES)
    with pytest.raises(
        InvalidSetting, match=f"^Setting {name} is .* but it must be shorter: together with"
    ):
        fitting_policy(replace(some, **{field: PLACES[:9]}), "x" * 11_000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("allowed_sources", "allowedSources"),
        ("allowed_targets", "allowedTargets"),
        ("bucket_owners", "bucketOwners"),
    ],
)
def test_the_error_about_an_environment_names_the_longest_list(field: str, name: str) -> None:
    some = replace(VALID, allowed_targets=PLACES[:1], source_kms_key_arns=PLACES)
    with pytest.raises(
        InvalidSetting, match=f"^Setting {name} is .* but it must be shorter: together with"
    ):
        fitting_environment(
            replace(some, **{field: PLACES[:9]}),  # type: ignore[arg-type]
            {"LIST": "x" * 5000},
        )


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"allowedTargets": list(PLACES[:75])}, "allowedTargets is .*the policies of a role have"),
        (
            {"sourceKmsKeyArns": [f"{KEY}{n:03}" for n in range(50)]},
            "sourceKmsKeyArns is .*the policies of a role have",
        ),
        (
            {
                "allowedSources": [place.partition("/")[0] for place in PLACES[:70]],
                "bucketOwners": [
                    f"{place.partition('/')[0]}=111122223333" for place in PLACES[:70]
                ],
            },
            "bucketOwners is .*a function's environment has",
        ),
    ],
)
def test_lists_that_are_too_long_stop_the_program(
    settings: dict[str, list[str]], complaint: str
) -> None:
    with pytest.raises(LocalError, match=complaint):
        declared("dev", settings)
    declared("dev", {name: some[:20] for name, some in settings.items()})


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"targetPrefix": '"' * 880 + "/"}, "targetPrefix is .* a function's environment has"),
        ({"manifestPrefix": "\\" * 880 + "/"}, "manifestPrefix is .* EventBridge allows 2,048"),
    ],
)
def test_the_encoded_form_of_a_prefix_counts(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(LocalError, match=complaint):
        declared("dev", settings)


def test_a_long_prefix_of_other_characters_than_ascii_is_accepted() -> None:
    declared("dev", {"targetPrefix": "ü" * 449 + "/", "manifestPrefix": "ü" * 449 + "/"})
