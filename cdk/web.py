"""The screen in the cloud: a private bucket behind CloudFront, and `/config.json` from what the other stacks made.

The bucket has no door of its own; the distribution reads it with its own signature (origin access control). Paths of the
screen (`/trade/BTC-USD`) are answered with `index.html` by a function at the edge, so that a missing file stays missing. Files
under `assets/` have their content's hash in their names and are kept for a year; the others are asked for again each time.
Headers are those of `cdk/screen.py`, as on one machine.
"""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

from cdk.screen import config_document, content_security_policy
from cdk.settings import BadSettings, Settings

# A path without a dot is a page of the screen's own.
FALLBACK = """function handler(event) {
  var request = event.request;
  if (request.uri.indexOf('.') === -1) request.uri = '/index.html';
  return request;
}
"""


class Screen(Construct):
    """`url` is where people go. `api`: the application door; `feed_origin`, `feed`: the WebSocket API."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, api: str, feed_origin: str, feed: str,
                 user_pool_id: str, user_pool_client_id: str) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self.bucket = s3.Bucket(
            self, "Bucket", block_public_access=s3.BlockPublicAccess.BLOCK_ALL, enforce_ssl=True,
            encryption=s3.BucketEncryption.S3_MANAGED,
            # Nothing in it that a deploy does not make again; a bucket that is not empty cannot be deleted.
            removal_policy=RemovalPolicy.DESTROY, auto_delete_objects=True)
        connect = [api, feed_origin, f"https://cognito-idp.{stack.region}.{stack.url_suffix}"]
        self.distribution = cloudfront.Distribution(
            self, "Distribution", comment=f"{settings.prefix}screen", default_root_object="index.html",
            http_version=cloudfront.HttpVersion.HTTP2_AND_3, price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(self.bucket),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS, compress=True,
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                response_headers_policy=self._headers(connect),
                function_associations=[cloudfront.FunctionAssociation(
                    event_type=cloudfront.FunctionEventType.VIEWER_REQUEST,
                    function=cloudfront.Function(self, "Fallback", code=cloudfront.FunctionCode.from_inline(FALLBACK),
                                                 runtime=cloudfront.FunctionRuntime.JS_2_0))]))
        self.url = f"https://{self.distribution.distribution_domain_name}"
        configuration = config_document(api=api, feed=feed, region=stack.region, user_pool_id=user_pool_id,
                                        user_pool_client_id=user_pool_client_id, stage=settings.stage, sandbox=settings.sandbox)
        self._deploy(settings, configuration)

    def _headers(self, connect: list[str]) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self, "Headers", security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=content_security_policy(connect), override=True),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=Duration.days(365), include_subdomains=True, override=True)))

    def _deploy(self, settings: Settings, configuration: dict) -> None:
        """The hashed files first: a page must never name one that is not there yet."""
        files = deployment.BucketDeployment(
            self, "Assets", destination_bucket=self.bucket, sources=[_built(settings)], exclude=["*"], include=["assets/*"],
            prune=False, cache_control=[deployment.CacheControl.from_string("public, max-age=31536000, immutable")])
        pages = deployment.BucketDeployment(
            self, "Pages", destination_bucket=self.bucket, exclude=["assets/*", ".ready"], prune=False,
            sources=[_built(settings), deployment.Source.json_data("config.json", configuration)],
            cache_control=[deployment.CacheControl.no_cache()], distribution=self.distribution, distribution_paths=["/*"])
        pages.node.add_dependency(files)


def _built(settings: Settings) -> deployment.ISource:
    """The built screen. The local flavour deploys nothing and needs none. Raises BadSettings."""
    if settings.local:
        return deployment.Source.data("index.html", "")
    if not (settings.screen_dir / "index.html").is_file():
        raise BadSettings(f"the screen is not built in {settings.screen_dir}: make screen")
    return deployment.Source.asset(str(settings.screen_dir))
