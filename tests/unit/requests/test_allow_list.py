import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.errors import InvalidRequest, NotAllowed
from zipjobs.requests.allow_list import AllowList, Location
from zipjobs.requests.schema import JobRequest, RequestedEntry

POLICY = AllowList(
    source_bucket="src",
    target_bucket="dst",
    target_prefix="zips/",
    allowed_sources=(Location("src"), Location("shared", "public/")),
    allowed_targets=(Location("dst", "zips/"),),
)


def test_default_locations_come_from_the_configuration() -> None:
    destination = POLICY.resolve(JobRequest(keys=("a.pdf",)), "job-1")
    assert destination.source_bucket == "src"
    assert (destination.target_bucket, destination.target_key) == ("dst", "zips/job-1.zip")


@pytest.mark.parametrize("prefix", ["zips/client", "zips/client/"])
def test_the_slash_after_a_target_prefix_is_optional(prefix: str) -> None:
    request = JobRequest(keys=("a.pdf",), target_prefix=prefix)
    assert POLICY.resolve(request, "job-1").target_key == "zips/client/job-1.zip"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("q3-invoices", "q3-invoices.zip"),
        ("q3-invoices.zip", "q3-invoices.zip"),
        ("Q3.ZIP", "Q3.zip"),
        ("Rechnungen für Q3", "Rechnungen für Q3.zip"),
        ("fu\u0308r", "für.zip"),
        ("..", "_.zip"),
        (".zip", "_.zip"),
        ("con.zip", "_con.zip"),
        ("a\u202eb", "a_b.zip"),
        ("q3. .zip", "q3.zip"),
    ],
)
def test_a_named_archive_is_in_a_folder_of_its_job(name: str, file: str) -> None:
    request = JobRequest(keys=("a.pdf",), archive_name=name)
    assert POLICY.resolve(request, "job-1").target_key == f"zips/job-1/{file}"


ANYTHING = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], exclude_characters="/\\"),
    min_size=1,
    max_size=40,
)


@given(st.none() | ANYTHING, st.none() | ANYTHING)
def test_keys_of_different_jobs_never_collide(one: str | None, other: str | None) -> None:
    """The output of a job is found by the prefix of its archive's key."""
    mine = POLICY.resolve(JobRequest(keys=("a",), archive_name=one), "0f0e").target_key
    theirs = POLICY.resolve(JobRequest(keys=("a",), archive_name=other), "0f0f").target_key
    assert mine.startswith("zips/0f0e")
    assert not theirs.startswith(mine.removesuffix(".zip"))
    assert not mine.startswith(theirs.removesuffix(".zip"))


def test_an_archive_key_that_is_too_long_is_rejected() -> None:
    request = JobRequest(keys=("a",), target_prefix="zips/" + "x" * 895, archive_name="y" * 200)
    with pytest.raises(InvalidRequest, match="is 100 bytes too long for S3. Shorten") as caught:
        POLICY.resolve(request, "job-1")
    assert caught.value.problems[0].pointer == "#/archiveName"
    shorter = JobRequest(keys=("a",), target_prefix="zips/" + "x" * 895, archive_name="y" * 100)
    assert len(POLICY.resolve(shorter, "job-1").target_key) == 1024 - len("-001.receipt.json") + 4


@pytest.mark.parametrize(
    "request_",
    [
        JobRequest(keys=("a.pdf",), source_bucket="other"),
        JobRequest(keys=("public/a.pdf", "private/b.pdf"), source_bucket="shared"),
        JobRequest(entries=(RequestedEntry("a.pdf"), RequestedEntry("a.pdf", "other"))),
        JobRequest(entries=(RequestedEntry("private/b.pdf"),), source_bucket="shared"),
        JobRequest(prefix="", source_bucket="shared"),
        JobRequest(prefix="pub", source_bucket="shared"),
        JobRequest(prefix="a/", source_bucket="other"),
        JobRequest(entries_from="s3://other/list.jsonl"),
        JobRequest(entries_from="s3://shared/private/list.jsonl"),
        JobRequest(keys=("a.pdf",), target_bucket="src"),
        JobRequest(keys=("a.pdf",), target_prefix=""),
        JobRequest(keys=("a.pdf",), target_prefix="zipsy/"),
        JobRequest(keys=("a.pdf",), target_prefix="manifests/"),
        JobRequest(keys=("a.pdf",), target_prefix="", archive_name="zips"),
    ],
)
def test_locations_outside_the_allow_list_are_rejected(request_: JobRequest) -> None:
    with pytest.raises(NotAllowed, match="is not allowed. This stack allows"):
        POLICY.resolve(request_, "job-1")


@pytest.mark.parametrize(
    "request_",
    [
        JobRequest(keys=("public/a.pdf",), source_bucket="shared"),
        JobRequest(entries=(RequestedEntry("public/a.pdf"),), source_bucket="shared"),
        JobRequest(prefix="public/", source_bucket="shared"),
        JobRequest(prefix="public/q3", source_bucket="shared"),
        JobRequest(entries_from="s3://shared/public/list.jsonl", source_bucket="shared"),
    ],
)
def test_locations_below_an_allowed_prefix_are_accepted(request_: JobRequest) -> None:
    assert POLICY.resolve(request_, "job-1").source_bucket == "shared"


def test_a_request_can_use_several_allowed_buckets() -> None:
    entries = (RequestedEntry("a.pdf"), RequestedEntry("public/a.pdf", "shared"))
    assert POLICY.resolve(JobRequest(entries=entries), "job-1").source_bucket == "src"


def test_a_location_is_a_bucket_with_an_optional_prefix() -> None:
    assert Location.parse("bucket") == Location("bucket", "")
    assert Location.parse("bucket/a/b") == Location("bucket", "a/b")
