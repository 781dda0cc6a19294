"""The online check against a real HTTPS server on the loopback interface, with faults."""

from __future__ import annotations

import base64
import contextlib
import datetime
import gzip
import http.server
import ipaddress
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from idverify import Secret
from idverify.errors import ConfigurationError
from idverify.online import MAX_ANSWER, HttpDocumentCheck, HttpOptions, OnlineRequest
from idverify.report import CheckStatus, Reason

NUMBER = "079099000001"
NAME = "check.example"
REQUEST = OnlineRequest(signer_certificate=b"\x30\x03\x02\x01\x01", personal_number=Secret(NUMBER), device_id="D-1")
Answer = Callable[[dict[str, Any], http.server.BaseHTTPRequestHandler], tuple[int, bytes]]


def _certificate(
    folder: Path, name: str, *, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    ca = issuer is None
    usage = x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer[1] if issuer else key).public_key()),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(NAME)]),
            critical=False,
        )
    )
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key


class Service:
    """A document-check service whose answer each test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = _certificate(folder, "ca")
        _certificate(folder, "server", issuer=authority)
        _certificate(folder, "client", issuer=authority)
        self.answer: Answer = lambda body, handler: (200, b"{}")
        self.requests: list[dict[str, Any]] = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.requests.append(body)
                status, content = service.answer(body, self)
                if status:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                else:
                    self.connection.close()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/check"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def options(self, **changes: Any) -> HttpOptions:
        base = HttpOptions(
            url=self.url,
            certificate_authorities=self.folder / "ca.pem",
            client_certificate=self.folder / "client.pem",
            client_key=self.folder / "client.key",
            backoff=timedelta(milliseconds=1),
        )
        return replace(base, **changes)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path)
    yield running
    running.close()


def ask(options: HttpOptions, **injected: Any) -> Any:
    check = HttpDocumentCheck(options, **injected)
    try:
        return check.check(REQUEST)
    finally:
        check.close()


def verdict(value: object) -> Answer:
    return lambda body, handler: (200, json.dumps({"result": value, "transactionCode": "T-9"}).encode())


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("valid", CheckStatus.SUCCESSFUL),
        (True, CheckStatus.SUCCESSFUL),
        ("INVALID", CheckStatus.FAILED),
        (0, CheckStatus.FAILED),
        ("maybe", CheckStatus.UNDETERMINED),
        (None, CheckStatus.UNDETERMINED),
        ({"valid": True}, CheckStatus.UNDETERMINED),
    ],
)
def test_only_a_configured_verdict_counts(service: Service, value: object, status: CheckStatus) -> None:
    service.answer = verdict(value)
    result = ask(service.options())
    assert result.status is status
    sent = service.requests[0]
    assert base64.b64decode(sent["dsCert"]) == REQUEST.signer_certificate
    assert (sent["idCard"], sent["deviceId"]) == (NUMBER, "D-1")
    assert NUMBER not in repr(result)
    if status is not CheckStatus.UNDETERMINED:
        assert result.evidence["transaction"] == "T-9"


def test_faults_are_retried_and_a_later_answer_counts(service: Service) -> None:
    answers = iter([(503, b""), (0, b""), (200, b'{"result": "valid"}')])
    service.answer = lambda body, handler: next(answers)
    pauses: list[float] = []
    result = ask(service.options(backoff=timedelta(seconds=1)), sleep=pauses.append, uniform=lambda: 0.5)
    assert result.status is CheckStatus.SUCCESSFUL
    assert pauses == [1.0, 2.0]
    assert len({r["requestId"] for r in service.requests}) == 3


@pytest.mark.parametrize(
    ("answer", "tries"),
    [((503, b""), 3), ((0, b""), 3), ((404, b""), 1), ((302, b""), 1), ((200, b"<html>"), 3), ((200, b"[" * 9000), 3)],
)
def test_a_broken_service_is_undetermined(service: Service, answer: tuple[int, bytes], tries: int) -> None:
    service.answer = lambda body, handler: answer
    result = ask(service.options())
    assert (result.status, result.reason) == (CheckStatus.UNDETERMINED, Reason.SERVICE_UNREACHABLE)
    assert len(service.requests) == tries


def test_an_endless_answer_is_cut_off(service: Service) -> None:
    service.answer = lambda body, handler: (200, b'{"result": "valid", "x": "' + b"a" * MAX_ANSWER + b'"}')
    assert ask(service.options()).status is CheckStatus.UNDETERMINED


def test_a_packed_answer_is_not_unpacked(service: Service) -> None:
    """A few kilobytes that a server packs can stand for gigabytes here."""
    asked: list[str | None] = []

    def packed(body: dict[str, Any], handler: http.server.BaseHTTPRequestHandler) -> tuple[int, bytes]:
        asked.append(handler.headers["Accept-Encoding"])
        content = gzip.compress(b'{"result": "valid"}')
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n")
            handler.wfile.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        return 0, b""

    service.answer = packed
    options = service.options(headers={"accept-encoding": "gzip"}, attempts=1)
    result = ask(options)
    assert asked == ["identity"]
    assert (result.status, result.reason) == (CheckStatus.UNDETERMINED, Reason.SERVICE_UNREACHABLE)


def test_a_slow_service_ends_within_the_total_time(service: Service) -> None:
    release = threading.Event()

    def slow(body: dict[str, Any], handler: http.server.BaseHTTPRequestHandler) -> tuple[int, bytes]:
        release.wait(20)
        return 200, b'{"result": "valid"}'

    service.answer = slow
    start = time.monotonic()
    result = ask(service.options(read_timeout=timedelta(seconds=0.2), total_timeout=timedelta(seconds=0.5)))
    release.set()
    assert result.status is CheckStatus.UNDETERMINED
    assert time.monotonic() - start < 15, "it waited for the server instead of its own time-out"


@pytest.mark.parametrize("head", [b"X: ", b"Content-Length: 99999\r\n\r\n{"], ids=["header", "body"])
def test_an_answer_that_drips_is_cut_off(service: Service, head: bytes) -> None:
    """A byte now and then keeps every single read alive, in the header and in the body."""
    stop = threading.Event()

    def drip(body: dict[str, Any], handler: http.server.BaseHTTPRequestHandler) -> tuple[int, bytes]:
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + head)
            while not stop.wait(0.05):
                handler.wfile.write(b"a")
                handler.wfile.flush()
        return 0, b""

    service.answer = drip
    start = time.monotonic()
    result = ask(service.options(read_timeout=timedelta(seconds=5), total_timeout=timedelta(seconds=0.7)))
    taken = time.monotonic() - start
    stop.set()
    assert (result.status, result.reason) == (CheckStatus.UNDETERMINED, Reason.SERVICE_UNREACHABLE)
    assert len(service.requests) <= 2
    assert taken < 15, "a server that drips decides how long a check takes"


@pytest.mark.parametrize("odd", [b'"\\ud800"', b'"\xed\xa0\x80"', b'"\xff"'])
def test_an_answer_that_is_no_text_is_no_answer(service: Service, odd: bytes) -> None:
    """A lone surrogate would break the report, the signature's message, or the comparison of the request's id."""
    content = b'{"result": "valid", "requestId": ' + odd + b', "transactionCode": ' + odd + b"}"
    service.answer = lambda body, handler: (200, content)
    for options in (service.options(), service.options(echo_path="requestId")):
        result = ask(options)
        assert (result.status, result.reason) == (CheckStatus.UNDETERMINED, Reason.SERVICE_UNREACHABLE)


def test_a_reset_in_the_middle_of_an_answer(service: Service) -> None:
    def reset(body: dict[str, Any], handler: http.server.BaseHTTPRequestHandler) -> tuple[int, bytes]:
        handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"result": "val')
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return 0, b""

    service.answer = reset
    assert ask(service.options()).status is CheckStatus.UNDETERMINED
    assert len(service.requests) == 3


def test_nobody_listening_a_stranger_s_certificate_or_no_client_certificate(service: Service, tmp_path: Path) -> None:
    service.answer = verdict("valid")
    assert ask(service.options(url="https://127.0.0.1:1/x")).status is CheckStatus.UNDETERMINED
    other = tmp_path / "other"
    other.mkdir()
    _certificate(other, "ca")
    assert ask(service.options(certificate_authorities=other / "ca.pem")).status is CheckStatus.UNDETERMINED
    assert ask(service.options(client_certificate=None)).status is CheckStatus.UNDETERMINED
    assert service.requests == []


# ---- the name of the service -------------------------------------------------------------------------------------


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str, wait: Callable[[], object] = lambda: None) -> list[str]:
    """The system's resolver knows these addresses for every name; the names that it is asked for."""
    asked: list[str] = []
    genuine = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if str(host)[:1].isdigit():
            return genuine(host, port, *rest, **more)
        asked.append(host)
        wait()
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return found

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def named(service: Service, name: str = NAME, **changes: Any) -> HttpOptions:
    return service.options(url=f"https://{name}:{service.server.server_address[1]}/check", **changes)


