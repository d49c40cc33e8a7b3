"""Declares the resources of API Gateway, one method per type.

Nothing reads them from moto, so they exist only as declarations.
"""

from collections.abc import Callable, Mapping

from local.deployment.declarations import (
    Declarations,
    DeclaredAuthorizer,
    DeclaredCors,
    DeclaredRoute,
)
from local.deployment.inputs import Created, Inputs
from local.errors import LocalError
from local.names import ACCOUNT_ID, physical_name

IDENTITY_SOURCES = ["$request.header.Authorization"]


class ApiResources:
    """``api_url`` is where the API is served."""

    def __init__(self, region: str, api_url: str, declarations: Declarations) -> None:
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
        if cors := inputs.get("corsConfiguration"):
            self._declarations.cors = DeclaredCors(
                allow_origins=tuple(cors["allowOrigins"]),
                allow_methods=tuple(cors["allowMethods"]),
                allow_headers=tuple(cors["allowHeaders"]),
                expose_headers=tuple(cors["exposeHeaders"]),
                max_age_seconds=int(cors["maxAge"]),
            )
        api_id = physical_name(name)
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
        authorizer_id = physical_name(name)
        self._declarations.authorizers[authorizer_id] = DeclaredAuthorizer(
            configuration["issuer"], tuple(configuration["audiences"])
        )
        return authorizer_id, {}

    def _integration(self, name: str, inputs: Inputs) -> Created:
        integration_id = physical_name(name)
        function_arn = inputs["integrationUri"].split("/functions/")[1].split("/")[0]
        function_name = function_arn.rpartition(":")[2]
        self._declarations.integrations[f"integrations/{integration_id}"] = function_name
        return integration_id, {}

    def _route(self, name: str, inputs: Inputs) -> Created:
        self._declarations.routes.append(
            DeclaredRoute(
                inputs["routeKey"],
                inputs["target"],
                inputs["authorizationType"],
                inputs.get("authorizerId"),
            )
        )
        return physical_name(name), {}

    def _stage(self, name: str, inputs: Inputs) -> Created:
        return inputs["name"], {"invokeUrl": self._api_url}
