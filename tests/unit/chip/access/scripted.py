"""A card that plays a script of published commands and responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.vectors import unhex

from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU


class ScriptedCard:
    """Answers each expected command, byte for byte, with its response; anything else fails the test.

    ``None`` as a command accepts whatever comes.
    """

    def __init__(self, script: Sequence[tuple[str | None, str]]) -> None:
        self.script = list(script)
        self.sent: list[CommandAPDU] = []

    @classmethod
    def of(cls, example: dict[str, object]) -> ScriptedCard:
        apdus = example["apdus"]
        assert isinstance(apdus, list)
        return cls([(a["command"], a["response"]) for a in apdus])

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        assert self.script, f"one command too many: {command!r}"
        expected, response = self.script.pop(0)
        if expected is not None:
            assert command.to_bytes().hex() == expected
        self.sent.append(command)
        return ResponseAPDU.parse(unhex(response))


def feed(*values: str) -> Callable[[int], bytes]:
    """A random source that gives these bytes, one value a call, each as long as asked for."""
    rest = [unhex(v) for v in values]

    def rng(count: int) -> bytes:
        value = rest.pop(0)
        assert len(value) == count, f"{count} bytes asked for, {len(value)} in the example"
        return value

    return rng
