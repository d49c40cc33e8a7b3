"""The API's page: Swagger UI, with all that it needs in one document."""

from importlib.resources import files

_ASSETS = "aws_lambda_powertools.event_handler.openapi.swagger_ui"

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>S3 ZIP Jobs</title>
<link rel="icon" href="data:,">
<style>{css}</style>
<style>
body {{ margin: 0; }}
.swagger-ui .info {{ margin: 30px 0 20px; }}
</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>{js}</script>
<script>
SwaggerUIBundle({{
  dom_id: "#swagger-ui",
  spec: {spec},
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
}});
</script>
</body>
</html>
"""

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""The page loads nothing, and talks to the API alone."""


def swagger_page(description: str) -> str:
    """The page of an API with this OpenAPI description, as HTML."""
    assets = files(_ASSETS)
    return _PAGE.format(
        css=(assets / "swagger-ui.min.css").read_text(),
        js=(assets / "swagger-ui-bundle.min.js").read_text(),
        spec=description.replace("</", "<\\/"),
    )
