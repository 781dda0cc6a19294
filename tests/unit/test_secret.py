"""Secrets are shown only on purpose."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback

import pytest

from idverify._secret import REDACTED, Secret

VALUE = "NGUYEN<<VAN<A"


@pytest.mark.parametrize("show", [repr, str, format, lambda s: f"{s:>40}", lambda s: f"{s!r}", lambda s: "%s" % s])  # noqa: UP031
def test_no_way_to_text_reveals(show: object) -> None:
    assert show(Secret(VALUE)) == REDACTED  # type: ignore[operator]


def test_reveal_and_map() -> None:
    secret = Secret(VALUE)
    assert secret.reveal() == VALUE
    assert secret.map(len).reveal() == len(VALUE)
    assert isinstance(secret.map(len), Secret)


def test_dataclasses_keep_it_wrapped() -> None:
    @dataclasses.dataclass
    class Holder:
        name: Secret[str]

    holder = Holder(Secret(VALUE))
    assert VALUE not in repr(holder)
    assert VALUE not in repr(dataclasses.asdict(holder))
    assert dataclasses.asdict(holder)["name"].reveal() == VALUE


def test_copies_are_the_same_secret() -> None:
    secret = Secret(bytearray(b"key"))
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_is_refused(protocol: int) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(VALUE), protocol)


def test_json_is_refused() -> None:
    with pytest.raises(TypeError):
        json.dumps({"name": Secret(VALUE)})


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (b"key", b"key", True),
        (b"key", b"kez", False),
        (VALUE, VALUE, True),
        ("Nguyễn", "Nguyễn", True),
        ("Nguyễn", "Nguyen", False),
        (b"1", "1", False),
        (5, 5, True),
        ((1,), (2,), False),
    ],
)
def test_equality_is_that_of_the_values(left: object, right: object, equal: bool) -> None:
    assert (Secret(left) == Secret(right)) is equal


def test_it_equals_nothing_unwrapped_and_has_neither_hash_nor_truth() -> None:
    secret = Secret(VALUE)
    assert secret != VALUE
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError, match="truth"):
        bool(secret)


def test_errors_and_logs_do_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(VALUE)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").debug("%s %r", secret, [secret])
    assert VALUE not in caplog.text
    try:
        raise ValueError(secret)
    except ValueError:
        assert VALUE not in traceback.format_exc()


def test_no_attributes_can_be_added() -> None:
    with pytest.raises(AttributeError):
        Secret(VALUE).other = 1  # type: ignore[attr-defined]
