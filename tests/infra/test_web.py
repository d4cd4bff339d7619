"""The screen's stack: a bucket that only the distribution reaches, headers on every file, nothing of it in the emulator."""

import json
from pathlib import Path

import pytest
from infra.assembly import Assembly

from cdk.screen import security_headers
from cdk.settings import BadSettings
from cdk.synth import synthesise

STACK = "Exchange-sandbox-Web"


def only(assembly: Assembly, type_: str) -> dict:
    found = [resource for (stack, _), resource in assembly.of_type(type_).items() if stack == STACK]
    assert len(found) == 1, type_
    return found[0]["Properties"]


def test_the_bucket_is_closed(local_assembly: Assembly) -> None:
    bucket = only(local_assembly, "AWS::S3::Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    statements = only(local_assembly, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    # Besides the distribution there is the deploy's own function, which empties the bucket before it is deleted.
    allowed = [statement for statement in statements if statement["Effect"] == "Allow"
               and "AutoDeleteObjects" not in json.dumps(statement["Principal"])]
    assert [(one["Action"], one["Principal"]) for one in allowed] == [
        ("s3:GetObject", {"Service": "cloudfront.amazonaws.com"})]
    assert "AWS:SourceArn" in json.dumps(allowed[0]["Condition"])


def test_every_file_has_the_headers(local_assembly: Assembly) -> None:
    headers = only(local_assembly, "AWS::CloudFront::ResponseHeadersPolicy")["ResponseHeadersPolicyConfig"]
    security = headers["SecurityHeadersConfig"]
    policy = json.dumps(security["ContentSecurityPolicy"])
    assert "default-src 'none'; script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "wss://" in policy and "cognito-idp" in policy
    assert {name for name in security_headers([])} == {
        "Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"}
    assert {"ContentSecurityPolicy", "ContentTypeOptions", "FrameOptions", "ReferrerPolicy",
            "StrictTransportSecurity"} == security.keys()
    behavior = only(local_assembly, "AWS::CloudFront::Distribution")["DistributionConfig"]["DefaultCacheBehavior"]
    assert behavior["ViewerProtocolPolicy"] == "redirect-to-https"
    assert behavior["ResponseHeadersPolicyId"]
    assert behavior["FunctionAssociations"]


def test_the_emulator_makes_none_of_it(local_assembly: Assembly) -> None:
    resources = local_assembly.templates[STACK]["Resources"]
    unconditional = {name for name, resource in resources.items()
                     if resource.get("Condition") != "InCloud" and resource["Type"] != "AWS::CDK::Metadata"}
    assert unconditional == set()


def test_a_screen_that_is_not_built_is_not_deployed(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="make screen"):
        synthesise(tmp_path / "out", local=False, context={"screen": str(tmp_path / "nothing")})
