"""Optional encryption of everything that Freightway stores in Temporal: AES-GCM, keys by id, rotation.

A key file is YAML or JSON, newest key first; each key is 16, 24 or 32 bytes in base64:

    keys:
    - id: "2026-02"
      key: ...
    - id: "2025-11"
      key: ...

The first key encrypts, every key decrypts. To rotate, put a new key first everywhere it is read, start the workers
anew, and drop the old key when the last history that it encrypted is gone from the namespace.

Search attributes, workflow ids and the names of workflows, activities, updates and signals stay readable: the server
must look for them.

With ``contracts``, ``connection``, ``conversion``, ``client`` and ``plugin`` one of the few files of the core that
know Temporal.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec

from freightway.conversion import plain_data_converter, with_codec
from freightway.errors import FreightwayError

KEYS_VARIABLE = "FREIGHTWAY_ENCRYPTION_KEYS"
"""Environment variable: file with the keys; without it nothing is encrypted."""

ENCODING = "binary/freightway-aes-gcm"
"""What the metadata of an encrypted payload says of it."""

_NONCE_BYTES = 12
_SIZES = (16, 24, 32)


@dataclass(frozen=True, slots=True)
class Key:
    """One key; its bytes never show in its ``repr``."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cipher:
    """Encrypts with the first key and decrypts with any.

    Attributes:
        keys: newest first, at least one.
    """

    keys: tuple[Key, ...]

    def seal(self, plain: bytes) -> tuple[str, bytes]:
        """Return the id of the key and the encrypted bytes, with the nonce before them."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self.keys[0]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        # The id is sealed too: nobody can make one key's data look like another's.
        return key.id, nonce + AESGCM(key.secret).encrypt(nonce, plain, key.id.encode())

    def open(self, key_id: str, sealed: bytes) -> bytes:
        """Return the decrypted bytes.

        Raises:
            FreightwayError: if there is no such key, or the bytes are not what it encrypted.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = next((key for key in self.keys if key.id == key_id), None)
        if key is None:
            known = ", ".join(one.id for one in self.keys)
            raise FreightwayError(
                f"this was encrypted with key {key_id!r}, which is not among the keys here ({known}); "
                f"add it to the file that {KEYS_VARIABLE} names"
            )
        try:
            return AESGCM(key.secret).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key_id.encode())
        except (InvalidTag, ValueError):
            raise FreightwayError(
                f"what key {key_id!r} should decrypt was changed, or is of another key"
            ) from None


class EncryptionCodec(PayloadCodec):
    """Encrypts whole payloads; what is not encrypted is passed on as it is, so that old histories stay readable."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt payloads."""
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt payloads.

        Raises:
            FreightwayError: if the key of one is not here, or it was changed.
        """
        return [self._open(payload) for payload in payloads]

    def _seal(self, payload: Payload) -> Payload:
        key_id, sealed = self._cipher.seal(payload.SerializeToString())
        metadata = {"encoding": ENCODING.encode(), "encryption-key-id": key_id.encode()}
        return Payload(metadata=metadata, data=sealed)

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING.encode():
            return payload
        key_id = payload.metadata.get("encryption-key-id", b"").decode("utf-8", "replace")
        return Payload.FromString(self._cipher.open(key_id, payload.data))


class NoKeys(PayloadCodec):
    """What is used without keys: nothing is encrypted, and what is encrypted waits for a worker that has its key.

    Without it a worker that was started without the keys would drop signals and fail workflows that it cannot read.
    """

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads as they are."""
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads as they are.

        Raises:
            FreightwayError: if one is encrypted.
        """
        for payload in payloads:
            if payload.metadata.get("encoding") == ENCODING.encode():
                key_id = payload.metadata.get("encryption-key-id", b"").decode("utf-8", "replace")
                raise FreightwayError(
                    f"this is encrypted with key {key_id!r}, and there are no keys here; name the file that holds it "
                    f"with {KEYS_VARIABLE}"
                )
        return list(payloads)


def configured_codec(environ: Mapping[str, str] | None = None) -> EncryptionCodec | None:
    """Return the codec of the key file that ``FREIGHTWAY_ENCRYPTION_KEYS`` names, None if it names none.

    Raises:
        FreightwayError: if the file cannot be used.
    """
    name = (os.environ if environ is None else environ).get(KEYS_VARIABLE, "")
    return EncryptionCodec(read_keys(Path(name).expanduser())) if name else None


def data_converter(codec: PayloadCodec | None = None) -> DataConverter:
    """Return the converter of Freightway's clients: pydantic, and encrypted if a codec is given or configured.

    Raises:
        FreightwayError: if keys are configured that cannot be used.
    """
    codec = codec or configured_codec()
    return with_codec(codec) if codec else replace(plain_data_converter, payload_codec=NoKeys())


def converter_beside(given: DataConverter | None) -> DataConverter:
    """Return our converter for a program that has one: its codec is kept; without one, the configured keys are used.

    Raises:
        FreightwayError: if keys are configured that cannot be used.
    """
    if given is None or given.payload_codec is None or isinstance(given.payload_codec, NoKeys):
        return data_converter()
    return with_codec(given.payload_codec, given=given.failure_converter_class)


def read_keys(path: Path) -> Cipher:
    """Read a key file.

    Raises:
        FreightwayError: if it cannot be read or is not a key file; no message quotes a key.
    """
    import yaml

    try:
        mode = path.stat().st_mode
        # Every scalar stays the text it was written as: an id of digits is not a number.
        content: Any = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - builds texts only
    except OSError as error:
        raise FreightwayError(f"the key file {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise FreightwayError(f"the key file {path} is not valid YAML") from None
    if os.name == "posix" and mode & 0o077:
        raise FreightwayError(f"others may read the key file {path}; run: chmod 600 {path}")
    entries = content.get("keys") if isinstance(content, Mapping) else None
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise FreightwayError(f"the key file {path} holds no keys: write keys: [{{id: ..., key: ...}}]")
    keys = tuple(_key(path, place, entry) for place, entry in enumerate(entries))
    ids = [key.id for key in keys]
    if len(set(ids)) != len(ids):
        raise FreightwayError(f"the key file {path} holds two keys of one id")
    return Cipher(keys)


def new_key_file(path: Path, key_id: str) -> None:
    """Write a file with one fresh key, for its owner alone.

    Raises:
        FreightwayError: if there is a file of that name.
    """
    import yaml

    key = base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FreightwayError(f"{path} exists already; it is left as it is") from None
    except OSError as error:
        raise FreightwayError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump({"keys": [{"id": key_id, "key": key}]}, file)


def _key(path: Path, place: int, entry: Any) -> Key:
    where = f"{path}: keys[{place}]"
    key_id = entry.get("id") if isinstance(entry, Mapping) else None
    text = entry.get("key") if isinstance(entry, Mapping) else None
    if not isinstance(key_id, str) or not key_id or not isinstance(text, str):
        raise FreightwayError(f"{where} needs id and key")
    try:
        secret = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise FreightwayError(f"{where}: key is not base64") from None
    if len(secret) not in _SIZES:
        raise FreightwayError(f"{where}: a key has 16, 24 or 32 bytes, this one has {len(secret)}")
    return Key(key_id, secret)
