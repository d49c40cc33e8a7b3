"""The API's page: Swagger UI, with all that it needs in one document."""

from importlib.resources import files

_ASSETS = "aws_lambda_powertools.event_handler.openapi.swagger_ui"

_STYLE = """\
body { margin: 0; background: #fff; }
body, .swagger-ui, .swagger-ui .info .title, .swagger-ui .opblock-tag, .swagger-ui .btn,
.swagger-ui label, .swagger-ui .opblock .opblock-summary-description {
  font-family: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
}
.swagger-ui .wrapper, footer {
  max-width: 1000px; margin: 0 auto; padding: 0 24px; box-sizing: border-box;
}
footer { padding-bottom: 48px; font-size: 14px; color: #495057; }

.swagger-ui .info { margin: 40px 0 20px; }
.swagger-ui .info .title { font-size: 30px; font-weight: 600; }
.swagger-ui .info .title > span { display: none; }
.swagger-ui .info .description p { margin: 0 0 4px; font-size: 15px; line-height: 1.5; }
.swagger-ui .info .description .renderedMarkdown p code {
  padding: 1px 5px; background: #f1f3f5; color: #343a40; font-weight: 500;
}

.swagger-ui .opblock-tag { padding: 8px 0; font-size: 18px; border-color: #dee2e6; }
.swagger-ui .opblock { margin: 0 0 10px; box-shadow: none; }
.swagger-ui .opblock.is-open { background: #fff; }
.swagger-ui .opblock .opblock-section-header { box-shadow: none; background: #f8f9fa; }
.swagger-ui .opblock-description-wrapper { padding: 16px 20px; }
.swagger-ui .parameter__name, .swagger-ui .parameters-col_description p { font-size: 14px; }
.swagger-ui .parameters-col_description input[type=text] { width: 420px; max-width: 100%; }
.swagger-ui textarea { min-height: 150px; border: 1px solid #ced4da; }
.swagger-ui select { border: 1px solid #adb5bd; box-shadow: none; font-weight: 500; }
.swagger-ui .opblock-body .microlight {
  max-height: 480px; border: 1px solid #dee2e6;
  background: #f8f9fa !important; color: #212529 !important;
}
.swagger-ui .opblock-body .microlight code, .swagger-ui .opblock-body .microlight .headerline {
  color: inherit; font-weight: 500;
}
.swagger-ui section.models { margin: 24px 0; border-color: #dee2e6; box-shadow: none; }

.swagger-ui .response-col_links, .swagger-ui .try-out__btn.cancel,
.swagger-ui .scheme-container, .swagger-ui .authorization__btn { display: none; }
"""
"""Calmer than Swagger UI's own. What is hidden is of no use here: there is one server, one may
always try, and the API knows who calls by the way by which they came to the page."""

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
{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<footer><a href="openapi.json">openapi.json</a> says the same to programs.</footer>
<script>{js}</script>
<script>
const spec = {spec};
const nothing = () => () => null;
SwaggerUIBundle({{
  dom_id: "#swagger-ui",
  spec,
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  syntaxHighlight: {{ theme: "idea" }},
  // The curl command that it would show is not signed, so the API would refuse it.
  plugins: spec.security ? [{{ wrapComponents: {{ curl: nothing }} }}] : [],
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
        style=_STYLE,
        js=(assets / "swagger-ui-bundle.min.js").read_text(),
        spec=description.replace("</", "<\\/"),
    )
