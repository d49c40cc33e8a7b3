"""What AWS services do for functions, each as far as a policy lets it."""

from collections.abc import Callable
from typing import Any

from local.deployment.declarations import DeclaredFunction
from local.errors import LocalError
from local.iam.evaluation import Access, Principal
from local.iam.event_delivery import EVENT_BRIDGE
from local.iam.kms_actions import uses_by_logs
from local.iam.permissions import Permissions
from local.runtime.execution import InvocationFailed, LogSink
from local.runtime.functions import Function

API_GATEWAY = Principal("apigateway.amazonaws.com")
LAMBDA = Principal("lambda.amazonaws.com")

STAGE = "$default"

POLLS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
"""What an event source mapping does: "Using Lambda with Amazon SQS", Lambda Developer Guide."""


class ServiceInvoker:
    """Invokes a function for an AWS service, if the function's policy lets it.

    ``source_of`` says for which resource of the service an event is sent.
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
        """Run the function on ``event``. Raises InvocationFailed, also if it may not."""
        access = Access.on_behalf_of(
            self._source_of(event), "lambda:InvokeFunction", self._arn, self._permissions.account
        )
        what = f"invokes {self._function.declared.short_name}"
        if not self._permissions.may(self._service, what, access):
            raise InvocationFailed(f"{self._service} may not invoke the function")
        return self._function.invoke(event)


class Services:
    """The services of one region, at work for the functions there."""

    def __init__(self, permissions: Permissions, region: str) -> None:
        self._permissions = permissions
        self._region = region

    def api_gateway(self, function: Function, execution_arn: str) -> ServiceInvoker:
        """Invokes a function for the routes of the API of that ARN."""

        def route(event: Any) -> str:
            method, _, path = event["requestContext"]["routeKey"].partition(" ")
            return f"{execution_arn}/{STAGE}/{method}{path}"

        return self._invoker(API_GATEWAY, function, route)

    def event_bridge(self, function: Function, rule_arn: str) -> ServiceInvoker:
        """Invokes a function for a rule."""
        return self._invoker(EVENT_BRIDGE, function, lambda event: rule_arn)

    def may_run(self, declared: DeclaredFunction) -> bool:
        """Whether Lambda may run the function as its role."""
        access = Access.on_behalf_of(
            self._function_arn(declared),
            "sts:AssumeRole",
            declared.role_arn,
            self._permissions.account,
        )
        return self._permissions.may(LAMBDA, f"runs {declared.short_name}", access)

    def poller(self, declared: DeclaredFunction, queue_arn: str) -> Callable[[str], bool]:
        """Whether a function's event source mapping may do an action of SQS on its queue.

        It polls as the function's role. Raises LocalError where CreateEventSourceMapping fails.
        """
        account = self._permissions.account
        role_name = declared.role_arn.rpartition("/")[2]
        session = f"arn:aws:sts::{account}:assumed-role/{role_name}/{declared.name}"
        role = Principal(session, declared.role_arn, account)

        def may(action: str) -> bool:
            access = Access(f"sqs:{action}", queue_arn, account)
            return self._permissions.may(role, f"polls for {declared.short_name}", access)

        for action in POLLS:
            if not may(action):
                raise LocalError(
                    f"The execution role of {declared.name} does not have permissions to call "
                    f"{action} on {queue_arn}."
                )
        return may

    def log(self, declared: DeclaredFunction, role: Principal, log: LogSink) -> LogSink:
        """The log of a function that writes it as ``role``. What it may not write is lost."""
        account = self._permissions.account
        group = f"arn:aws:logs:{self._region}:{account}:log-group:{declared.log_group}"
        stream = f"{group}:log-stream:{role.name.rpartition('/')[2]}"

        def may(action: str) -> bool:
            access = Access(f"logs:{action}", stream, account)
            return self._permissions.judge(role, "writes its log", access).allowed

        if not self._may_keep(group) or not may("CreateLogStream"):
            return lambda function, line: None

        def write(function: str, line: str) -> None:
            if may("PutLogEvents"):
                log(function, line)

        return write

    def _may_keep(self, group_arn: str) -> bool:
        """Whether CloudWatch Logs may use the key of a log group."""
        key = self._permissions.holdings.key_of(group_arn)
        uses = uses_by_logs(group_arn, key) if key else ()
        logs = Principal(f"logs.{self._region}.amazonaws.com")
        return all(self._permissions.may(logs, "keeps a log", use) for use in uses)

    def _invoker(
        self, service: Principal, function: Function, source_of: Callable[[Any], str]
    ) -> ServiceInvoker:
        arn = self._function_arn(function.declared)
        return ServiceInvoker(service, function, arn, source_of, self._permissions)

    def _function_arn(self, declared: DeclaredFunction) -> str:
        account = self._permissions.account
        return f"arn:aws:lambda:{self._region}:{account}:function:{declared.name}"
