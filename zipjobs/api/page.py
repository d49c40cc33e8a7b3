"""The documentation page: Swagger UI, with its scripts and styles in one HTML document."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
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
"""Overrides of Swagger UI's style.

Hidden are the choice of a server (there is one), the buttons that enable requests (they are always
enabled), and the authorization dialog (requests are authenticated in the same way as the page).
"""

_START = """
const spec = SPEC;
const noComponent = () => () => null;
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  spec,
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  syntaxHighlight: { theme: "idea" },
  // The curl command of Swagger UI is not signed, so the API would reject it.
  plugins: spec.security ? [{ wrapComponents: { curl: noComponent } }] : [],
});
"""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>S3 ZIP Jobs</title>
<link rel="icon" href="data:,">
<!-- This page embeds Swagger UI (https://github.com/swagger-api/swagger-ui).
Copyright 2020-2021 SmartBear Software Inc. Licensed under the Apache License, Version 2.0:
https://www.apache.org/licenses/LICENSE-2.0. Libraries that it bundles have their own licenses. -->
<style>{css}</style>
<style>{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<footer>The same description for programs: <a href="openapi.json">openapi.json</a></footer>
<script>{bundle}</script>
<script>{start}</script>
</body>
</html>
"""


@dataclass(frozen=True)
class Page:
    """An HTML page and its security headers."""

    html: str
    headers: Mapping[str, str]


def swagger_page(description: str) -> Page:
    """Return the page for an OpenAPI description in JSON."""
    assets = files(_ASSETS)
    css = (assets / "swagger-ui.min.css").read_text()
    bundle = (assets / "swagger-ui-bundle.min.js").read_text()
    start = _START.replace("SPEC", description.replace("</", "<\\/"), 1)
    html = _PAGE.format(css=css, style=_STYLE, bundle=bundle, start=start)
    return Page(html, _security_headers(scripts=(bundle, start), styles=(css, _STYLE)))


def _security_headers(scripts: Sequence[str], styles: Sequence[str]) -> dict[str, str]:
    """Return headers that allow only these scripts and styles, and requests to this API.

    An inline script or style is allowed by its hash ("Content Security Policy Level 3", 2.3.1).
    """
    policy = (
        "default-src 'none'",
        f"script-src {_hashes(scripts)}",
        f"style-src {_hashes(styles)}",
        *("img-src data:", "connect-src 'self'", "base-uri 'none'"),
        *("form-action 'none'", "frame-ancestors 'none'"),
    )
    return {
        "content-security-policy": "; ".join(policy),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def _hashes(sources: Sequence[str]) -> str:
    digests = (sha256(source.encode()).digest() for source in sources)
    return " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in digests)
