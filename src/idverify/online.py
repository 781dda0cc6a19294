"""The online check of the document signer, pluggable.

National services (in Viet Nam the check of the DS certificate, reached through licensed integrators) take the document
signer certificate with a number and a device id, and answer whether it is in force. The wire format differs between
integrators, so :class:`HttpDocumentCheck` takes the names of fields as configuration. A service that cannot be reached,
answers nonsense, or whose signature does not verify leaves the check ``undetermined``: never a pass.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from idverify._logging import get_logger
from idverify._secret import Secret
from idverify.errors import ConfigurationError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

if TYPE_CHECKING:
    import httpx

MAX_ANSWER: Final = 256 * 1024
_PLAIN: Final = {"Accept-Encoding": "identity"}
_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineRequest:
    """What an online check may send.

    Attributes:
        signer_certificate: DER of the document signer certificate out of EF.SOD.
        personal_number: the holder's number.
        device_id: identity of the counter's device.
    """

    signer_certificate: bytes = field(repr=False)
    personal_number: Secret[str]
    device_id: str


class OnlineDocumentCheck(Protocol):
    """Asks a service about the document signer. Implementations are thread-safe and never raise for a bad network."""

    def check(self, request: OnlineRequest) -> CheckResult:
        """One ``online.ds`` result."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """Configuration of :class:`HttpDocumentCheck`.

    Attributes:
        url: the service, ``https://`` only.
        certificate_field, number_field, device_field, request_field: names in the request's JSON object; an empty name
            leaves the value out.
        headers: further request headers (API keys); never logged.
        verdict_path: dotted path of the verdict in the answer's JSON object.
        valid, invalid: values of the verdict; anything else is undetermined.
        transaction_path: dotted path of the service's transaction code, kept as evidence; empty for none.
        echo_path: dotted path where the answer repeats the request id; where given, another id is no answer.
        certificate_authorities: PEM file of the accepted server CAs; None for the system's.
        client_certificate, client_key: PEM files for mutual TLS.
        answer_key: PEM public key (RSA, EC, Ed25519) that signs answers; None where answers are not signed.
        signature_path: dotted path of the base64 signature in the answer.
        signed_paths: dotted paths whose values, joined with ``separator``, are what is signed. With an answer key they
            must include ``verdict_path`` and ``echo_path``.
        separator: between signed values.
        connect_timeout, read_timeout, total_timeout: bounds of one attempt's phases and of all attempts together; that
            of connecting bounds the look-up of the name too, and then each address that it has.
        attempts: tries in all, 1 … 10.
        backoff: mean wait before the second try; doubles with each further one; jittered between half and one and a
            half of it.
        breaker_failures, breaker_pause: after so many unreachable checks in a row none is tried for that long.
    """

    url: str
    certificate_field: str = "dsCert"
    number_field: str = "idCard"
    device_field: str = "deviceId"
    request_field: str = "requestId"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verdict_path: str = "result"
    valid: tuple[str, ...] = ("valid", "true", "1")
    invalid: tuple[str, ...] = ("invalid", "false", "0")
    transaction_path: str = "transactionCode"
    echo_path: str = ""
    certificate_authorities: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    answer_key: bytes | None = None
    signature_path: str = "signature"
    signed_paths: tuple[str, ...] = ("requestId", "result", "transactionCode")
    separator: str = "|"
    connect_timeout: timedelta = timedelta(seconds=2)
    read_timeout: timedelta = timedelta(seconds=5)
    total_timeout: timedelta = timedelta(seconds=10)
    attempts: int = 3
    backoff: timedelta = timedelta(milliseconds=300)
    breaker_failures: int = 5
    breaker_pause: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ConfigurationError("the online check needs an https:// address")
        if "@" in self.url.removeprefix("https://").partition("/")[0]:
            raise ConfigurationError("the address of the online check holds a password; it belongs into the headers")
        if not 1 <= self.attempts <= 10:
            raise ConfigurationError(f"attempts must be 1 … 10, got {self.attempts}")
        if self.answer_key is not None:
            if not self.request_field or not self.echo_path:
                raise ConfigurationError(
                    "signed answers need a request id that the answer repeats, or they can be replayed"
                )
            missing = {self.verdict_path, self.echo_path} - set(self.signed_paths)
            if missing:
                raise ConfigurationError(f"signed_paths must include {', '.join(sorted(missing))}")


class _UnreachableError(Exception):
    """One attempt got no usable answer; the text is safe to show."""

    def __init__(self, text: str, *, retry: bool = True) -> None:
        super().__init__(text)
        self.retry = retry


class _NotConnectedError(_UnreachableError):
    """Nobody at this address; the service may have others."""


class _Names:
    """Looks names up with a time-out, which the system's resolver does not know.

    A look-up that hangs cannot be stopped: it stays on a thread of its own, and whoever asks meanwhile waits for the
    same one, so that there are never two.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Future[list[str]] | None = None

    def look_up(self, name: str, port: int, seconds: float) -> list[str]:
        """The addresses of a host, in the order in which to try them.

        Raises:
            _UnreachableError: there are none, or the answer took longer than ``seconds``.
        """
        with self._lock:
            running = self._running
            if running is None or running.done():
                running = self._running = Future()
                threading.Thread(
                    target=self._resolve, args=(name, port, running), name="idverify-name", daemon=True
                ).start()
        try:
            return running.result(timeout=seconds)
        except TimeoutError:
            raise _UnreachableError("the look-up of the service's name took too long") from None
        except (OSError, UnicodeError) as error:
            raise _UnreachableError(f"the service's name cannot be looked up ({type(error).__name__})") from None

    @staticmethod
    def _resolve(name: str, port: int, found: Future[list[str]]) -> None:
        try:
            answers = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            found.set_exception(error)
        else:
            found.set_result(list(dict.fromkeys(str(answer[4][0]) for answer in answers)))


