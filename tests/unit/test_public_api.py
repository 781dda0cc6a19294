"""What `import idverify` gives, and what it costs."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import idverify

PUBLIC = {
    "AccessPassword", "Attempt", "CheckId", "CheckResult", "CheckStatus", "Consent", "CounterPool", "Decision",
    "DocumentSession", "Event", "FaceMatcher", "FaceTemplate", "FileId", "Health", "Holder", "LiveChallenge",
    "MatchScore", "MemoryTransport", "Outcome", "PasswordKind", "Phase", "Policy", "Progress", "ReadOptions", "Reason",
    "Requirement", "Retries", "RetryCause", "Secret", "SessionSummary", "SoftCard", "Stage", "State", "Transport",
    "TrustStore", "VerificationReport", "VerificationResult", "__version__", "averify", "errors", "health",
    "list_readers", "open_reader", "verify", "verify_document", "verify_files",
}  # fmt: skip


def test_the_public_names_are_pinned() -> None:
    assert set(idverify.__all__) == PUBLIC
    assert sorted(idverify.__all__) == dir(idverify)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(idverify, name)
    assert value is getattr(idverify, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'magic'"):
        _ = idverify.magic


def modules_after(statement: str) -> set[str]:
    """Top-level modules that are loaded in a fresh interpreter after the statement."""
    code = f"{statement}; import sys; print(*{{m.partition('.')[0] for m in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not modules_after("import idverify") & {"onnxruntime", "cv2", "numpy", "cryptography", "asn1crypto", "typer"}


@pytest.mark.parametrize(
    "statement",
    [
        "from idverify import verify, verify_files, TrustStore, DocumentSession, open_reader",
        "from idverify import FaceMatcher; FaceMatcher()",
        "import idverify.emulator",
    ],
)
def test_models_and_pictures_are_loaded_on_first_use_only(statement: str) -> None:
    assert not modules_after(statement) & {"onnxruntime", "cv2", "matplotlib", "smartcard"}


def test_a_server_without_a_reader_needs_no_transport() -> None:
    code = (
        "import idverify.chip.pki.passive_auth, idverify.chip.pki.trust_store, sys;"
        "print(*[m for m in sys.modules if m.startswith('idverify.chip.')])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not [m for m in loaded if m.startswith(("idverify.chip.transport", "idverify.chip.access"))]


def test_errors_are_one_tree_and_drawn_in_the_docstring() -> None:
    module = importlib.import_module("idverify.errors")
    classes = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Exception)]
    assert all(issubclass(c, module.IdVerifyError) for c in classes)
    assert not [c.__name__ for c in classes if c.__name__ not in (module.__doc__ or "")]
