"""The synth itself: what it refuses, when it works again, and what another stage leaves out."""

import json
from pathlib import Path

import pytest
from infra.assembly import Assembly

from cdk.operations import OPERATIONS
from cdk.settings import ROOT, BadSettings, Settings
from cdk.synth import INPUTS_FILE, inputs_hash, synthesise


def test_a_missing_handler_fails_and_is_named(tmp_path: Path) -> None:
    for operation in OPERATIONS[1:]:
        (tmp_path / operation.name).mkdir()
        (tmp_path / operation.name / "handler.py").touch()
    with pytest.raises(BadSettings, match=f"1 operation.*{OPERATIONS[0].name}"):
        synthesise(tmp_path / "out", local=True, context={"functions": str(tmp_path)})


def test_every_handler_has_its_row() -> None:
    folders = {handler.parent.name for handler in (ROOT / "functions").glob("*/handler.py")}
    assert folders <= {operation.name for operation in OPERATIONS}


@pytest.mark.parametrize("context, message", [
    ({"architecture": "mips"}, "mips.*arm64, x86_64"), ({"python": "2.7"}, "2.7.*3.13"),
    ({"stage": "My Stage"}, "My Stage"), ({"warm": "-1"}, "-1.*up to 99"), ({"warm": "many"}, "many"), ({"warm": "100"}, "100"),
    ({"traces": "yes"}, "yes.*on or off"),
])
def test_a_context_that_does_not_exist_is_refused(context: dict[str, str], message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        Settings.from_context(context)


def test_the_local_flavour_is_kept_until_its_inputs_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / INPUTS_FILE).write_text(inputs_hash(json.loads((ROOT / "cdk.json").read_text())["context"]))
    (tmp_path / "kept").touch()
    assert synthesise(tmp_path, local=True) == tmp_path
    assert (tmp_path / "kept").exists()
    assert inputs_hash({"stage": "one"}) != inputs_hash({"stage": "two"})


# Nothing but their policy keeps these from being deleted; where the deploy that makes them fails, they go again.
UNPROTECTED = ("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret")


def test_the_stack_that_keeps_state_is_protected_but_in_the_sandbox(local_assembly: Assembly,
                                                                     production_assembly: Assembly) -> None:
    for assembly, stage, protected in ((local_assembly, "sandbox", set()), (production_assembly, "production", {"Data"})):
        stacks = json.loads((assembly.folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
        assert {name.removeprefix(f"Exchange-{stage}-") for name, artifact in stacks.items()
                if artifact.get("properties", {}).get("terminationProtection")} == protected


def test_buckets_that_go_with_their_stack_are_emptied_first(local_assembly: Assembly, production_assembly: Assembly) -> None:
    for assembly in (local_assembly, production_assembly):
        emptied = {(stack, resource["Properties"]["BucketName"]["Ref"])
                   for (stack, _), resource in assembly.of_type("Custom::S3AutoDeleteObjects").items()}
        assert emptied == {key for key, bucket in assembly.of_type("AWS::S3::Bucket").items()
                           if bucket["DeletionPolicy"] == "Delete"} != set()


def test_another_stage_keeps_its_data_and_has_no_faucet(production_assembly: Assembly) -> None:
    assembly = production_assembly
    made = {operation for operation, _ in assembly.functions().values()}
    assert made == {operation.name for operation in OPERATIONS if not operation.sandbox_only}
    assert {function["Properties"]["Environment"]["Variables"]["SANDBOX"]
            for _, function in assembly.functions().values()} == {"0"}
    for type_ in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::RDS::DBCluster", "AWS::Cognito::UserPool",
                  "AWS::KMS::Key", "AWS::SecretsManager::Secret"):
        for (stack, key), resource in assembly.of_type(type_).items():
            # The screen's bucket holds nothing that a deploy does not make again.
            wanted = "Delete" if stack == "Exchange-production-Web" else \
                "RetainExceptOnCreate" if type_ in UNPROTECTED else "Retain"
            assert resource["DeletionPolicy"] == wanted, (stack, key)
            assert resource["UpdateReplacePolicy"] == wanted.removesuffix("ExceptOnCreate"), (stack, key)


def test_what_is_paid_for_by_the_hour_or_the_call_is_less_in_the_sandbox(local_assembly: Assembly,
                                                                          production_assembly: Assembly) -> None:
    def zones(assembly: Assembly) -> set[int]:
        return {len(endpoint["Properties"]["SubnetIds"]) for endpoint in assembly.of_type("AWS::EC2::VPCEndpoint").values()
                if endpoint["Properties"]["VpcEndpointType"] == "Interface"}

    def modes(assembly: Assembly) -> set[str]:
        return {function["Properties"]["TracingConfig"]["Mode"] for _, function in assembly.functions().values()}

    assert (zones(local_assembly), zones(production_assembly)) == ({1}, {2})
    assert (modes(local_assembly), modes(production_assembly)) == ({"Active"}, {"PassThrough"})


def test_warm_environments_and_traces_can_be_chosen() -> None:
    chosen = Settings.from_context({"stage": "sandbox", "warm": "1", "traces": "off"})
    assert (chosen.warm, chosen.traces) == (1, False)
    usual = Settings.from_context({"stage": "production"})
    assert (usual.warm, usual.traces) == (None, False)
