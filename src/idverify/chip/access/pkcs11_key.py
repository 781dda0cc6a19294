"""A terminal's key in a hardware security module or smart card, through PKCS #11 (OASIS PKCS #11 v2.40).

Needs the extra ``pkcs11`` (python-pkcs11) and the module's own library. The key never leaves the module: the hash is
made here, the signature there.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from idverify._secret import Secret
from idverify.crypto.signature import Scheme, SignatureAlgorithm, digest
from idverify.errors import ConfigurationError, TerminalKeyError

_HASHES: Final = ("sha1", "sha224", "sha256", "sha384", "sha512")


class Pkcs11TerminalKey:
    """A :class:`~idverify.chip.access.terminal_key.TerminalKey` in a PKCS #11 token.

    Holds a session with the token until :meth:`close`; also a context manager. Not thread-safe: one for each thread.
    Make one with :meth:`open`.
    """

    __slots__ = ("_key", "_session", "_token")

    def __init__(self, token: str, session: Any, key: Any) -> None:
        self._token = token
        self._session = session
        self._key = key

    def __repr__(self) -> str:
        return f"Pkcs11TerminalKey({self._token!r})"

    @classmethod
    def open(
        cls,
        module: Path | str,
        *,
        token: str,
        pin: Secret[str] | None = None,
        label: str | None = None,
        key_id: bytes | None = None,
    ) -> Self:
        """Log in to a token and find a private key.

        Args:
            module: the PKCS #11 library of the security module.
            token: label of the token.
            pin: the user's PIN; None where the token asks for none, or has a keypad.
            label, key_id: which private key; one of them, or both.

        Raises:
            ConfigurationError: the extra is not installed, the library cannot be loaded, or neither label nor
                identifier is given.
            TerminalKeyError: no such token or key, a wrong PIN, or several keys that fit.
        """
        if label is None and key_id is None:
            raise ConfigurationError("say which private key: its label or its identifier")
        try:
            import pkcs11
        except ImportError:
            raise ConfigurationError("PKCS #11 needs the extra: pip install idverify-emrtd[pkcs11]") from None
        try:
            library = pkcs11.lib(str(module))
        except (RuntimeError, OSError, pkcs11.PKCS11Error) as error:
            raise ConfigurationError(
                f"the PKCS #11 library {Path(module).name} cannot be loaded ({type(error).__name__})"
            ) from None
        wanted = {k: v for k, v in (("label", label), ("id", key_id)) if v is not None}
        try:
            session = library.get_token(token_label=token).open(user_pin=None if pin is None else pin.reveal())
            try:
                key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, **wanted)
            except pkcs11.PKCS11Error:
                session.close()
                raise
        except pkcs11.PKCS11Error as error:
            raise TerminalKeyError(f"the token does not give the key ({type(error).__name__})") from None
        return cls(token, session, key)

    def close(self) -> None:
        """Log out; idempotent."""
        import pkcs11

        session, self._session, self._key = self._session, None, None
        if session is not None:
            try:
                session.close()
            except pkcs11.PKCS11Error:
                return  # a token that was pulled out has logged out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """As :meth:`~idverify.chip.access.terminal_key.TerminalKey.sign`."""
        import pkcs11

        if self._key is None:
            raise TerminalKeyError("the session with the token is closed")
        try:
            if algorithm.scheme is Scheme.ECDSA_PLAIN:  # CKM_ECDSA signs a hash, and answers r ‖ s (§2.3.1)
                hashed = digest(algorithm.hash, message)
                return bytes(self._key.sign(hashed, mechanism=pkcs11.Mechanism.ECDSA))
            mechanism, parameters = _rsa(pkcs11, algorithm)
            return bytes(self._key.sign(message, mechanism=mechanism, mechanism_param=parameters))
        except (pkcs11.PKCS11Error, AttributeError, NotImplementedError) as error:  # keys lack what they cannot do
            raise TerminalKeyError(f"the token does not sign {algorithm} ({type(error).__name__})") from None


def _rsa(pkcs11: Any, algorithm: SignatureAlgorithm) -> tuple[Any, Any]:
    """CKM_SHA…_RSA_PKCS(_PSS) with its parameters (§2.1.6, §2.1.9)."""
    name = algorithm.hash
    if algorithm.scheme not in (Scheme.RSA_PKCS1, Scheme.RSA_PSS) or name not in _HASHES:
        raise TerminalKeyError(f"terminal authentication knows no {algorithm}")
    upper = "SHA1" if name == "sha1" else name.upper()
    if algorithm.scheme is Scheme.RSA_PKCS1:
        return pkcs11.Mechanism[f"{upper}_RSA_PKCS"], None
    inner = pkcs11.Mechanism["SHA_1" if name == "sha1" else upper]
    return pkcs11.Mechanism[f"{upper}_RSA_PKCS_PSS"], (inner, pkcs11.MGF[upper], algorithm.salt_length or 0)
