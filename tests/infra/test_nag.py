"""cdk-nag's AWS Solutions rules over a production stage; what it finds is exactly what is accepted here, with the reason."""

import json
from pathlib import Path

import cdk_nag
from aws_cdk import App, Validations

from cdk.settings import ROOT, Settings
from cdk.stacks import build

ACCEPTED = {
    "APIG1": "access logs at the headline rate cost more than the functions; every function logs what it refuses",
    "APIG4": "public market data, and the trading door, whose signature covers the body and is checked in the function",
    "CFR1": "an exchange's terms say where it may be used, and may change; a country is not an attack",
    "CFR2": "static files; the doors behind it have their own throttles",
    "CFR3": "who reads static files is nobody's business; the doors log what they refuse",
    "CFR4": "the distribution's own domain name fixes its TLS version; a domain of one's own brings a certificate and TLS 1.2",
    "COG2": "MFA is offered; bots trade with API keys, which have their own secret and passphrase",
    "COG1": "twelve characters instead of a symbol in eight",
    "COG8": "the Plus plan costs per user; sign-ins are throttled by Cognito in every plan",
    "EC23": "the rule cannot read the VPC's range, which is what the endpoints let in",
    "IAM4": "the role of CDK's own provider of the database user, run at deploys",
    "IAM5": "test_least_privilege.py names every action that stands on *, and a bucket's objects have no other name",
    "L1": "one Python for all functions, moved when the tests run on the next one",
    "S1": "snapshots are read and written by two functions, and can be made again from the journal",
    "SMG4": "the administrator's password is used by the deploy through the Data API and by nobody else",
    "VPC7": "the VPC has no way out and no way in but the functions'",
}


def test_findings_are_the_accepted_ones(tmp_path: Path) -> None:
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"] | {
        "stage": "production", "aws:cdk:enable-path-metadata": True, "aws:cdk:disable-asset-staging": True}
    app = App(outdir=str(tmp_path), context=context)
    build(app, settings=Settings.from_context(context, local=True))
    Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks())
    try:
        app.synth()
    except RuntimeError as failed:
        assert "validation-report.json" in str(failed)
    report = json.loads((tmp_path / "validation-report.json").read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            if violation["ruleName"].startswith("AwsSolutions-"):
                rule = violation["ruleName"].removeprefix("AwsSolutions-").partition("[")[0]
                found.setdefault(rule, []).extend(where["constructPath"] for where in violation["violatingConstructs"])
    unexpected = {rule: where for rule, where in found.items() if rule not in ACCEPTED}
    assert unexpected == {}
    assert ACCEPTED.keys() - found.keys() == set(), "accepted, but no longer found"
