"""What differs between two synths: stage, region, processor, Python, and whether it is the local flavour.

Read once, from the CDK context (`cdk.json`, `-c name=value`), and passed on keyword-only.

| context      | default     | meaning                                                                            |
| stage        | sandbox     | part of every name; `sandbox` has the faucet and sign-up without an e-mail           |
| region       | us-east-1   | where; availability zones are named, not counted (see `zones`)                      |
| zones        | a,b         | letters of the availability zones                                                  |
| architecture | arm64       | or x86_64                                                                          |
| python       | 3.13        | Lambda runtime                                                                     |
| origins      | *           | comma-separated origins that browsers may call the application API from             |
| alarm_email  | (none)      | who is told of an alarm                                                            |
| rate_limits  | see below   | per address and per account, see docs/API.md; `` for none                           |
| warm         | 0; else 2   | environments of each market's matching function that are kept warm: 0 in the sandbox |
| traces       | on; else off | `on` or `off`: X-Ray traces of all functions; `on` in the sandbox                  |
| functions    | functions   | the folder of the handlers                                                         |
| screen       | build/screen | the folder of the built screen                                                    |
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONTEXT_NAMES = ("stage", "region", "zones", "architecture", "python", "origins", "alarm_email", "rate_limits",
                 "warm", "traces", "functions", "screen")

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURES = ("arm64", "x86_64")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


# bucket=tokens a second/at once; what takes from which: exchange/api/limits.py.
RATE_LIMITS = "public=10/15,private=30/60,orders=50/100"


class BadSettings(ValueError):
    """The context or the repository cannot be synthesised; the message says what was found and what was wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one synth. `local`: no layers are built, assets stay where they are (`cdk.synth`)."""

    stage: str = "sandbox"
    region: str = "us-east-1"
    zones: tuple[str, ...] = ("a", "b")
    architecture: str = "arm64"
    python: str = "3.13"
    origins: tuple[str, ...] = ("*",)
    alarm_email: str | None = None
    rate_limits: str = RATE_LIMITS
    warm: int | None = None
    traces: bool = True
    local: bool = False
    markets: tuple[str, ...]
    functions_dir: Path = ROOT / "functions"
    screen_dir: Path = ROOT / "build" / "screen"

    @property
    def sandbox(self) -> bool:
        return self.stage == "sandbox"

    @property
    def prefix(self) -> str:
        """Before every name: `exchange-sandbox-`."""
        return f"exchange-{self.stage}-"

    @property
    def availability_zones(self) -> list[str]:
        return [self.region + letter for letter in self.zones]

    @classmethod
    def from_context(cls, context: dict[str, Any], *, local: bool = False) -> "Settings":
        """Raises BadSettings for a value that does not exist."""
        architecture = context.get("architecture", "arm64")
        python = str(context.get("python", "3.13"))
        if architecture not in ARCHITECTURES:
            raise BadSettings(f"architecture {architecture!r}, wanted one of {', '.join(ARCHITECTURES)}")
        if python not in PYTHONS:
            raise BadSettings(f"python {python!r}, wanted one of {', '.join(PYTHONS)}")
        stage = context.get("stage", "sandbox")
        if not stage.isalnum() or not stage.islower() or len(stage) > 16:
            raise BadSettings(f"stage {stage!r}, wanted 1 to 16 lower-case letters and digits")
        rate_limits = context.get("rate_limits", RATE_LIMITS)
        if not re.fullmatch(r"([a-z]+=\d{1,6}(\.\d+)?/[1-9]\d{0,6}(,|$))*", rate_limits):
            raise BadSettings(f"rate_limits {rate_limits!r}, wanted for example {RATE_LIMITS}")
        warm = str(context.get("warm", "0" if stage == "sandbox" else ""))
        if not re.fullmatch(r"|[0-9]|[1-9][0-9]", warm):
            raise BadSettings(f"warm {warm!r}, wanted a number up to 99")
        traces = context.get("traces", "on" if stage == "sandbox" else "off")
        if traces not in ("on", "off"):
            raise BadSettings(f"traces {traces!r}, wanted on or off")
        return cls(stage=stage, region=context.get("region", "us-east-1"),
                   zones=tuple(context.get("zones", "a,b").split(",")), architecture=architecture, python=python,
                   origins=tuple(context.get("origins", "*").split(",")), alarm_email=context.get("alarm_email"),
                   rate_limits=rate_limits, warm=int(warm) if warm else None, traces=traces == "on", local=local,
                   markets=listed_markets(),
                   functions_dir=Path(context.get("functions", ROOT / "functions")),
                   screen_dir=Path(context.get("screen", ROOT / "build" / "screen")))


def listed_markets() -> tuple[str, ...]:
    """The ids in markets.yaml, in order."""
    return tuple(yaml.safe_load((ROOT / "markets.yaml").read_text(encoding="utf-8"))["markets"])
