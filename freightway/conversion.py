"""How values and errors travel to and from Temporal: pydantic's JSON, and failures that people can read.

A failure says one sentence: no stack trace and no path of the worker's machine leaves it (its log has them), and an
input that does not fit is refused in our words, in the ``temporal`` command line and the Temporal Web UI too.

With ``contracts``, ``connection``, ``client``, ``encryption`` and ``plugin`` one of the few files of the core that
know Temporal.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import temporalio.activity
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    FailureConverter,
    PayloadCodec,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError, FailureError

from freightway.entities.input_errors import argument_sentence, input_sentence
from freightway.errors import FreightwayError

logger = logging.getLogger("freightway.failures")

REFUSED = "Refused"
"""Type of a failure that refuses an input or a command."""

_HIDDEN = "Encoded failure"
_FOREIGN = ("json/protobuf", "binary/protobuf", "binary/plain")


_ENCODINGS = tuple(PydanticPayloadConverter().converters.values())
"""Shared by all converters: the SDK makes one for each workflow and each activation, and what pydantic has built for
a type would be built again in each."""


class PlainPayloadConverter(PydanticPayloadConverter):
    """Pydantic's JSON; what a form sent in another encoding is refused.

    An encoding that nobody here knows fails the workflow's task, not the workflow: it may be encrypted, and a worker
    that has the key will come.
    """

    def __init__(self) -> None:
        CompositePayloadConverter.__init__(self, *_ENCODINGS)

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Decode payloads.

        Raises:
            ApplicationError: if one is not JSON but something that Freightway never sends.
            RuntimeError: if one has an encoding that is not known here.
        """
        hints = type_hints or []
        for index, payload in enumerate(payloads):
            encoding = payload.metadata.get("encoding", b"").decode("utf-8", "replace")
            is_raw = index < len(hints) and hints[index] is RawValue
            if encoding in _FOREIGN and not is_raw:
                raise ApplicationError(
                    f"the input is sent as {encoding}; JSON (json/plain) is wanted",
                    type=REFUSED,
                    non_retryable=True,
                )
        try:
            return super().from_payloads(payloads, type_hints)
        except KeyError as error:
            raise RuntimeError(f"{error.args[0]}; is a codec missing on this worker?") from None


class _Spoken(DefaultFailureConverter):
    """Puts a sentence in place of an error that has none, wherever it stands in the chain of causes."""

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        super().to_failure(_spoken(exception), payload_converter, failure)


class PlainFailureConverter(FailureConverter):
    """Failures without stack traces, and pydantic's errors as sentences."""

    encoded = False

    def __init__(self) -> None:
        self._inner = _Spoken()

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """Convert an exception, with what caused it."""
        _log(exception)
        self._inner.to_failure(exception, payload_converter, failure)
        while failure.HasField("cause") and failure.cause.message == failure.message:
            # A refusal says the same as the error that it was made of.
            _drop(failure)
        current = failure
        self._finish(current, payload_converter)
        while current.HasField("cause"):
            current = current.cause
            self._finish(current, payload_converter)

    def _finish(self, failure: Failure, payload_converter: PayloadConverter) -> None:
        failure.stack_trace = ""
        is_done = failure.HasField("encoded_attributes") and failure.message == _HIDDEN
        if not self.encoded or is_done:
            return
        # The codec sees payloads only, so the message becomes one.
        attributes = {"message": failure.message, "stack_trace": ""}
        failure.encoded_attributes.CopyFrom(payload_converter.to_payloads([attributes])[0])
        failure.message = _HIDDEN

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        """Convert a failure to an exception."""
        return self._inner.from_failure(failure, payload_converter)


class EncodedFailureConverter(PlainFailureConverter):
    """The same, with the message in a payload, for a codec to encrypt."""

    encoded = True


plain_data_converter = DataConverter(
    payload_converter_class=PlainPayloadConverter, failure_converter_class=PlainFailureConverter
)
"""The converter of Freightway's clients and workers without a codec."""


def with_codec(codec: PayloadCodec, *, given: type[FailureConverter] | None = None) -> DataConverter:
    """Return our converter with a codec; messages of failures are encoded too.

    Args:
        codec: what encodes payloads.
        given: failure converter that goes with the codec; kept if it is one of a program's own.
    """
    chosen: type[FailureConverter] = EncodedFailureConverter
    if given is DefaultFailureConverter:
        chosen = PlainFailureConverter
    elif given is not None and given is not DefaultFailureConverterWithEncodedAttributes:
        chosen = given
    return DataConverter(
        payload_converter_class=PlainPayloadConverter, failure_converter_class=chosen, payload_codec=codec
    )


def _drop(failure: Failure) -> None:
    """Take the cause of a failure out of the chain."""
    beyond = Failure()
    if failure.cause.HasField("cause"):
        beyond.CopyFrom(failure.cause.cause)
        failure.cause.CopyFrom(beyond)
    else:
        failure.ClearField("cause")


def _log(exception: BaseException) -> None:
    """Keep the stack trace of a bug; the SDK logs what an activity raises, and forgets what a handler raises."""
    if (
        isinstance(exception, FailureError | FreightwayError | ValidationError)
        or exception.__traceback__ is None
    ):
        return
    if isinstance(exception, TypeError) and argument_sentence(exception):
        return
    if not temporalio.activity.in_activity():
        logger.warning("%s: %s", type(exception).__name__, exception, exc_info=exception)


def _spoken(exception: BaseException) -> BaseException:
    """Return the exception whose message is sent."""
    text = ""
    if isinstance(exception, ValidationError):
        text = input_sentence(exception)
    elif isinstance(exception, TypeError):
        text = argument_sentence(exception)
    if not text:
        return exception
    # Whether an activity is tried again is for its retry policy to say.
    return ApplicationError(text, type=REFUSED, non_retryable=not temporalio.activity.in_activity())
