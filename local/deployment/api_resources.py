"""Creates the declared resources of API Gateway, one method per type."""

from collections.abc import Callable, Mapping
from typing import Any

from local.deployment.declarations import (
    Declarations,
    DeclaredAuthorizer,
    DeclaredCors,
    DeclaredRoute,
)
from local.deployment.inputs import Created, Inputs, capitals
from local.errors import LocalError
from local.names import ACCOUNT_ID, physical_name

IDENTITY_SOURCES = ["$request.header.Authorization"]


class ApiResources:
    """``client`` is an apigatewayv2 client. ``api_url`` is where the API is served."""

    def __init__(self, client: Any, region: str, api_url: str, declarations: Declarations) -> None:
        self._client = client
        self._region = region
        self._api_url = api_url
        self._declarations = declarations
        self.creators: Mapping[str, Callable[[str, Inputs], Created]] = {
            "aws:apigatewayv2/api:Api": self._api,
            "aws:apigatewayv2/authorizer:Authorizer": self._authorizer,
            "aws:apigatewayv2/integration:Integration": self._integration,
            "aws:apigatewayv2/route:Route": self._route,
            "aws:apigatewayv2/stage:Stage": self._stage,
        }

    def _api(self, name: str, inputs: Inputs) -> Created:
        cors = inputs.get("corsConfiguration")
        response = self._client.create_api(
            Name=physical_name(name),
            ProtocolType=inputs["protocolType"],
            **({"CorsConfiguration": capitals(cors)} if cors else {}),
        )
        if cors:
            self._declarations.cors = DeclaredCors(
                allow_origins=tuple(cors["allowOrigins"]),
                allow_methods=tuple(cors["allowMethods"]),
                allow_headers=tuple(cors["allowHeaders"]),
                expose_headers=tuple(cors["exposeHeaders"]),
                max_age_seconds=int(cors["maxAge"]),
            )
        api_id = response["ApiId"]
        arn = f"arn:aws:execute-api:{self._region}:{ACCOUNT_ID}:{api_id}"
        self._declarations.execution_arn = arn
        return api_id, {"apiEndpoint": self._api_url, "executionArn": arn}

    def _authorizer(self, name: str, inputs: Inputs) -> Created:
        if inputs["authorizerType"] != "JWT" or inputs["identitySources"] != IDENTITY_SOURCES:
            raise LocalError(
                f"Authorizer {name}: the embedded AWS supports only JWT authorizers that read the "
                "Authorization header."
            )
        configuration = inputs["jwtConfiguration"]
        authorizer_id = self._client.create_authorizer(
            ApiId=inputs["apiId"],
            Name=physical_name(name),
            AuthorizerType=inputs["authorizerType"],
            IdentitySource=inputs["identitySources"],
            JwtConfiguration={
                "Issuer": configuration["issuer"],
                "Audience": configuration["audiences"],
            },
        )["AuthorizerId"]
        self._declarations.authorizers[authorizer_id] = DeclaredAuthorizer(
            configuration["issuer"], tuple(configuration["audiences"])
        )
        return authorizer_id, {}

    def _integration(self, name: str, inputs: Inputs) -> Created:
        integration_id = self._client.create_integration(
            ApiId=inputs["apiId"],
            IntegrationType=inputs["integrationType"],
            IntegrationUri=inputs["integrationUri"],
            PayloadFormatVersion=inputs["payloadFormatVersion"],
        )["IntegrationId"]
        function_arn = inputs["integrationUri"].split("/functions/")[1].split("/")[0]
        function_name = function_arn.rpartition(":")[2]
        self._declarations.integrations[f"integrations/{integration_id}"] = function_name
        return integration_id, {}

    def _route(self, name: str, inputs: Inputs) -> Created:
        route = DeclaredRoute(
            inputs["routeKey"],
            inputs["target"],
            inputs["authorizationType"],
            inputs.get("authorizerId"),
        )
        self._declarations.routes.append(route)
        route_id = self._client.create_route(
            ApiId=inputs["apiId"],
            RouteKey=route.route_key,
            Target=route.target,
            AuthorizationType=route.authorization_type,
            **({"AuthorizerId": route.authorizer_id} if route.authorizer_id else {}),
        )["RouteId"]
        return route_id, {}

    def _stage(self, name: str, inputs: Inputs) -> Created:
        self._client.create_stage(
            ApiId=inputs["apiId"], StageName=inputs["name"], AutoDeploy=inputs["autoDeploy"]
        )
        return inputs["name"], {"invokeUrl": self._api_url}
