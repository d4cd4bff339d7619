"""What the screen is served with, wherever it is served: its security headers and the document that configures it.

The bucket behind CloudFront (`cdk/web.py`) and the local gateway (`local/screen.py`) both take it from here, so that a
page that works on a laptop is not stopped by another policy in the cloud. Must never import `aws_cdk`: the gateway reads it.
"""

from typing import Any


def content_security_policy(connect: list[str]) -> str:
    """Scripts come from the screen's own address only, and it talks to nobody but itself and `connect`.

    Styles may be inline: the component library writes its variables into a style element, for which a static page has no
    nonce. Nothing that a user typed ever reaches one.
    """
    rules = {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self' 'unsafe-inline'", "img-src": "'self' data:",
        "font-src": "'self'", "connect-src": " ".join(["'self'", *connect]), "base-uri": "'none'", "form-action": "'none'",
        "frame-ancestors": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def security_headers(connect: list[str]) -> dict[str, str]:
    """Of every file of the screen."""
    return {"Content-Security-Policy": content_security_policy(connect), "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}


def config_document(*, api: str, feed: str, region: str, user_pool_id: str, user_pool_client_id: str, stage: str,
                    sandbox: bool, cognito_endpoint: str = "") -> dict[str, Any]:
    """`/config.json`. `api` empty: the screen's own address; `cognito_endpoint` empty: the region's own."""
    cognito = {"region": region, "userPoolId": user_pool_id, "userPoolClientId": user_pool_client_id}
    if cognito_endpoint:
        cognito["endpoint"] = cognito_endpoint
    return {"api": api, "feed": feed, "cognito": cognito, "stage": stage, "sandbox": sandbox}
