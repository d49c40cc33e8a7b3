"""``smoke`` as a person types it, against the embedded AWS."""

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.e2e.cli.command import typed
from tests.e2e.stack import Client


def test_a_good_stack_passes_and_it_is_told_that_s3_copies(client: Client) -> None:
    done = typed(client, "smoke", "--json")
    assert (done.code, done.err) == (0, ""), done.out
    assert (done.json["isGood"], done.json["s3Copies"]) == (True, True)
    assert [job["trigger"] for job in done.json["jobs"]] == ["api", "manifest"]
    assert {job["status"] for job in done.json["jobs"]} == {"READY"}
    bucket = client.outputs["sourceBucket"]
    assert client.s3.list_objects_v2(Bucket=bucket, Prefix="smoke/")["KeyCount"] == 0


def test_where_s3_does_not_copy_the_stack_passes_too_and_it_is_told(
    client: Client, faults: FaultInjector
) -> None:
    refused = "{code: AccessDenied, status: 403}"
    plan = f"faults: [{{caller: zipper, operation: UploadPartCopy, error: {refused}}}]"
    faults.install(FaultPlan.parse(plan))
    done = typed(client, "smoke")
    assert done.code == 0, done.out + done.err
    assert "Both archives match their receipts." in done.out
    assert "S3 copied nothing" in done.out


def test_a_job_that_fails_is_told_with_its_reason(client: Client, faults: FaultInjector) -> None:
    plan = "faults: [{caller: zipper, operation: GetObject, key: '*/small.bin', "
    faults.install(FaultPlan.parse(plan + "error: {code: AccessDenied, status: 403}}]"))
    done = typed(client, "smoke")
    assert done.code == 1
    assert "SOURCE_FORBIDDEN: " in done.out
