"""The job table: how jobs are found, what the indexes hold, and what it costs at rest."""

from tests.infra.conftest import Declared
from zipjobs.jobs.table import OWNER_INDEX, SWEEP_INDEX


def test_the_table_has_indexes_by_owner_and_by_heartbeat(program: Declared) -> None:
    """The reconciler needs ids. A list also asks for one status, which the index then has: what it
    has not cannot be asked for.
    """
    (table,) = program.of("dynamodb/table:Table").values()
    assert table.inputs["hashKey"] == "jobId"
    assert table.inputs["globalSecondaryIndexes"] == [
        {
            "name": SWEEP_INDEX,
            "hashKey": "sweep",
            "rangeKey": "sweepAt",
            "projectionType": "KEYS_ONLY",
        },
        {
            "name": OWNER_INDEX,
            "hashKey": "owner",
            "rangeKey": "listKey",
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
    """Nor does one that a million jobs arrive at throttle them."""
    (table,) = program.of("dynamodb/table:Table").values()
    assert table.inputs["billingMode"] == "PAY_PER_REQUEST"
    assert not {"readCapacity", "writeCapacity"} & set(table.inputs)
