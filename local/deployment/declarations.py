"""What the program declares and moto only stores. Other packages emulate it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DeclaredFunction:
    """A Lambda function."""

    name: str
    handler: str
    role_arn: str
    timeout_seconds: int
    memory_mb: int
    environment: Mapping[str, str]
    log_group: str
    log_format: str = "Text"

    @property
    def short_name(self) -> str:
        """A readable name: ``dead-letter`` for the handler ``handlers.dead_letter.handler``."""
        return self.handler.split(".")[-2].replace("_", "-")


@dataclass(frozen=True)
class DeclaredMapping:
    """An event source mapping from a queue to a function."""

    function_name: str
    queue_arn: str
    batch_size: int
    maximum_concurrency: int
    reports_item_failures: bool


@dataclass(frozen=True)
class DeclaredSchedule:
    """A function that an EventBridge rule invokes every ``period_seconds``.

    ``input`` is the event as JSON. Without it, the function gets EventBridge's own event.
    """

    rule_arn: str
    function_name: str
    period_seconds: float
    input: str | None = None


@dataclass(frozen=True)
class DeclaredRoute:
    """A route of the HTTP API; ``target`` is ``integrations/<id>``."""

    route_key: str
    target: str
    authorization_type: str
    authorizer_id: str | None = None


@dataclass(frozen=True)
class DeclaredAuthorizer:
    """A JWT authorizer."""

    issuer: str
    audiences: tuple[str, ...]


@dataclass(frozen=True)
class DeclaredCors:
    """The CORS configuration of the API."""

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...]
    allow_headers: tuple[str, ...]
    expose_headers: tuple[str, ...]
    max_age_seconds: int


@dataclass
class Declarations:
    """Everything to emulate, by kind."""

    functions: dict[str, DeclaredFunction] = field(default_factory=dict)
    mappings: list[DeclaredMapping] = field(default_factory=list)
    schedules: list[DeclaredSchedule] = field(default_factory=list)
    routes: list[DeclaredRoute] = field(default_factory=list)
    integrations: dict[str, str] = field(default_factory=dict)
    """Function name by ``integrations/<id>``."""
    authorizers: dict[str, DeclaredAuthorizer] = field(default_factory=dict)
    """By authorizer ID."""
    cors: DeclaredCors | None = None
    execution_arn: str = ""
    """The ARN of the API. The ARNs of its routes begin with it."""
