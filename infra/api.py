"""The HTTP API: routes to functions."""

import pulumi
import pulumi_aws as aws

from infra.functions import Functions
from infra.settings import Settings

AUTHORIZATION_TYPES = {"iam": "AWS_IAM", "none": "NONE"}


class HttpApi(pulumi.ComponentResource):
    """An API Gateway HTTP API with one route per operation, throttled, deployed as it changes."""

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
            pulumi.log.warn("apiAuth is none: everyone who finds the API may submit jobs.")
        self.api = aws.apigatewayv2.Api(
            f"{settings.prefix}-api", protocol_type="HTTP", opts=self._child
        )
        self._route("POST /zip-jobs", "enqueue", functions.enqueue)
        self._route("GET /zip-jobs/{jobId}", "status", functions.status)
        self._route("DELETE /zip-jobs/{jobId}", "cancel", functions.cancel)
        aws.apigatewayv2.Stage(
            f"{settings.prefix}-api",
            api_id=self.api.id,
            name="$default",
            auto_deploy=True,
            default_route_settings={
                "throttling_burst_limit": settings.api_burst,
                "throttling_rate_limit": settings.api_rate,
            },
            opts=self._child,
        )
        self.url = self.api.api_endpoint
        self.register_outputs({})

    def _route(self, route_key: str, name: str, function: aws.lambda_.Function) -> None:
        full_name = f"{self._settings.prefix}-{name}"
        integration = aws.apigatewayv2.Integration(
            full_name,
            api_id=self.api.id,
            integration_type="AWS_PROXY",
            integration_uri=function.invoke_arn,
            payload_format_version="2.0",
            opts=self._child,
        )
        aws.apigatewayv2.Route(
            full_name,
            api_id=self.api.id,
            route_key=route_key,
            authorization_type=AUTHORIZATION_TYPES[self._settings.api_auth],
            target=integration.id.apply(lambda id_: f"integrations/{id_}"),
            opts=self._child,
        )
        aws.lambda_.Permission(
            full_name,
            action="lambda:InvokeFunction",
            function=function.name,
            principal="apigateway.amazonaws.com",
            source_arn=self.api.execution_arn.apply(lambda arn: f"{arn}/*/*"),
            opts=self._child,
        )
