"""The synthesised template for this machine: made when needed, shared between data folders, turned into the plan."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from cdk.operations import OPERATIONS
from local.addresses import ACCOUNT, REGION, REPOSITORY, CannotStart
from local.plan import Plan, door_of, make_plan
from local.resources import Resources
from local.rights import add_rights
from local.template import TemplateError, read_assembly

# On one machine the limits are there to be seen, not to be met: a test or a bench may send all it can.
RATE_LIMITS = "public=5000/20000,private=5000/20000,orders=5000/20000"


def synthesise(functions: Path | None) -> Path:
    """The folder of the cloud assembly. In a process of its own: the CDK brings Node and a lot of memory.

    Two runtimes that start at once take turns; the second finds the first one's work.
    """
    out = REPOSITORY / "build" / "cdk.local"
    if functions is not None:  # a test's: what is made for it goes away with it
        out = functions.parent / f"{functions.name}.cdk"
    out.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cdk.synth", "--local", "--out", str(out)]
    if functions is not None:
        command += ["-c", f"functions={functions}"]
    with open(out.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotStart("the template cannot be synthesised:\n" + "\n".join(done.stderr.splitlines()[-8:]))
    return out


def resolve(folder: Path, *, data: Path, emulator_url: str, database_dsn: str, redis_url: str, endpoints: dict[str, str],
            connections_url: str) -> Plan:
    """Makes the emulator's resources and answers the plan. Raises CannotStart for what has no local part, and
    where the emulator fails."""
    try:
        assembly = read_assembly(folder, region=REGION, account=ACCOUNT, parameters={
            "EmulatorEndpoint": emulator_url, "EmulatorDatabaseDsn": database_dsn, "EmulatorRedisUrl": redis_url})
        resources = Resources(
            assembly, emulator_url=emulator_url, region=REGION, account=ACCOUNT, state_file=data / "resources.json",
            api_endpoints=lambda api: endpoints[door_of(assembly, api)])
        assembly.use(resources)
        resources.check_types()
        resources.make()
        # What stands on an order's hot path is embedded; the rest talks to its service.
        plan = make_plan(assembly, resources, overrides={
            "EXCHANGE_PORTS": "embedded", "DATABASE_DSN": database_dsn, "DATABASE_IAM_AUTH": "0", "REDIS_URL": redis_url,
            "RATE_LIMITS": os.environ.get("RATE_LIMITS", RATE_LIMITS), "CONNECTIONS_ENDPOINT": connections_url})
        cloud = read_assembly(folder, region=REGION, account=ACCOUNT)
        cloud.use(resources)
        add_rights(plan, cloud, resources)
        return plan
    except TemplateError as error:
        raise CannotStart(f"the template does not fit the local runtime: {error}") from None
    except (BotoCoreError, ClientError) as error:
        raise CannotStart(f"the emulator did not make what the template needs: {error}") from None


def deploy_functions(plan: Plan) -> list[str]:
    """The functions that a deploy calls once."""
    at_deploy = {operation.name for operation in OPERATIONS if operation.at_deploy}
    return [function.name for function in plan.functions.values() if function.operation in at_deploy]


def write_markets(path: Path) -> list[str]:
    """The listing as the functions read it (MARKETS_FILE); the ids of its markets."""
    document = yaml.safe_load((REPOSITORY / "markets.yaml").read_text(encoding="utf-8"))
    path.write_text(json.dumps(document))
    return list(document["markets"])
