"""The job table: its key, indexes, expiry and billing."""

from tests.infra.conftest import Declared
from zipjobs.jobs.table import OWNER_INDEX, UNFINISHED_INDEX


def test_the_table_has_indexes_by_owner_and_by_heartbeat(program: Declared) -> None:
    """The list of jobs can be filtered by status, so its index contains the status."""
    (table,) = program.of("dynamodb/table:Table").values()
    assert table.inputs["hashKey"] == "jobId"
    assert table.inputs["globalSecondaryIndexes"] == [
        {
            "name": UNFINISHED_INDEX,
            "keySchemas": [
                {"attributeName": "sweep", "keyType": "HASH"},
                {"attributeName": "sweepAt", "keyType": "RANGE"},
            ],
            "projectionType": "KEYS_ONLY",
        },
        {
            "name": OWNER_INDEX,
            "keySchemas": [
                {"attributeName": "owner", "keyType": "HASH"},
                {"attributeName": "listKey", "keyType": "RANGE"},
            ],
            "projectionType": "INCLUDE",
            "nonKeyAttributes": ["status"],
        },
    ]
    types = {one["name"]: one["type"] for one in table.inputs["attributes"]}
    assert types == {"jobId": "S", "sweep": "S", "sweepAt": "N", "owner": "S", "listKey": "S"}


def test_records_expire(program: Declared) -> None:
    (table,) = program.of("dynamodb/table:Table").values()
    assert table.inputs["ttl"] == {"attributeName": "expiresAt", "enabled": True}


def test_the_table_is_billed_per_request(program: Declared) -> None:
    """A million jobs at once are not throttled by provisioned capacity."""
    (table,) = program.of("dynamodb/table:Table").values()
    assert table.inputs["billingMode"] == "PAY_PER_REQUEST"
    assert not {"readCapacity", "writeCapacity"} & set(table.inputs)
