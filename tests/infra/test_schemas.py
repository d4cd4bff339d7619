"""The templates against AWS's own schemas of every resource (cfn-lint): types, properties, values, references, conditions."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
from infra.assembly import Assembly

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Rules that are wrong about these templates, each with the reason.
SILENCED = {"W3005": "CDK states a dependency that an attribute states already; it costs nothing"}
REGION = "us-east-1"


def findings(templates: list[Path]) -> list[str]:
    """What the schemas refuse, warnings included: `rule template path: message`."""
    done = subprocess.run(
        [sys.executable, "-c", "from cfnlint.runner import main; main()", "--format", "json", "--regions", REGION,
         *(f"--ignore-checks={rule}" for rule in SILENCED), "--", *map(str, templates)],
        capture_output=True, text=True, timeout=280)
    # 0: nothing found; 2, 4, 6: errors, warnings, both. Anything else is no answer.
    assert done.returncode in (0, 2, 4, 6), done.stderr
    return [f"{one['Rule']['Id']} {Path(one['Filename']).name} {'/'.join(map(str, one['Location']['Path'] or []))}: "
            f"{one['Message']}" for one in json.loads(done.stdout or "[]")]


@pytest.mark.parametrize("stage", ["local_assembly", "production_assembly"])
def test_the_schemas_refuse_nothing(stage: str, request: pytest.FixtureRequest) -> None:
    assembly: Assembly = request.getfixturevalue(stage)
    assert findings(sorted(assembly.folder.glob("*.template.json"))) == []


def test_planted_mistakes_are_found(production_assembly: Assembly, tmp_path: Path) -> None:
    template = production_assembly.templates["Exchange-production-Data"]
    broken = copy.deepcopy(template)
    properties = {resource["Type"]: resource["Properties"] for resource in broken["Resources"].values()}
    properties["AWS::DynamoDB::Table"]["TableNamed"] = "journal"
    properties["AWS::RDS::DBCluster"]["BackupRetentionPeriod"] = 99
    properties["AWS::RDS::DBCluster"]["EngineVersion"] = "17.99"
    properties["AWS::KMS::Alias"]["TargetKeyId"] = {"Ref": "Nothing"}
    path = tmp_path / "planted.template.json"
    path.write_text(json.dumps(broken))
    found = findings([path])
    for planted in ("TableNamed", "99 is greater than", "'17.99' is not one of", "'Nothing' is not one of"):
        assert [text for text in found if planted in text], (planted, found)
    assert len(found) == 4
