"""What a challenge asks for: the actions, how they are drawn, and the words for them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from os import urandom
from types import MappingProxyType
from typing import Final

from idverify.errors import ConfigurationError

_DRAWS: Final = 200


class Action(enum.StrEnum):
    """What is asked of the person; left and right are the person's own."""

    TURN_LEFT = "turn-left"
    TURN_RIGHT = "turn-right"
    COME_CLOSER = "come-closer"
    BLINK = "blink"


TURNS: Final = (Action.TURN_LEFT, Action.TURN_RIGHT)
PROMPTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "look-straight": {"en": "Look straight into the camera", "vi": "Hãy nhìn thẳng vào máy ảnh"},
        "turn-left": {"en": "Turn your head to your left", "vi": "Hãy quay đầu sang trái"},
        "turn-right": {"en": "Turn your head to your right", "vi": "Hãy quay đầu sang phải"},
        "come-closer": {"en": "Come closer to the camera", "vi": "Hãy lại gần máy ảnh hơn"},
        "blink": {
            "en": "Close both eyes for a moment, then open them",
            "vi": "Hãy nhắm cả hai mắt một lát rồi mở ra",
        },
        "done": {"en": "Thank you", "vi": "Cảm ơn"},
    }
)
"""Prompts in plain words, by key and language."""


class Prompt(enum.StrEnum):
    """What the person is asked to do now; the keys of :data:`PROMPTS`."""

    LOOK_STRAIGHT = "look-straight"
    TURN_LEFT = "turn-left"
    TURN_RIGHT = "turn-right"
    COME_CLOSER = "come-closer"
    BLINK = "blink"
    DONE = "done"

    def text(self, language: str = "en") -> str:
        """In plain words.

        Raises:
            ConfigurationError: no such language.
        """
        if language not in PROMPTS[self]:
            raise ConfigurationError("prompts are spoken in 'en' and 'vi'")
        return PROMPTS[self][language]


def draw_actions(count: int, rng: Callable[[int], bytes] = urandom, *, blink: bool = True) -> tuple[Action, ...]:
    """Actions at random, at least one turn among them, never the same twice in a row; every such row is as likely.

    Args:
        count: how many.
        rng: source of randomness.
        blink: whether a blink is among the actions.

    Raises:
        ConfigurationError: count is not 1 to 5, or the source of randomness is broken.
    """
    if not 1 <= count <= 5:
        raise ConfigurationError("a challenge has 1 to 5 actions")
    among = [a for a in Action if blink or a is not Action.BLINK]
    for _ in range(_DRAWS):
        actions = [pick(TURNS if count == 1 else among, rng)]
        while len(actions) < count:
            actions.append(pick([a for a in among if a is not actions[-1]], rng))
        if any(a in TURNS for a in actions):
            return tuple(actions)
    raise ConfigurationError("the source of randomness gives one value for ever")


def pick(choices: Sequence[Action], rng: Callable[[int], bytes]) -> Action:
    """One of the choices, evenly, by rejection.

    Raises:
        ConfigurationError: the source of randomness is broken.
    """
    limit = 256 - 256 % len(choices)
    for _ in range(64):
        value = rng(1)[0]
        if value < limit:
            return choices[value % len(choices)]
    raise ConfigurationError("the source of randomness gives one value for ever")
