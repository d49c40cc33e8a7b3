"""Creates DynamoDB tables and KMS keys."""

from collections.abc import Mapping
from typing import Any

from local.deployment.types.inputs import index_parameters, table_encryption
from local.deployment.types.resource_type import Created, Inputs, ResourceType


class TableResources:
    """``dynamodb`` and ``kms`` are clients."""

    def __init__(self, dynamodb: Any, kms: Any) -> None:
        self._dynamodb = dynamodb
        self._kms = kms
        self.types: Mapping[str, ResourceType] = {
            "aws:dynamodb/table:Table": ResourceType(
                create=self._create_table,
                update=self._update_table,
                delete=lambda name, properties: dynamodb.delete_table(TableName=name),
                read=lambda name, properties: dynamodb.describe_table(TableName=name),
            ),
            "aws:kms/key:Key": ResourceType(
                create=self._create_key,
                update=self._update_key,
                delete=lambda key_id, properties: kms.schedule_key_deletion(
                    KeyId=key_id, PendingWindowInDays=int(properties["deletionWindowInDays"])
                ),
                read=self._read_key,
            ),
            "aws:kms/alias:Alias": ResourceType(
                create=self._create_alias,
                update=lambda name, old, new: kms.update_alias(
                    AliasName=name, TargetKeyId=new["targetKeyId"]
                ),
                delete=lambda name, properties: kms.delete_alias(AliasName=name),
                read=lambda name, properties: kms.describe_key(KeyId=name),
            ),
        }

    def _create_table(self, inputs: Inputs) -> Created:
        table = inputs["name"]
        indexes = [index_parameters(index) for index in inputs.get("globalSecondaryIndexes", [])]
        response = self._dynamodb.create_table(
            TableName=table,
            BillingMode=inputs["billingMode"],
            KeySchema=[{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}],
            AttributeDefinitions=_attributes(inputs),
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
            DeletionProtectionEnabled=inputs.get("deletionProtectionEnabled", False),
            **table_encryption(inputs.get("serverSideEncryption")),
        )
        self._put_backups(table, inputs)
        if inputs.get("ttl"):
            self._put_ttl(table, inputs["ttl"])
        return table, {"arn": response["TableDescription"]["TableArn"]}

    def _update_table(self, table: str, old: Inputs, new: Inputs) -> None:
        self._dynamodb.update_table(
            TableName=table, DeletionProtectionEnabled=new.get("deletionProtectionEnabled", False)
        )
        if new.get("serverSideEncryption") != old.get("serverSideEncryption"):
            encryption = table_encryption(new.get("serverSideEncryption"))
            self._dynamodb.update_table(
                TableName=table, **(encryption or {"SSESpecification": {"Enabled": False}})
            )
        if new.get("pointInTimeRecovery") != old.get("pointInTimeRecovery"):
            self._put_backups(table, new)
        if new.get("ttl") and new["ttl"] != old.get("ttl"):
            self._put_ttl(table, new["ttl"])
        self._update_indexes(table, old, new)

    def _update_indexes(self, table: str, old: Inputs, new: Inputs) -> None:
        """Delete and create indexes, one after the other, as DynamoDB requires."""
        before, after = (
            {index["name"]: index for index in inputs.get("globalSecondaryIndexes", [])}
            for inputs in (old, new)
        )
        changed = [name for name in before | after if before.get(name) != after.get(name)]
        for name in changed:
            if name in before:
                self._update_index(table, new, {"Delete": {"IndexName": name}})
        for name in changed:
            if name in after:
                self._update_index(table, new, {"Create": index_parameters(after[name])})

    def _update_index(self, table: str, inputs: Inputs, update: Mapping[str, Any]) -> None:
        self._dynamodb.update_table(
            TableName=table,
            AttributeDefinitions=_attributes(inputs),
            GlobalSecondaryIndexUpdates=[update],
        )

    def _put_backups(self, table: str, inputs: Inputs) -> None:
        enabled = inputs.get("pointInTimeRecovery", {}).get("enabled", False)
        self._dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled},
        )

    def _put_ttl(self, table: str, ttl: Mapping[str, Any]) -> None:
        self._dynamodb.update_time_to_live(
            TableName=table,
            TimeToLiveSpecification={
                "Enabled": ttl["enabled"],
                "AttributeName": ttl["attributeName"],
            },
        )

    def _create_key(self, inputs: Inputs) -> Created:
        key = self._kms.create_key(Policy=inputs["policy"], Description=inputs["description"])
        metadata = key["KeyMetadata"]
        self._put_rotation(metadata["KeyId"], inputs)
        return metadata["KeyId"], {"keyId": metadata["KeyId"], "arn": metadata["Arn"]}

    def _update_key(self, key_id: str, old: Inputs, new: Inputs) -> None:
        self._kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=new["policy"])
        self._kms.update_key_description(KeyId=key_id, Description=new["description"])
        self._put_rotation(key_id, new)

    def _put_rotation(self, key_id: str, inputs: Inputs) -> None:
        if inputs.get("enableKeyRotation"):
            self._kms.enable_key_rotation(KeyId=key_id)
        else:
            self._kms.disable_key_rotation(KeyId=key_id)

    def _read_key(self, key_id: str, properties: Inputs) -> None:
        if self._kms.describe_key(KeyId=key_id)["KeyMetadata"].get("DeletionDate"):
            raise KeyError(key_id)

    def _create_alias(self, inputs: Inputs) -> Created:
        self._kms.create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return inputs["name"], {}


def _attributes(inputs: Inputs) -> list[dict[str, str]]:
    return [
        {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
        for attribute in inputs["attributes"]
    ]
