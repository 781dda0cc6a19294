from __future__ import annotations

import os

import pytest
from tests.vectors import load, unhex

from idverify.crypto import _libcrypto, dh
from idverify.crypto.dh import GROUPS, DhGroup
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError

every_group = pytest.mark.parametrize("group", GROUPS, ids=lambda g: str(g.parameter_id))


@every_group
def test_parameters_are_a_group(group: DhGroup) -> None:
    assert group.q is not None
    for prime in (group.p, group.q):
        assert all(pow(base, prime - 1, prime) == 1 for base in (2, 3, 5, 7))
    assert (group.p - 1) % group.q == 0
    assert group.g != 1
    assert pow(group.g, group.q, group.p) == 1


def test_group_0_is_the_one_of_the_published_example() -> None:
    example = load("pace_dh_gm")
    parameters = example["domain_parameters"]
    group = dh.by_parameter_id(0)
    assert (group.p, group.g, group.q) == tuple(int(parameters[k], 16) for k in "pgq")
    mapping = example["map_nonce"]
    secret = int(mapping["terminal_private_key"], 16)
    assert group.encode(group.power(group.g, secret)).hex() == mapping["terminal_public_key"]
    chip = group.decode(unhex(mapping["chip_public_key"]))
    assert group.encode(group.power(chip, secret)).hex() == mapping["shared_secret_h"]


@every_group
@pytest.mark.parametrize("library", [True, False])
def test_powers_of_both_ways(group: DhGroup, library: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not library:
        monkeypatch.setattr(_libcrypto, "_library", lambda: None)
    elif not _libcrypto.has_power():
        pytest.skip("no OpenSSL library of the system here")
    else:
        monkeypatch.setattr(dh, "pow", None, raising=False)  # not in Python
    assert _libcrypto.has_power() is library
    assert group.q is not None
    powers = [group.power(group.g, secret) for secret in (1, 2, 3, group.q - 1)]
    monkeypatch.undo()
    assert powers == [pow(group.g, secret, group.p) for secret in (1, 2, 3, group.q - 1)]
    unknown = DhGroup("", None, group.p, group.g, None)
    secret = unknown.draw_private(os.urandom)
    assert unknown.power(group.g, secret) == pow(group.g, secret, group.p)


@every_group
def test_agreement_and_blinding(group: DhGroup) -> None:
    a, b = group.draw_private(os.urandom), group.draw_private(os.urandom)
    left, right = pow(group.g, a, group.p), pow(group.g, b, group.p)
    assert group.power(right, a) == group.power(left, b) == pow(group.g, a * b, group.p)


@every_group
def test_bad_elements_are_refused(group: DhGroup) -> None:
    p = group.p
    bad = [0, 1, p - 1, p, p + 4]
    bad.append(next(x for x in range(2, 50) if pow(x, group.q or 1, p) != 1))  # outside the subgroup
    for element in bad:
        with pytest.raises(MalformedDataError):
            group.decode(element.to_bytes(group.size, "big"))
    for data in (b"", bytes(group.size + 2)):
        with pytest.raises(MalformedDataError):
            group.decode(data)
    assert group.decode(b"\0" + group.encode(group.g)) == group.g


def test_explicit_parameters() -> None:
    known = GROUPS[2]
    assert dh.from_explicit(p=known.p, g=known.g) is known
    assert dh.from_explicit(p=known.p, g=known.g, q=known.q) is known
    other = dh.from_explicit(p=known.p, g=4)
    assert other.q is None
    assert other.parameter_id is None
    assert other.power(4, 3) == 64
    assert 0 < other.draw_private(os.urandom) < 1 << 512
    with pytest.raises(MalformedDataError):
        other.check(known.p - 1)


@pytest.mark.parametrize(
    "change", [{"p": 23}, {"p": GROUPS[0].p + 1}, {"g": 1}, {"g": GROUPS[0].p - 1}, {"q": 7}, {"q": GROUPS[1].q}]
)
def test_explicit_parameters_that_cannot_be_used(change: dict[str, int]) -> None:
    parameters = {"p": GROUPS[0].p, "g": GROUPS[0].g} | change
    with pytest.raises(UnsupportedAlgorithmError):
        dh.from_explicit(**parameters)


def test_unknown_identifier() -> None:
    with pytest.raises(UnsupportedAlgorithmError):
        dh.by_parameter_id(3)