def test_a_name_is_looked_up_once_an_attempt_and_stands_in_the_request(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts: list[str | None] = []

    def answer(body: dict[str, Any], handler: http.server.BaseHTTPRequestHandler) -> tuple[int, bytes]:
        hosts.append(handler.headers["Host"])
        return 200, b'{"result": "valid"}'

    service.answer = answer
    asked = names(monkeypatch, "127.0.0.1")
    assert ask(named(service)).status is CheckStatus.SUCCESSFUL
    assert (asked, hosts) == ([NAME], [f"{NAME}:{service.server.server_address[1]}"])


def test_the_certificate_must_be_that_of_the_name(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate names the address too; that is not what was asked for."""
    service.answer = verdict("valid")
    names(monkeypatch, "127.0.0.1")
    assert ask(named(service, "other.example")).status is CheckStatus.UNDETERMINED
    assert service.requests == []


def test_another_address_of_the_name_is_tried(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.answer = verdict("valid")
    names(monkeypatch, "127.0.0.2", "127.0.0.1")  # the service listens on the second one only
    assert ask(named(service, attempts=1)).status is CheckStatus.SUCCESSFUL
    assert len(service.requests) == 1


def test_an_answer_is_not_asked_of_the_next_address(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.answer = lambda body, handler: (403, b"")
    names(monkeypatch, "127.0.0.1", "127.0.0.1", "127.0.0.3")
    assert ask(named(service)).status is CheckStatus.UNDETERMINED
    assert len(service.requests) == 1


def test_a_name_that_nobody_knows_is_undetermined(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch)
    result = ask(named(service))
    assert (result.status, result.reason) == (CheckStatus.UNDETERMINED, Reason.SERVICE_UNREACHABLE)
    assert "looked up" in result.evidence["problem"]
    assert len(asked) == 3
    assert ask(service.options(url=f"https://{'a' * 70}.example/")).status is CheckStatus.UNDETERMINED


def test_a_resolver_that_hangs_ends_within_the_total_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be stopped; but nobody waits for it, nothing is sent once it answers, and it hangs only once."""
    service.answer = verdict("valid")
    release = threading.Event()
    asked = names(monkeypatch, "127.0.0.1", wait=lambda: release.wait(60))
    times = {"connect_timeout": timedelta(seconds=0.1), "total_timeout": timedelta(seconds=0.5)}
    check = HttpDocumentCheck(named(service, **times))
    start = time.monotonic()
    for _ in range(2):
        result = check.check(REQUEST)
        assert (result.status, result.reason) == (CheckStatus.UNDETERMINED, Reason.SERVICE_UNREACHABLE)
        assert "took too long" in result.evidence["problem"]
    assert time.monotonic() - start < 15, "it waited for the resolver"
    assert asked == [NAME]
    release.set()
    for thread in threading.enumerate():
        if thread.name == "idverify-name":
            thread.join(10)
    assert service.requests == []
    assert check.check(REQUEST).status is CheckStatus.SUCCESSFUL
    check.close()


def test_the_breaker_opens_and_closes_again(service: Service) -> None:
    now = [0.0]
    service.answer = lambda body, handler: (503, b"")
    options = service.options(attempts=1, breaker_failures=2, breaker_pause=timedelta(seconds=30))
    check = HttpDocumentCheck(options, clock=lambda: now[0])
    for _ in range(4):
        assert check.check(REQUEST).status is CheckStatus.UNDETERMINED
    assert len(service.requests) == 2
    now[0] = 31.0
    service.answer = verdict("valid")
    assert check.check(REQUEST).status is CheckStatus.SUCCESSFUL
    check.close()


def _pem(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


KEYS: dict[str, tuple[Any, Callable[[Any, bytes], bytes]]] = {
    "rsa": (
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        lambda k, m: k.sign(m, padding.PKCS1v15(), hashes.SHA256()),
    ),
    "ec": (ec.generate_private_key(ec.SECP256R1()), lambda k, m: k.sign(m, ec.ECDSA(hashes.SHA256()))),
    "ed25519": (ed25519.Ed25519PrivateKey.generate(), lambda k, m: k.sign(m)),
}


@pytest.mark.parametrize("kind", KEYS)
def test_signed_answers(service: Service, kind: str) -> None:
    key, sign = KEYS[kind]
    options = service.options(answer_key=_pem(key), echo_path="requestId", attempts=1)

    def answer(body: dict[str, Any], *, verdict: str = "valid", claimed: str | None = None, **more: str) -> bytes:
        message = "|".join((body["requestId"], verdict, "T-1")).encode()
        signature = base64.b64encode(sign(key, message)).decode()
        content = {"requestId": body["requestId"], "result": claimed or verdict, "transactionCode": "T-1"}
        return json.dumps(content | {"signature": signature} | more).encode()

    service.answer = lambda body, handler: (200, answer(body))
    result = ask(options)
    assert (result.status, result.evidence["signed"]) == (CheckStatus.SUCCESSFUL, "yes")
    service.answer = lambda body, handler: (200, answer(body, verdict="invalid"))
    assert ask(options).status is CheckStatus.FAILED
    for forged in (
        lambda body, handler: (200, answer(body, verdict="invalid", claimed="valid")),
        lambda body, handler: (200, answer(body, signature="")),
        lambda body, handler: (200, answer(body, signature="AAAA")),
        lambda body, handler: (200, answer(body, transactionCode="T-2")),
    ):
        service.answer = forged
        result = ask(options)
        assert (result.status, result.reason) == (CheckStatus.UNDETERMINED, Reason.SIGNATURE_INVALID)
    old = answer({"requestId": "an earlier one"})
    service.answer = lambda body, handler: (200, old)
    assert ask(options).status is CheckStatus.UNDETERMINED


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://127.0.0.1/x"},
        {"url": "https://user:secret@127.0.0.1/x"},
        {"attempts": 0},
        {"answer_key": b"x"},
        {"answer_key": b"x", "echo_path": "requestId"},
        {"answer_key": b"x", "echo_path": "requestId", "signed_paths": ("result",)},
        {"certificate_authorities": Path("missing.pem")},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        HttpDocumentCheck(HttpOptions(**({"url": "https://127.0.0.1/x"} | changes)))
