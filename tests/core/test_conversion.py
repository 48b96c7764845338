"""Failures as Temporal keeps them: a sentence, no stack trace, nothing readable where a codec encrypts."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    FailureConverter,
)
from temporalio.exceptions import ApplicationError

from freightway.conversion import (
    EncodedFailureConverter,
    PlainFailureConverter,
    PlainPayloadConverter,
    plain_data_converter,
    with_codec,
)
from freightway.encryption import ENCODING, Cipher, EncryptionCodec, Key, converter_beside, data_converter
from freightway.entities.messages import PromoteRequest
from freightway.errors import FreightwayError

CODEC = EncryptionCodec(Cipher((Key("k", b"0" * 32),)))
PAYLOADS = PlainPayloadConverter()


def raised(given: Any) -> Exception:
    """An error as a handler raises it, with a stack trace, a cause and the cause's own cause."""
    try:
        try:
            PromoteRequest.model_validate(given)
        except ValueError as error:
            raise LookupError("nothing of that name") from error
    except LookupError as error:
        try:
            raise ApplicationError("refused", type="Refused") from error
        except ApplicationError as last:
            return last
    raise AssertionError


def chain(failure: Failure) -> list[Failure]:
    found = [failure]
    while found[-1].HasField("cause"):
        found.append(found[-1].cause)
    return found


def converted(error: BaseException, converter: FailureConverter) -> Failure:
    failure = Failure()
    converter.to_failure(error, PAYLOADS, failure)
    return failure


def test_no_stack_trace_is_sent_and_pydantics_words_become_ours() -> None:
    links = chain(converted(raised({"freight": 7}), PlainFailureConverter()))
    assert [link.message for link in links] == [
        "refused",
        "nothing of that name",
        "freight: a text is wanted, not a number",
    ]
    assert [link.application_failure_info.type for link in links] == ["Refused", "LookupError", "Refused"]
    assert [link.stack_trace for link in links] == ["", "", ""]


def test_a_failure_that_came_from_elsewhere_is_passed_on_without_its_stack_trace() -> None:
    other = Failure()
    DefaultFailureConverter().to_failure(raised({"freight": 7}), DefaultPayloadConverter(), other)
    assert other.stack_trace
    came = PlainFailureConverter().from_failure(other, PAYLOADS)
    links = chain(converted(came, PlainFailureConverter()))
    assert len(links) == 3
    assert not any(link.stack_trace for link in links)


async def test_with_a_codec_every_message_of_the_chain_is_encrypted_and_read_again() -> None:
    converter = with_codec(CODEC)
    failure = Failure()
    await converter.encode_failure(raised({"freight": 7}), failure)
    for link in chain(failure):
        assert (link.message, link.stack_trace) == ("Encoded failure", "")
        assert link.encoded_attributes.metadata["encoding"] == ENCODING.encode()
    error = await converter.decode_failure(failure)
    # On the way through a workflow it is sent once more.
    again = Failure()
    await converter.encode_failure(error, again)
    assert all(link.message == "Encoded failure" for link in chain(again))
    last = await converter.decode_failure(again)
    assert str(last) == "Refused: refused"
    assert "freight: a text is wanted, not a number" in str(last.__cause__ and last.__cause__.__cause__)


def test_the_stack_trace_of_a_bug_is_kept_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    try:
        {}["x"]
    except KeyError as error:
        bug = error
    with caplog.at_level(logging.WARNING, "freightway.failures"):
        converted(bug, PlainFailureConverter())
        converted(ApplicationError("refused"), PlainFailureConverter())
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "test_conversion.py" in caplog.text


@pytest.mark.parametrize("encoding", ["json/protobuf", "binary/protobuf", "binary/plain"])
def test_an_input_that_is_not_json_is_refused(encoding: str) -> None:
    payload = Payload(metadata={"encoding": encoding.encode()}, data=b"{}")
    with pytest.raises(ApplicationError, match=r"JSON \(json/plain\) is wanted"):
        PAYLOADS.from_payloads([payload], [PromoteRequest])


def test_an_unknown_encoding_fails_the_task_and_not_the_workflow() -> None:
    payload = Payload(metadata={"encoding": b"binary/other"}, data=b"{}")
    with pytest.raises(RuntimeError, match="Unknown payload encoding binary/other; is a codec missing"):
        PAYLOADS.from_payloads([payload], [PromoteRequest])


async def test_without_keys_what_is_encrypted_is_not_taken_for_something_else() -> None:
    [sealed] = await with_codec(CODEC).encode([PromoteRequest()])
    with pytest.raises(FreightwayError, match="encrypted with key 'k', and there are no keys here"):
        await data_converter().decode([sealed])
    [plain] = await data_converter().encode([PromoteRequest(stage="dev")])
    assert await plain_data_converter.decode([plain], [PromoteRequest]) == [PromoteRequest(stage="dev")]


def test_the_codec_of_a_program_is_kept() -> None:
    class Own(PlainFailureConverter):
        pass

    assert converter_beside(None).failure_converter_class is PlainFailureConverter
    for given, chosen in (
        (DefaultFailureConverter, PlainFailureConverter),
        (DefaultFailureConverterWithEncodedAttributes, EncodedFailureConverter),
        (Own, Own),
    ):
        found = converter_beside(with_codec(CODEC, given=given))
        assert found.payload_codec is CODEC
        assert found.failure_converter_class is chosen
