"""Declares the resources of API Gateway.

Nothing reads them from moto, so they exist only as declarations.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from local.deployment.declarations import (
    Declarations,
    DeclaredAuthorizer,
    DeclaredCors,
    DeclaredRoute,
)
from local.deployment.types.resource_type import Created, Inputs, ResourceType
from local.errors import LocalError
from local.names import ACCOUNT_ID

Declare = Callable[[str, Inputs], None]

IDENTITY_SOURCES = ["$request.header.Authorization"]


class ApiResources:
    """``api_url`` is where the API is served."""

    def __init__(self, region: str, api_url: str, declarations: Declarations) -> None:
        self._region = region
        self._api_url = api_url
        self._declared = declarations
        self.types: Mapping[str, ResourceType] = {
            "aws:apigatewayv2/api:Api": ResourceType(
                create=self._create_api,
                update=lambda api_id, old, new: self._declare_cors(new),
                delete=self._delete_api,
                read=self._read_api,
            ),
            "aws:apigatewayv2/authorizer:Authorizer": self._declared_type(
                self._declare_authorizer, declarations.authorizers
            ),
            "aws:apigatewayv2/integration:Integration": self._declared_type(
                self._declare_integration, declarations.integrations
            ),
            "aws:apigatewayv2/route:Route": self._declared_type(
                self._declare_route, declarations.routes
            ),
            "aws:apigatewayv2/stage:Stage": ResourceType(
                create=lambda inputs: (inputs["name"], {"invokeUrl": self._api_url}),
                update=lambda name, old, new: None,
                delete=lambda name, properties: None,
                read=self._read_api,
            ),
        }

    def _create_api(self, inputs: Inputs) -> Created:
        self._declare_cors(inputs)
        api_id = _new_id()
        arn = f"arn:aws:execute-api:{self._region}:{ACCOUNT_ID}:{api_id}"
        self._declared.execution_arn = arn
        return api_id, {"apiEndpoint": self._api_url, "executionArn": arn}

    def _declare_cors(self, inputs: Inputs) -> None:
        cors = inputs.get("corsConfiguration")
        self._declared.cors = cors and DeclaredCors(
            allow_origins=tuple(cors["allowOrigins"]),
            allow_methods=tuple(cors["allowMethods"]),
            allow_headers=tuple(cors["allowHeaders"]),
            expose_headers=tuple(cors["exposeHeaders"]),
            max_age_seconds=int(cors["maxAge"]),
        )

    def _delete_api(self, api_id: str, properties: Inputs) -> None:
        self._declared.cors = None
        self._declared.execution_arn = ""

    def _read_api(self, api_id: str, properties: Inputs) -> None:
        if not self._declared.execution_arn:
            raise KeyError(api_id)

    @staticmethod
    def _declared_type(declare: Declare, declared: dict[str, Any]) -> ResourceType:
        """Return a type whose resources are entries of ``declared`` by ID."""

        def create(inputs: Inputs) -> Created:
            resource_id = _new_id()
            declare(resource_id, inputs)
            return resource_id, {}

        return ResourceType(
            create=create,
            update=lambda resource_id, old, new: declare(resource_id, new),
            delete=lambda resource_id, properties: declared.pop(resource_id, None),
            read=lambda resource_id, properties: declared[resource_id],
        )

    def _declare_authorizer(self, authorizer_id: str, inputs: Inputs) -> None:
        if inputs["authorizerType"] != "JWT" or inputs["identitySources"] != IDENTITY_SOURCES:
            raise LocalError(
                f"Authorizer {inputs['name']}: the embedded AWS supports only JWT authorizers that "
                "read the Authorization header."
            )
        configuration = inputs["jwtConfiguration"]
        self._declared.authorizers[authorizer_id] = DeclaredAuthorizer(
            configuration["issuer"], tuple(configuration["audiences"])
        )

    def _declare_integration(self, integration_id: str, inputs: Inputs) -> None:
        function_arn = inputs["integrationUri"].split("/functions/")[1].split("/")[0]
        self._declared.integrations[integration_id] = function_arn.rpartition(":")[2]

    def _declare_route(self, route_id: str, inputs: Inputs) -> None:
        self._declared.routes[route_id] = DeclaredRoute(
            inputs["routeKey"],
            inputs["target"],
            inputs["authorizationType"],
            inputs.get("authorizerId"),
        )


def _new_id() -> str:
    """Return an ID such as those of API Gateway."""
    return secrets.token_hex(5)
