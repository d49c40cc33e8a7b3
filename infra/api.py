"""The HTTP API: its routes, its authorization, and the web pages that can call it."""

import re
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.config.settings import Settings
from infra.functions.component import Functions

AUTHORIZATION_TYPES = {"iam": "AWS_IAM", "jwt": "JWT", "none": "NONE"}

BURST_SECONDS = 2
"""The API accepts the requests of this many seconds at once."""

MAX_BURST = 5000
"""An account's quota: "Quotas for configuring and running an HTTP API" in the API Gateway Developer
Guide."""

CORS_METHODS = ("GET", "POST", "DELETE", "OPTIONS")
CORS_REQUEST_HEADERS = (
    "authorization",
    "content-type",
    "idempotency-key",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
)
CORS_RESPONSE_HEADERS = ("location", "retry-after")
CORS_MAX_AGE_SECONDS = 3600


class HttpApi(pulumi.ComponentResource):
    """An API Gateway HTTP API with one route per operation and automatic deployment."""

    def __init__(
        self,
        settings: Settings,
        functions: Functions,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("s3zipjobs:infra:HttpApi", f"{settings.prefix}-api", None, opts)
        self._settings = settings
        self._child = pulumi.ResourceOptions(parent=self)
        if settings.api_auth == "none":
            pulumi.log.warn(
                "apiAuth is none: anyone who knows the API's URL can submit jobs and see all jobs."
            )
        self.api = aws.apigatewayv2.Api(
            f"{settings.prefix}-api",
            protocol_type="HTTP",
            cors_configuration=_cors(settings),
            opts=self._child,
        )
        self._authorizer = self._jwt_authorizer() if settings.api_auth == "jwt" else None
        self._add_routes(functions.enqueue, "enqueue", {"enqueue": "POST /zip-jobs"})
        self._add_routes(
            functions.status,
            "status",
            {"list": "GET /zip-jobs", "status": "GET /zip-jobs/{jobId}"},
        )
        self._add_routes(functions.cancel, "cancel", {"cancel": "DELETE /zip-jobs/{jobId}"})
        if settings.api_docs:
            self._add_routes(
                functions.docs, "docs", {"openapi": "GET /openapi.json", "docs": "GET /docs"}
            )
        aws.apigatewayv2.Stage(
            f"{settings.prefix}-api",
            api_id=self.api.id,
            name="$default",
            auto_deploy=True,
            default_route_settings={
                "throttling_burst_limit": min(BURST_SECONDS * settings.api_rate, MAX_BURST),
                "throttling_rate_limit": settings.api_rate,
            },
            opts=self._child,
        )
        self.url = self.api.api_endpoint
        self.register_outputs({})

    def _jwt_authorizer(self) -> aws.apigatewayv2.Authorizer:
        return aws.apigatewayv2.Authorizer(
            f"{self._settings.prefix}-jwt",
            api_id=self.api.id,
            authorizer_type="JWT",
            identity_sources=["$request.header.Authorization"],
            jwt_configuration={
                "issuer": self._settings.api_jwt_issuer,
                "audiences": list(self._settings.api_jwt_audience),
            },
            opts=self._child,
        )

    def _add_routes(
        self, function: aws.lambda_.Function, name: str, routes: Mapping[str, str]
    ) -> None:
        """Send routes to a function. ``routes`` has route keys by the names of their resources."""
        integration = aws.apigatewayv2.Integration(
            f"{self._settings.prefix}-{name}",
            api_id=self.api.id,
            integration_type="AWS_PROXY",
            integration_uri=function.invoke_arn,
            payload_format_version="2.0",
            opts=self._child,
        )
        for route_name, route_key in routes.items():
            full_name = f"{self._settings.prefix}-{route_name}"
            aws.apigatewayv2.Route(
                full_name,
                api_id=self.api.id,
                route_key=route_key,
                authorization_type=AUTHORIZATION_TYPES[self._settings.api_auth],
                authorizer_id=self._authorizer.id if self._authorizer else None,
                target=integration.id.apply(lambda id_: f"integrations/{id_}"),
                opts=self._child,
            )
            aws.lambda_.Permission(
                full_name,
                action="lambda:InvokeFunction",
                function=function.name,
                principal="apigateway.amazonaws.com",
                source_arn=_route_arn(self.api.execution_arn, route_key),
                opts=self._child,
            )


def _route_arn(execution_arn: pulumi.Output[str], route_key: str) -> pulumi.Output[str]:
    """Return the ARN of a route's requests, with any parameters."""
    method, _, path = re.sub(r"{\w+}", "*", route_key).partition(" ")
    return execution_arn.apply(lambda arn: f"{arn}/*/{method}{path}")


def _cors(settings: Settings) -> aws.apigatewayv2.ApiCorsConfigurationArgs | None:
    """Return the CORS settings. API Gateway answers preflight requests without authorization."""
    if not settings.api_cors_origins:
        return None
    return aws.apigatewayv2.ApiCorsConfigurationArgs(
        allow_origins=list(settings.api_cors_origins),
        allow_methods=list(CORS_METHODS),
        allow_headers=list(CORS_REQUEST_HEADERS),
        expose_headers=list(CORS_RESPONSE_HEADERS),
        max_age=CORS_MAX_AGE_SECONDS,
    )
