"""Creates functions, their roles, permissions and event source mappings."""

import io
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.config.settings import EXECUTIONS_PER_POLLER
from local.deployment.declarations import Declarations, DeclaredFunction, DeclaredMapping
from local.deployment.types.resource_type import Created, Inputs, ResourceType


class FunctionResources:
    """``lambda_`` and ``iam`` are clients.

    ``code_folder`` returns the folder with the code of an archive: the input ``code``.
    """

    def __init__(
        self,
        lambda_: Any,
        iam: Any,
        declarations: Declarations,
        code_folder: Callable[[Any], Path],
    ) -> None:
        self._lambda = lambda_
        self._iam = iam
        self._declared = declarations
        self._code_folder = code_folder
        self._region = lambda_.meta.region_name
        mappings = declarations.mappings
        self.types: Mapping[str, ResourceType] = {
            "aws:iam/role:Role": ResourceType(
                create=self._create_role,
                update=lambda name, old, new: iam.update_assume_role_policy(
                    RoleName=name, PolicyDocument=new["assumeRolePolicy"]
                ),
                delete=lambda name, properties: iam.delete_role(RoleName=name),
                read=lambda name, properties: iam.get_role(RoleName=name),
            ),
            "aws:iam/rolePolicy:RolePolicy": ResourceType(
                create=self._create_role_policy,
                update=lambda policy_id, old, new: self._put_role_policy(new),
                delete=lambda policy_id, properties: iam.delete_role_policy(
                    RoleName=properties["role"], PolicyName=properties["name"]
                ),
                read=lambda policy_id, properties: iam.get_role_policy(
                    RoleName=properties["role"], PolicyName=properties["name"]
                ),
            ),
            "aws:lambda/function:Function": ResourceType(
                create=self._create_function,
                update=self._update_function,
                delete=self._delete_function,
                read=lambda name, properties: lambda_.get_function(FunctionName=name),
            ),
            "aws:lambda/eventSourceMapping:EventSourceMapping": ResourceType(
                create=self._create_mapping,
                update=lambda mapping_id, old, new: self._declare_mapping(mapping_id, new),
                delete=lambda mapping_id, properties: mappings.pop(mapping_id, None),
                read=lambda mapping_id, properties: mappings[mapping_id],
            ),
            "aws:lambda/permission:Permission": ResourceType(
                create=self._create_permission,
                update=lambda statement_id, old, new: None,  # every change replaces it
                delete=lambda statement_id, properties: lambda_.remove_permission(
                    FunctionName=properties["function"], StatementId=statement_id
                ),
                read=lambda statement_id, properties: lambda_.get_policy(
                    FunctionName=properties["function"]
                ),
            ),
        }

    def _create_role(self, inputs: Inputs) -> Created:
        name = inputs["name"]
        response = self._iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=inputs["assumeRolePolicy"]
        )
        return name, {"arn": response["Role"]["Arn"]}

    def _create_role_policy(self, inputs: Inputs) -> Created:
        self._put_role_policy(inputs)
        return f"{inputs['role']}:{inputs['name']}", {}

    def _put_role_policy(self, inputs: Inputs) -> None:
        self._iam.put_role_policy(
            RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
        )

    def _create_function(self, inputs: Inputs) -> Created:
        name = inputs["name"]
        response = self._lambda.create_function(
            FunctionName=name, Code={"ZipFile": _placeholder_zip()}, **_configuration(inputs)
        )
        self._declare_function(inputs)
        arn = response["FunctionArn"]
        invoke_arn = f"arn:aws:apigateway:{self._region}:lambda:path/2015-03-31/functions/{arn}"
        return name, {"arn": arn, "invokeArn": f"{invoke_arn}/invocations"}

    def _update_function(self, name: str, old: Inputs, new: Inputs) -> None:
        self._lambda.update_function_configuration(FunctionName=name, **_configuration(new))
        self._declare_function(new)

    def _declare_function(self, inputs: Inputs) -> None:
        self._declared.functions[inputs["name"]] = DeclaredFunction(
            name=inputs["name"],
            handler=inputs["handler"],
            role_arn=inputs["role"],
            timeout_seconds=int(inputs["timeout"]),
            memory_mb=int(inputs["memorySize"]),
            environment=inputs.get("environment", {}).get("variables", {}),
            log_group=inputs["loggingConfig"]["logGroup"],
            log_format=inputs["loggingConfig"]["logFormat"],
            code=self._code_folder(inputs["code"]),
        )

    def _delete_function(self, name: str, properties: Inputs) -> None:
        self._lambda.delete_function(FunctionName=name)
        self._declared.functions.pop(name, None)

    def _create_mapping(self, inputs: Inputs) -> Created:
        mapping_id = str(uuid.uuid4())
        self._declare_mapping(mapping_id, inputs)
        return mapping_id, {}

    def _declare_mapping(self, mapping_id: str, inputs: Inputs) -> None:
        self._declared.mappings[mapping_id] = DeclaredMapping(
            function_name=inputs["functionName"],
            queue_arn=inputs["eventSourceArn"],
            batch_size=int(inputs["batchSize"]),
            maximum_concurrency=_maximum_concurrency(inputs),
            reports_item_failures="ReportBatchItemFailures"
            in inputs.get("functionResponseTypes", []),
            is_provisioned="provisionedPollerConfig" in inputs,
        )

    def _create_permission(self, inputs: Inputs) -> Created:
        self._lambda.add_permission(
            FunctionName=inputs["function"],
            StatementId=inputs["statementId"],
            Action=inputs["action"],
            Principal=inputs["principal"],
            SourceArn=inputs["sourceArn"],
        )
        return inputs["statementId"], {}


def _maximum_concurrency(inputs: Inputs) -> int:
    """Return the number of concurrent invocations in standard or provisioned mode."""
    if pollers := inputs.get("provisionedPollerConfig"):
        return int(pollers["maximumPollers"]) * EXECUTIONS_PER_POLLER
    return int(inputs["scalingConfig"]["maximumConcurrency"])


def _configuration(inputs: Inputs) -> dict[str, Any]:
    return {
        "Runtime": inputs["runtime"],
        "Role": inputs["role"],
        "Handler": inputs["handler"],
        "Timeout": int(inputs["timeout"]),
        "MemorySize": int(inputs["memorySize"]),
        "Environment": {"Variables": inputs.get("environment", {}).get("variables", {})},
    }


def _placeholder_zip() -> bytes:
    """Return some code for moto to store. The functions do not run in moto."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("README", "runs outside moto")
    return buffer.getvalue()
