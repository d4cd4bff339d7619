"""GET /openapi.json and /docs: what the API is, for programs and for people. Both are files, made by `make openapi`."""

from pathlib import Path

from exchange.api.door import Response, operation
from exchange.api.request import Request

DOCUMENT = Path(__file__).with_name("openapi.json").read_bytes()
PAGE = Path(__file__).with_name("page.html").read_bytes()


@operation(public=True)
def lambda_handler(request: Request) -> Response:
    """The OpenAPI 3.1 document, or a page that shows it and needs nothing from elsewhere."""
    if request.path.rstrip("/").endswith("/docs"):
        return Response(PAGE, headers={"content-type": "text/html; charset=utf-8",
                                       "content-security-policy": "default-src 'self' 'unsafe-inline'; img-src data:"})
    return Response(DOCUMENT)