class HttpDocumentCheck:
    """An online check over HTTPS with time-outs, retries with jitter, a circuit breaker and signed answers.

    Args:
        options: the configuration.
        clock: monotonic seconds.
        sleep: waits between tries.
        uniform: random number in [0, 1) for the jitter.

    Raises:
        ConfigurationError: ``httpx`` is not installed, or a key or certificate file cannot be used.
    """

    def __init__(
        self,
        options: HttpOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[], float] = lambda: secrets.randbelow(1 << 30) / (1 << 30),
    ) -> None:
        self._options = options
        self._clock, self._sleep, self._uniform = clock, sleep, uniform
        self._key = _load_key(options.answer_key)
        self._client = _client(options)
        self._names = _Names()
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_until = float("-inf")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self, request: OnlineRequest) -> CheckResult:
        """Ask the service; never raises for a bad network or a bad answer."""
        if self._clock() < self._closed_until:
            return _undetermined("circuit breaker is open after repeated failures")
        deadline = self._clock() + self._options.total_timeout.total_seconds()
        problem = "no attempt was made"
        for attempt in range(self._options.attempts):
            if attempt:
                pause = self._options.backoff.total_seconds() * 2 ** (attempt - 1) * (0.5 + self._uniform())
                if self._clock() + pause >= deadline:
                    break
                self._sleep(pause)
            try:
                result = self._attempt(request, deadline)
            except _UnreachableError as error:
                problem = str(error)
                _LOG.info("online check, attempt %d: %s", attempt + 1, problem)
                if not error.retry:
                    break
                continue
            self._note(reached=True)
            return result
        self._note(reached=False)
        return _undetermined(problem)

    def _note(self, *, reached: bool) -> None:
        with self._lock:
            self._failures = 0 if reached else self._failures + 1
            if self._failures >= self._options.breaker_failures:
                self._closed_until = self._clock() + self._options.breaker_pause.total_seconds()
                self._failures = 0

    def _attempt(self, request: OnlineRequest, deadline: float) -> CheckResult:
        import httpx

        options, request_id = self._options, secrets.token_hex(16)
        body = {
            options.certificate_field: base64.b64encode(request.signer_certificate).decode(),
            options.number_field: request.personal_number.reveal(),
            options.device_field: request.device_id,
            options.request_field: request_id,
        }
        body.pop("", None)
        remaining = deadline - self._clock()
        if remaining <= 0:
            raise _UnreachableError("no time left", retry=False)
        url = httpx.URL(options.url)
        name = url.raw_host.decode("ascii")
        bound = min(options.connect_timeout.total_seconds(), remaining)
        problem = _UnreachableError("the service has no address")
        for address in self._names.look_up(name, url.port or 443, bound):
            try:
                raw = self._exchange(url.copy_with(host=address), name, body, deadline)
            except _NotConnectedError as error:
                problem = error
                continue
            return self._judge(raw, request_id)
        raise problem

    def _exchange(self, url: httpx.URL, name: str, body: Mapping[str, str], deadline: float) -> bytes:
        """One request to one address of the service; the certificate must be that of ``name``."""
        import httpx

        options, remaining = self._options, deadline - self._clock()
        if remaining <= 0:
            raise _UnreachableError("no time left", retry=False)
        timeout = httpx.Timeout(
            min(options.read_timeout.total_seconds(), remaining),
            connect=min(options.connect_timeout.total_seconds(), remaining),
        )
        raw, connection = bytearray(), _Connection()
        headers = {**_PLAIN, "Host": httpx.URL(options.url).netloc.decode("ascii")}
        extensions = {"trace": connection.trace, "sni_hostname": name}
        try:
            with (
                connection.cut_after(remaining),
                self._client.stream(
                    "POST", url, json=body, headers=headers, timeout=timeout, extensions=extensions
                ) as response,
            ):
                if response.status_code >= 500 or response.status_code == 429:
                    raise _UnreachableError(f"the service answered HTTP {response.status_code}")
                if response.status_code != 200:
                    raise _UnreachableError(f"the service answered HTTP {response.status_code}", retry=False)
                for chunk in response.iter_raw():  # never unpacked: a few bytes can stand for gigabytes
                    raw += chunk
                    if len(raw) > MAX_ANSWER:
                        raise _UnreachableError(f"the answer is larger than {MAX_ANSWER} bytes", retry=False)
                    if self._clock() >= deadline:
                        raise _UnreachableError("the answer took too long", retry=False)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            connecting = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            kind = _NotConnectedError if connecting else _UnreachableError
            raise kind(f"the service cannot be reached ({type(error).__name__})") from None
        return bytes(raw)

    def _judge(self, raw: bytes, request_id: str) -> CheckResult:
        options = self._options
        try:
            answer = json.loads(raw.decode("utf-8"))
            json.dumps(answer, ensure_ascii=False).encode()  # lone surrogates are no text
        except (ValueError, RecursionError):
            raise _UnreachableError("the answer is no JSON") from None
        if options.echo_path and not hmac.compare_digest(
            _text(answer, options.echo_path).encode(), request_id.encode()
        ):
            raise _UnreachableError("the answer is to another request")
        evidence = {"signed": "yes" if self._key else "no"}
        transaction = _text(answer, options.transaction_path) if options.transaction_path else ""
        if transaction:
            evidence["transaction"] = transaction[:100]
        if self._key is not None:
            message = options.separator.join(_text(answer, path) for path in options.signed_paths).encode()
            if not _signed(self._key, _text(answer, options.signature_path), message):
                return _undetermined("the signature of the answer does not verify", Reason.SIGNATURE_INVALID)
        verdict = _text(answer, options.verdict_path).lower()
        if verdict in {v.lower() for v in options.valid}:
            return CheckResult(check=CheckId.ONLINE_DS, status=CheckStatus.SUCCESSFUL, evidence=evidence)
        if verdict in {v.lower() for v in options.invalid}:
            return CheckResult(
                check=CheckId.ONLINE_DS, status=CheckStatus.FAILED, reason=Reason.SERVICE_REJECTED, evidence=evidence
            )
        return _undetermined("the answer has no verdict that is configured")


