"""The cost in receipts."""

import json
from typing import Any

from tests.e2e.stack import Client

MIB = 1024 * 1024


def costs(client: Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    bucket = job["targetBucket"]
    return [
        json.loads(client.s3.get_object(Bucket=bucket, Key=one["receiptKey"])["Body"].read())[
            "cost"
        ]
        for one in job["archives"]
    ]


def test_the_cost_of_a_small_job(client: Client) -> None:
    prefix = client.put_sources({f"{n}.bin": b"x" * 1000 for n in range(5)})
    (cost,) = costs(client, client.finished(client.post({"prefix": prefix})))
    requests = cost["requests"]
    assert requests["s3:GetObject"] >= 5 + 1  # one for the request
    assert requests["s3:UploadPart"] == requests["s3:CompleteMultipartUpload"] == 1
    assert requests["dynamodb:UpdateItem"] >= 1
    assert cost["region"] == "us-east-1"
    assert cost["gbSeconds"] > 0
    assert cost["usd"] > 2 * 5e-6


def test_each_archive_of_a_large_job_has_its_own_cost(client: Client) -> None:
    prefix = client.put_sources({f"{n}.bin": bytes(40 * MIB) for n in range(2)})
    job = client.finished(client.post({"prefix": prefix, "maxArchiveBytes": 64 * MIB}))
    found = costs(client, job)
    assert len(found) == 2
    for cost in found:
        assert cost["requests"]["s3:UploadPartCopy"] >= 1
        # Two segments that finish at the same time may both complete the upload.
        assert cost["requests"]["s3:CompleteMultipartUpload"] >= 1
    assert "s3:CreateMultipartUpload" in found[0]["requests"]  # by the planner
    assert "s3:CreateMultipartUpload" not in found[1]["requests"]
