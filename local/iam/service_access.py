"""What AWS services may do for functions: invoke them, assume their roles, poll, write logs."""

from collections.abc import Callable
from typing import Any

from local.deployment.declarations import DeclaredFunction
from local.errors import LocalError
from local.iam.evaluation import Access, Principal
from local.iam.event_delivery import EVENT_BRIDGE
from local.iam.kms_actions import kms_accesses_of_logs
from local.iam.permissions import Permissions
from local.runtime.execution import InvocationFailed, LogSink
from local.runtime.functions import Function

API_GATEWAY = Principal("apigateway.amazonaws.com")
LAMBDA = Principal("lambda.amazonaws.com")

STAGE = "$default"

POLLING_ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
"""What an event source mapping requires: "Using Lambda with Amazon SQS", Lambda Developer Guide."""


class ServiceInvoker:
    """Invokes a function for an AWS service, if the function's policy allows it.

    ``source_of`` returns the ARN of the service's resource that an event is sent for.
    """

    def __init__(
        self,
        service: Principal,
        function: Function,
        function_arn: str,
        source_of: Callable[[Any], str],
        permissions: Permissions,
    ) -> None:
        self._service = service
        self._function = function
        self._arn = function_arn
        self._source_of = source_of
        self._permissions = permissions

    def invoke(self, event: Any) -> Any:
        """Run the function on ``event``. Raises InvocationFailed, also if it is not allowed."""
        access = Access.on_behalf_of(
            self._source_of(event), "lambda:InvokeFunction", self._arn, self._permissions.account
        )
        request = f"invokes {self._function.declared.short_name}"
        if not self._permissions.is_allowed(self._service, request, access):
            raise InvocationFailed(f"{self._service} is not allowed to invoke the function")
        return self._function.invoke(event)


class ServiceAccess:
    """The access of one region's services to functions, queues and logs."""

    def __init__(self, permissions: Permissions, region: str) -> None:
        self._permissions = permissions
        self._region = region

    def api_gateway_invoker(self, function: Function, execution_arn: str) -> ServiceInvoker:
        """Return what invokes a function for the routes of an API."""

        def route(event: Any) -> str:
            method, _, path = event["requestContext"]["routeKey"].partition(" ")
            return f"{execution_arn}/{STAGE}/{method}{path}"

        return self._invoker(API_GATEWAY, function, route)

    def event_bridge_invoker(self, function: Function, rule_arn: str) -> ServiceInvoker:
        """Return what invokes a function for a rule."""
        return self._invoker(EVENT_BRIDGE, function, lambda event: rule_arn)

    def can_assume_role(self, declared: DeclaredFunction) -> bool:
        """Return whether Lambda may assume the function's role."""
        access = Access.on_behalf_of(
            self._function_arn(declared),
            "sts:AssumeRole",
            declared.role_arn,
            self._permissions.account,
        )
        return self._permissions.is_allowed(LAMBDA, f"runs {declared.short_name}", access)

    def polling_check(self, declared: DeclaredFunction, queue_arn: str) -> Callable[[str], bool]:
        """Return a check of SQS actions that the event source mapping of a function needs.

        A mapping polls with the function's role. Raises LocalError if an action is not allowed, as
        CreateEventSourceMapping fails.
        """
        account = self._permissions.account
        role_name = declared.role_arn.rpartition("/")[2]
        session = f"arn:aws:sts::{account}:assumed-role/{role_name}/{declared.name}"
        role = Principal(session, declared.role_arn, account)

        def is_allowed(action: str) -> bool:
            access = Access(f"sqs:{action}", queue_arn, account)
            return self._permissions.is_allowed(role, f"polls for {declared.short_name}", access)

        for action in POLLING_ACTIONS:
            if not is_allowed(action):
                raise LocalError(
                    f"The execution role of {declared.name} does not have permissions to call "
                    f"{action} on {queue_arn}."
                )
        return is_allowed

    def log_writer(self, declared: DeclaredFunction, role: Principal, log: LogSink) -> LogSink:
        """Return a log that drops the lines that ``role`` may not write to CloudWatch Logs."""
        account = self._permissions.account
        group = f"arn:aws:logs:{self._region}:{account}:log-group:{declared.log_group}"
        stream = f"{group}:log-stream:{role.name.rpartition('/')[2]}"

        def is_allowed(action: str) -> bool:
            access = Access(f"logs:{action}", stream, account)
            return self._permissions.evaluate(role, "writes its log", access).allowed

        if not self._can_encrypt_logs(group) or not is_allowed("CreateLogStream"):
            return lambda function, line: None

        def write(function: str, line: str) -> None:
            if is_allowed("PutLogEvents"):
                log(function, line)

        return write

    def _can_encrypt_logs(self, group_arn: str) -> bool:
        """Return whether CloudWatch Logs may use the log group's KMS key, if it has one."""
        key = self._permissions.policy_store.kms_key(group_arn)
        accesses = kms_accesses_of_logs(group_arn, key) if key else ()
        logs = Principal(f"logs.{self._region}.amazonaws.com")
        return all(self._permissions.is_allowed(logs, "keeps a log", access) for access in accesses)

    def _invoker(
        self, service: Principal, function: Function, source_of: Callable[[Any], str]
    ) -> ServiceInvoker:
        arn = self._function_arn(function.declared)
        return ServiceInvoker(service, function, arn, source_of, self._permissions)

    def _function_arn(self, declared: DeclaredFunction) -> str:
        account = self._permissions.account
        return f"arn:aws:lambda:{self._region}:{account}:function:{declared.name}"