class _Connection:
    """The connection of one attempt, cut when the time is over: a time-out of reading ends no answer that drips."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Notes the socket of the connection that httpcore opens."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    @contextlib.contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """Cut the connection once ``seconds`` have passed."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # of the plain socket: the TLS object belongs to the other thread
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _undetermined(problem: str, reason: Reason = Reason.SERVICE_UNREACHABLE) -> CheckResult:
    return CheckResult(
        check=CheckId.ONLINE_DS, status=CheckStatus.UNDETERMINED, reason=reason, evidence={"problem": problem}
    )


def _text(answer: object, path: str) -> str:
    """The scalar at a dotted path as text; empty where there is none."""
    value: Any = answer
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ""


_Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


def _load_key(pem: bytes | None) -> _Key | None:
    if pem is None:
        return None
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        raise ConfigurationError("the answer key is no PEM public key") from None
    if not isinstance(key, _Key):
        raise ConfigurationError("the answer key must be an RSA, EC or Ed25519 key")
    return key


def _signed(key: _Key, signature: str, message: bytes) -> bool:
    """RSA PKCS#1 v1.5 or ECDSA with SHA-256, or Ed25519, over the joined values."""
    try:
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, message, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(raw, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _client(options: HttpOptions) -> httpx.Client:
    try:
        import httpx
    except ImportError:
        raise ConfigurationError("the online check needs httpx: pip install 'idverify-emrtd[online]'") from None
    try:
        context = ssl.create_default_context(
            cafile=str(options.certificate_authorities) if options.certificate_authorities else None
        )
        if options.client_certificate:
            context.load_cert_chain(options.client_certificate, options.client_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"a certificate or key file of the online check cannot be used: {error}") from None
    return httpx.Client(
        verify=context,
        headers=dict(options.headers),
        follow_redirects=False,
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),  # a connection of its own for each attempt: it may be cut
    )
