"""What Kafka will never take, however often it is asked: a record of ours, or anything of ours at all."""

from collections.abc import Set

from confluent_kafka import KafkaError


class AbortedError(RuntimeError):
    """The transaction was rolled back: nothing of it was published, no offset moved."""


class RefusedError(AbortedError):
    """Rolled back, since Kafka refuses some of the records and always will.

    `refused`: the places of those among the records of the transaction. Kafka refuses whole batches, so that records
    may be among them that it would take alone; a single one is meant itself. `why`: Kafka's words.
    """

    def __init__(self, message: str, refused: Set[int], why: str) -> None:
        super().__init__(message)
        self.refused = frozenset(refused)
        self.why = why


class UnpublishableError(RuntimeError):
    """Kafka takes nothing of this process until somebody mends what the message names."""


_REFUSED = (
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.POLICY_VIOLATION,
)

_RIGHTS = "Grant this process's user the rights that docs/errors.md lists, and start it again"
_REMEDIES = {
    KafkaError.INVALID_TIMESTAMP: "This machine's clock and the brokers' are too far apart: set them, and start again",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.GROUP_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.INVALID_TRANSACTION_TIMEOUT: "Set OFFERMATCH_KAFKA_TRANSACTION_TIMEOUT to no more than the brokers' "
    "transaction.max.timeout.ms",
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT: "Transactions need Apache Kafka 2.5 or later",
    KafkaError._UNSUPPORTED_FEATURE: "Transactions need Apache Kafka 2.5 or later",
}


def refuses_record(error: KafkaError) -> bool:
    """Whether it is about what is in a record: sent again, it is refused again."""
    return error.code() in _REFUSED


def why_unpublishable(error: KafkaError) -> str | None:
    """What to do about an error that no record is to blame for and no waiting helps against; None for the others."""
    return _REMEDIES.get(error.code())
