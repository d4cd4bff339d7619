"""What AWS asks for in us-east-1, USD, without free tiers and savings plans; public list prices as of November 2026.

Functions are on arm64. Another region or processor costs something else: `docs/COST.md` says where the prices stand.
"""

from dataclasses import dataclass
from decimal import Decimal

HOURS = 730  # of a month, as AWS counts them
SECONDS = HOURS * 3600
MILLION = 1_000_000
MB_OF_A_GB = Decimal(1024)


@dataclass(frozen=True, slots=True)
class Price:
    """`usd` for `per` units; `unit` is how a bill names one of them."""

    usd: Decimal
    per: int
    unit: str

    def of(self, units: Decimal) -> Decimal:
        return self.usd * units / self.per


def _price(usd: str, unit: str, per: int = 1) -> Price:
    return Price(Decimal(usd), per, unit)


HTTP_REQUEST = _price("1.00", "requests", MILLION)
WEBSOCKET_MESSAGE = _price("1.00", "messages of up to 32 KB", MILLION)
WEBSOCKET_MINUTE = _price("0.25", "connection minutes", MILLION)
LAMBDA_REQUEST = _price("0.20", "calls", MILLION)
LAMBDA_GB_S = _price("13.3334", "GB-s", MILLION)
LAMBDA_WARM_GB_S = _price("3.3334", "GB-s kept warm", MILLION)
LAMBDA_GB_S_WHEN_WARM = _price("7.7778", "GB-s in warm environments", MILLION)
SQS_REQUEST = _price("0.50", "FIFO requests of up to 64 KB", MILLION)
DYNAMODB_WRITE = _price("0.625", "writes of 1 KB", MILLION)
DYNAMODB_READ = _price("0.125", "reads of 4 KB", MILLION)
DYNAMODB_GB = _price("0.45", "GB-months, point-in-time recovery included")
AURORA_ACU_HOUR = _price("0.12", "ACU-hours")
AURORA_IO = _price("0.20", "I/Os", MILLION)
AURORA_GB = _price("0.10", "GB-months")
VALKEY_GB_HOUR = _price("0.084", "GB-hours")
VALKEY_ECPU = _price("0.0023", "ECPUs", MILLION)
INTERFACE_HOUR = _price("0.01", "endpoint-zone hours")
NAT_HOUR = _price("0.045", "NAT gateway hours")
ALARM = _price("0.10", "alarms")
DASHBOARD = _price("3.00", "dashboards")
METRIC = _price("0.30", "metrics")
LOG_GB = _price("0.50", "GB of logs")
TRACE = _price("5.00", "traces", MILLION)
KMS_KEY = _price("1.00", "keys")
KMS_REQUEST = _price("0.03", "requests", 10_000)
SECRET = _price("0.40", "secrets")
TRANSFER_GB = _price("0.09", "GB to the internet")
