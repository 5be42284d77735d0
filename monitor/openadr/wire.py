"""One question to a VTN and its answer. The only file that imports openleadr.

Of openleadr we take what makes and checks messages: templates, the profile's schema, signatures. Its client
is left alone: it logs what goes wrong and gives nothing back, refuses every event of a message for the sake
of one, and brings a scheduler of its own (docs/decisions).
"""

import asyncio
import logging
import ssl
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import aiohttp

from config.openadr import OpenAdrSettings
from config.sinks import HttpsTls
from drivers.tls import TlsFileError, client_context

CONNECT_S, ANSWER_S = 10.0, 30.0
LARGEST_BYTES = 1_000_000
"""An answer that is longer is none of a VTN."""

WORDS_LENGTH = 200


class VtnError(Exception):
    """A question that was not answered, or not as it must be: a code of the word catalogue, and its data."""

    def __init__(self, code: str, **data: Any) -> None:
        super().__init__(code)
        self.code = code
        self.data = data


class NotRegistered(VtnError):
    """The VTN does not know us, or wants to be told again who we are."""


class Missing(ImportError):
    """The extra ``openadr`` is not installed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A message of the VTN.

    Attributes
    ----------
    kind : as ``oadrDistributeEvent``.
    body : its element; every name below it is asked for as ``{*}name``.
    """

    kind: str
    body: Any

    def text(self, *path: str) -> str | None:
        """Text of the element down a path of names, stripped; None where there is none."""
        return text_at(self.body, *path)


def text_at(element: Any, *path: str) -> str | None:
    """Text of the element down a path of names, stripped; None where there is none."""
    found = element.find("/".join(f"{{*}}{name}" for name in path))
    text = None if found is None else (found.text or "").strip()
    return text or None


def new_id() -> str:
    """Of a request."""
    return str(uuid.uuid4())


class Wire:
    """Questions to one VTN, one at a time.

    Raises
    ------
    Missing : from the constructor, where openleadr is not installed.
    """

    def __init__(self, settings: OpenAdrSettings, folder: Path) -> None:
        try:
            from openleadr import messaging
        except ImportError as error:
            raise Missing(error.name or "openleadr", name=error.name or "openleadr") from error
        logging.getLogger("openleadr").setLevel(logging.CRITICAL)  # what it says, we say in two languages
        self._messaging = messaging
        self._settings = settings
        self._folder = folder
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, service: str, kind: str, **payload: Any) -> Answer | None:
        """Send a message and read the answer; None where the answer is empty, which is one to a response.

        Raises
        ------
        VtnError : nobody answered, or not as it must be.
        NotRegistered : the VTN wants to be told again who we are.
        """
        content = await self._post(service, self._message(kind, payload))
        if not content.strip():
            return None
        answer = self._read(content)
        if answer.kind == "oadrRequestReregistration":
            raise NotRegistered("openadr.reregistration")
        return answer

    def _message(self, kind: str, payload: dict[str, Any]) -> str:
        signs: dict[str, Any] = {}
        tls = self._settings.tls
        if self._settings.sign and tls is not None and tls.certificate and tls.key:
            try:
                signs = {key: (self._folder / name).read_bytes() for key, name in (
                    ("cert", tls.certificate), ("key", tls.key))}  # fmt: skip
            except OSError as error:
                raise VtnError("openadr.tls_file", reason=str(error)) from error
        try:
            return str(self._messaging.create_message(kind, **signs, **_escaped(payload)))
        except Exception as error:  # whatever a key or a value does to the library, it is told
            raise VtnError("openadr.not_made", kind=kind, reason=_one_line(error)) from error

    async def _post(self, service: str, message: str) -> bytes:
        url = f"{self._settings.vtn_url.rstrip('/')}/{service}"
        try:
            session = self._session or self._open()
            async with session.post(url, data=message.encode(), allow_redirects=False) as response:
                content = await response.content.read(LARGEST_BYTES + 1)
                while len(content) <= LARGEST_BYTES and not response.content.at_eof():
                    content += await response.content.read(LARGEST_BYTES + 1)
        except TlsFileError as error:
            raise VtnError("openadr.tls_file", reason=str(error)) from error
        except TimeoutError as error:
            raise VtnError("openadr.slow", url=url, seconds=f"{ANSWER_S:g}") from error
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise VtnError("openadr.not_trusted", url=url, reason=_one_line(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise VtnError("openadr.unreachable", url=url, reason=_one_line(error)) from error
        if response.status != 200:
            words = " ".join(content[:WORDS_LENGTH].decode("utf-8", "replace").split()) or "-"
            raise VtnError("openadr.http_status", url=url, status=response.status, words=words)
        if len(content) > LARGEST_BYTES:
            raise VtnError("openadr.garbled", url=url, reason=f"> {LARGEST_BYTES} B")
        return content

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        certificates: ssl.SSLContext | bool = True
        if settings.vtn_url.startswith("https://"):
            certificates = client_context((settings.tls or HttpsTls()).as_tls(), self._folder)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=certificates),
            headers={"content-type": "application/xml"},
            timeout=aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S),
        )
        return self._session

    def _read(self, content: bytes) -> Answer:
        url, messaging = self._settings.vtn_url, self._messaging
        try:
            tree = messaging.validate_xml_schema(content)
        except Exception as error:  # lxml's errors have no common root beside this
            raise VtnError("openadr.garbled", url=url, reason=_one_line(error)) from error
        if self._settings.vtn_fingerprint:
            try:
                messaging.validate_xml_signature(tree, cert_fingerprint=self._settings.vtn_fingerprint)
            except Exception as error:  # an unsigned message is an AttributeError there
                raise VtnError("openadr.not_signed", url=url, reason=_one_line(error)) from error
        signed = tree.find("{*}oadrSignedObject")
        body = None if signed is None else next((one for one in signed if isinstance(one.tag, str)), None)
        if body is None:
            raise VtnError("openadr.garbled", url=url, reason="oadrSignedObject")
        return Answer(str(body.tag).rpartition("}")[2], body)

    async def close(self) -> None:
        """Let go of the connection; the next question dials anew, with certificates read anew."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)


def _escaped(value: Any) -> Any:
    """Texts as XML has them, all the way down: the library's templates do not."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {key: _escaped(one) for key, one in value.items()}
    return [_escaped(one) for one in value] if isinstance(value, list) else value


def _one_line(error: object) -> str:
    """Someone else's words, on one line and not too long."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:WORDS_LENGTH]
