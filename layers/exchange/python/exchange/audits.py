"""What an audit says: findings, and the report of one run.

Pure. An audit goes over what others have written and changes nothing of it; a finding is a broken invariant, never a
settlement half way. `adapters.audit_outcome` tells operators of a report and halts what must halt.
"""

from dataclasses import dataclass, field

# How many findings of one run are written down, and how many rows stand as evidence beside one.
FINDINGS_SHOWN = 20
ROWS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """`invariant` (I1 to I10) does not hold for `subject`; `market`: the one to halt, '' for all of them.

    `evidence`: the offending rows, JSON values.
    """

    invariant: str
    subject: str
    what: str
    market: str = ""
    evidence: tuple[dict, ...] = ()

    def __str__(self) -> str:
        return f"{self.invariant}: {self.subject}: {self.what}"


@dataclass(slots=True)
class AuditReport:
    """One run of `audit` over `market` ('' for all). `behind`: there is more to check than this run could."""

    audit: str
    started_at_ms: int
    market: str = ""
    duration_ms: int = 0
    rows_checked: int = 0
    behind: bool = False
    findings: list[Finding] = field(default_factory=list)
    details: dict = field(default_factory=dict)

    @property
    def result(self) -> str:
        """`passed`, `behind` or `failed`, as `audit_runs` has it."""
        return "failed" if self.findings else "behind" if self.behind else "passed"
