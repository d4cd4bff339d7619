"""The FIFO queues and their dead-letter queues.

A queue per market for commands: one FIFO group is limited to 300 sends/s whatever the mode, and a market in trouble
must not hold up another. One queue each for settlement, feed, push and the feed's clock, with groups inside.
"""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.operations import BY_NAME
from cdk.settings import Settings

# A message that fails this often goes to the dead letters. For commands that halts the market, so it must outlast a
# short fault of a service (visibility 60 s x 10 = 10 minutes) and yet not stall a market for hours.
MAX_RECEIVES = 10
MAX_MESSAGE_BYTES = 1_048_576


class FifoQueue(Construct):
    """A FIFO queue and its dead letters, `<name>.fifo` and `<name>-dead.fifo`."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str, consumer_timeout_s: int) -> None:
        super().__init__(scope, construct_id)
        shared = {
            "fifo": True, "enforce_ssl": True, "encryption": sqs.QueueEncryption.SQS_MANAGED,
            "fifo_throughput_limit": sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
            "deduplication_scope": sqs.DeduplicationScope.MESSAGE_GROUP,
            # What nudges and pushes reckon with; said, because a queue's own limit need not be the service's.
            "max_message_size_bytes": MAX_MESSAGE_BYTES,
            # AWS asks for six times the consumer's timeout, or a slow batch is delivered twice at once.
            "visibility_timeout": Duration.seconds(6 * consumer_timeout_s),
        }
        self.dead = sqs.Queue(self, "Dead", queue_name=f"{name}-dead.fifo", retention_period=Duration.days(14), **shared)
        self.queue = sqs.Queue(
            self, "Queue", queue_name=f"{name}.fifo", retention_period=Duration.days(4),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead, max_receive_count=MAX_RECEIVES), **shared)


class Queues(Construct):
    """All of them. `command_url_prefix` + market + `.fifo` is the URL of a market's command queue."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, command_url_prefix: str) -> None:
        super().__init__(scope, construct_id)
        self.command_url_prefix = command_url_prefix
        self.commands = {
            market: self._queue(f"Commands-{market}", f"{settings.prefix}commands-{market}", "engine_match_orders")
            for market in settings.markets}
        self.settle = self._queue("Settle", f"{settings.prefix}settle", "ledger_settle_fills")
        self.feed = self._queue("Feed", f"{settings.prefix}feed", "feed_publish")
        self.push = self._queue("Push", f"{settings.prefix}push", "feed_push")
        self.beat = self._queue("Beat", f"{settings.prefix}beat", "feed_beat")

    def _queue(self, construct_id: str, name: str, consumer: str) -> FifoQueue:
        return FifoQueue(self, construct_id, name=name, consumer_timeout_s=BY_NAME[consumer].timeout_s)

    def all(self) -> list[FifoQueue]:
        return [*self.commands.values(), self.settle, self.feed, self.push, self.beat]
