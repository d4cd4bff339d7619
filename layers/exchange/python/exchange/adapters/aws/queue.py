"""CommandQueue on SQS FIFO."""

import hashlib

from exchange.adapters.aws import answers
from exchange.ports import Message, QueueDepth, Send

LONG_POLL_MAX_S = 1  # the client waits little longer for an answer (`answers`)


class SqsQueue:
    """See `ports.CommandQueue`. `queue` is a queue URL. botocore's exceptions pass through."""

    def __init__(self, client: object | None = None) -> None:
        self._client = client or answers.client("sqs")

    def send(self, *, queue: str, group: str, dedup_id: str, body: str, resent: bool = False) -> int:
        answer = self._client.send_message(QueueUrl=queue, MessageGroupId=group, MessageDeduplicationId=dedup_id,
                                           MessageBody=body)
        return int(answer["SequenceNumber"])

    def send_all(self, messages: list[Send]) -> None:
        for message in messages:  # mostly one per queue, so there is nothing to batch
            self.send(queue=message.queue, group=message.group, dedup_id=message.dedup_id, body=message.body)

    def send_hints(self, messages: list[Send]) -> None:
        """Messages like others."""
        self.send_all(messages)

    def receive(self, *, queue: str, max_messages: int = 10, wait_s: float = 0) -> list[Message]:
        answer = self._client.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=min(max_messages, 10), WaitTimeSeconds=min(int(wait_s), LONG_POLL_MAX_S),
            MessageSystemAttributeNames=["All"])
        return [Message(
            queue=queue, group=row["Attributes"]["MessageGroupId"], sequence=int(row["Attributes"]["SequenceNumber"]),
            dedup_id=row["Attributes"]["MessageDeduplicationId"], body=row["Body"],
            receive_count=int(row["Attributes"]["ApproximateReceiveCount"]), receipt=row["ReceiptHandle"],
        ) for row in answer.get("Messages", [])]

    def acknowledge(self, messages: list[Message]) -> None:
        for message in messages:
            self._client.delete_message(QueueUrl=message.queue, ReceiptHandle=message.receipt)

    def release(self, messages: list[Message]) -> None:
        for message in messages:
            self._client.change_message_visibility(QueueUrl=message.queue, ReceiptHandle=message.receipt,
                                                   VisibilityTimeout=0)

    def depth(self, queue: str) -> QueueDepth:
        """The counts are SQS's estimates; the age is a metric of CloudWatch (`aws.metrics`)."""
        waiting, in_flight = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        found = self._client.get_queue_attributes(QueueUrl=queue, AttributeNames=[waiting, in_flight])["Attributes"]
        return QueueDepth(int(found[waiting]), int(found[in_flight]), None)

    def identity(self, queue: str) -> int:
        attributes = self._client.get_queue_attributes(
            QueueUrl=queue, AttributeNames=["QueueArn", "CreatedTimestamp"])["Attributes"]
        name = f"{attributes['QueueArn']} {attributes['CreatedTimestamp']}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") >> 1
