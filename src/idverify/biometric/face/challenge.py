"""Active challenge: the person does what could not be known before; a picture cannot.

The actions are drawn at random and must be done one after another, in time, by one unbroken face. Turning the head
shifts the nose against eyes and mouth, as only a face with depth does: a print or a screen turned by the same angle
keeps its proportions, as does one that is moved, tilted or held nearer. Every challenge therefore holds at least one
turn; a blink adds what could not be known before, and proves less. What this cannot refuse: a mask, a video made while
the challenge is posed, frames fed in behind the camera.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import urandom
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.face.actions import TURNS, Action, Prompt, pick
from idverify.biometric.face.blink import FRAMES, MIN_INTER_EYE, BlinkWatch, Grey
from idverify.biometric.face.detect import DetectedFace
from idverify.biometric.face.measures import head_pose
from idverify.errors import ConfigurationError

LIMITS: Final = (
    "refuses still pictures, prints and screens that are moved or turned, and a change of person; "
    "no masks, no video made while the challenge is posed, no frames fed in behind the camera; not tried on people"
)
"""What must be said wherever a passed challenge is shown."""

_SECOND: Final = 0.6
"""Share of a turn that the second look must see: cut out and enlarged, a turned face looks less so."""


class ChallengeState(enum.Enum):
    """Where a challenge stands."""

    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


class ChallengeReason(enum.StrEnum):
    """Why it ended so; stable codes."""

    OK = "ok"
    TIME_OUT = "time-out"
    WRONG_ACTION = "wrong-action"
    FACE_LOST = "face-lost"
    FACE_JUMPED = "face-jumped"
    SEVERAL_FACES = "several-faces"
    FROZEN = "frozen"
    FACE_CHANGED = "face-changed"
    END_OF_STREAM = "end-of-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeOptions:
    """How strict a challenge is.

    Attributes:
        actions: number of actions, 1 … 5.
        turn: degrees of yaw beyond the straight look, after :func:`~idverify.biometric.face.quality.head_pose`, that
            count as turned. Flat pictures, shifted and turned by 45 degrees, were seen to pretend up to 18 at the first
            look, and up to 10 at both.
        neutral: degrees of yaw within which the first look counts as straight; later ones must come back to that look
            within half the turn.
        closer: growth of the face that counts as nearer.
        seconds: for each action, and for looking straight before it.
        frames: consecutive frames that must agree, at least 2: one frame may lie.
        gap: longest time in seconds without a face.
        jump: farthest that the face's centre may move between two frames, in widths of the face, and largest growth or
            shrinking as a factor less one.
        frozen: consecutive identical frames that tell a still picture fed in as a stream.
        fmr: false match rate up to which the face that did each action must match the straight one.
        blink: whether a blink is among the actions. One that is not seen in time, or cannot be told on this face
            (too small, too few straight looks), is no failure: a turn is asked in its place.
    """

    actions: int = 2
    turn: float = 16.0
    neutral: float = 15.0
    closer: float = 1.3
    seconds: float = 6.0
    frames: int = 2
    gap: float = 0.5
    jump: float = 0.5
    frozen: int = 5
    fmr: float = 1e-3
    blink: bool = True

    def __post_init__(self) -> None:
        """Raises ConfigurationError where a value is out of its range."""
        if not (1 <= self.actions <= 5 and 0 < self.neutral <= 30 and 10 <= self.turn < 60 and 1.1 <= self.closer <= 3):
            raise ConfigurationError("challenge: 1 to 5 actions, neutral up to 30, turn 10 to 60, closer 1.1 to 3")
        if not (self.seconds > 0 and self.frames >= 2 and self.gap > 0 and self.jump > 0 and self.frozen >= 2):
            raise ConfigurationError("challenge: times and limits are positive, frames and frozen at least 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one frame showed.

    Attributes:
        at: seconds on the frames' clock.
        face: the main face, or None.
        rivals: number of other faces of comparable size.
        digest: of the frame's pixels.
        again: landmarks of a second look at the face, :func:`~idverify.biometric.face.steady.look_again`; None where
            there was none. Where it is there, both must say that the head is turned.
        eyes: the face as :func:`~idverify.biometric.face.blink.eye_view` gives it; None where nobody looks at eyes.
    """

    at: float
    face: DetectedFace | None
    rivals: int = 0
    digest: bytes = field(repr=False)
    again: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    eyes: Grey | None = field(default=None, repr=False, compare=False)


class ActiveChallenge:
    """One challenge to one person, as a state machine without a clock of its own. Not thread-safe; use it once.

    Between actions the person looks straight again, so that each is done on purpose.
    """

    def __init__(
        self,
        actions: Sequence[Action],
        options: ChallengeOptions | None = None,
        *,
        rng: Callable[[int], bytes] = urandom,
        twice: bool = False,
    ) -> None:
        """Takes the actions, from :func:`draw_actions`.

        Args:
            actions: what is asked.
            options: how strict.
            rng: source of what is asked in place of a blink.
            twice: whether faces that it :meth:`doubts` come with a second look; then they count for nothing without.

        Raises:
            ConfigurationError: no turn among the actions, or none at all.
        """
        self.options = options if options is not None else ChallengeOptions()
        self._rng, self._twice = rng, twice
        self.unseen = 0
        """Blinks that were asked for and not seen; turns took their places."""
        self.actions = tuple(actions)
        if not any(a in TURNS for a in self.actions):
            raise ConfigurationError("a challenge without a turn could be passed by a picture")
        self.state, self.reason = ChallengeState.RUNNING, ChallengeReason.OK
        self._done, self._straight = 0, True  # actions done; whether looking straight is awaited
        self._held = self._wrong = self._same = 0
        self._since: float | None = None
        self._last: Observation | None = None
        self._seen: Observation | None = None
        self._width = 0.0
        self._ahead: float | None = None  # yaw of the straight look
        self._again: float | None = None  # and of the second look at it
        self._sum, self._sums = 0.0, [0.0, 0.0]
        self._blink = BlinkWatch()

    @property
    def watching(self) -> bool:
        """Whether the frames are to come with the eyes: a blink is awaited, now or next."""
        return self.state is ChallengeState.RUNNING and self.actions[self._done] is Action.BLINK

    def doubts(self, face: DetectedFace) -> bool:
        """Whether a second look at this face is wanted: at the first straight look, and where the head seems turned."""
        if self.state is not ChallengeState.RUNNING:
            return False
        yaw = head_pose(face.landmarks)[0]
        return self._ahead is None or (not self._straight and abs(yaw - self._ahead) >= self.options.turn)

    @property
    def prompt(self) -> Prompt:
        """What is awaited now."""
        if self.state is ChallengeState.PASSED:
            return Prompt.DONE
        return Prompt.LOOK_STRAIGHT if self._straight else Prompt(self.actions[self._done].value)

    @property
    def done(self) -> int:
        """Actions that have been done."""
        return self._done

    def feed(self, seen: Observation) -> ChallengeState:
        """Takes the next frame; after the end it changes nothing."""
        if self.state is not ChallengeState.RUNNING:
            return self.state
        reason = self._flaw(seen)
        self._seen = seen
        if reason is not ChallengeReason.OK:
            return self._end(ChallengeState.FAILED, reason)
        if seen.face is None:
            self._held = 0
            return self.state
        self._last = seen
        return self._advance(seen.face, seen)

    def fail(self, reason: ChallengeReason) -> None:
        """Ends it from outside: the stream ended, or the face is another person's."""
        self._end(ChallengeState.FAILED, reason)

    def _end(self, state: ChallengeState, reason: ChallengeReason) -> ChallengeState:
        self.state, self.reason = state, reason
        return state

    def _flaw(self, seen: Observation) -> ChallengeReason:
        """What ends the challenge at once: time, a broken track, a second person, a frozen stream."""
        options = self.options
        self._since = seen.at if self._since is None else self._since
        self._same = self._same + 1 if self._seen is not None and self._seen.digest == seen.digest else 0
        if self._same >= options.frozen - 1:
            return ChallengeReason.FROZEN
        if self._seen is not None and not seen.at >= self._seen.at:
            return ChallengeReason.TIME_OUT
        if not seen.at - self._since <= options.seconds:
            if not self._awaits_blink:
                return ChallengeReason.TIME_OUT  # also where the clock gives no number
            self._turn_instead(seen.at)
        if seen.rivals:
            return ChallengeReason.SEVERAL_FACES
        if self._last is None or self._last.face is None:
            return ChallengeReason.OK
        if seen.at - self._last.at > options.gap:
            return ChallengeReason.FACE_LOST
        if seen.face is not None and _jumped(self._last.face, seen.face, options.jump):
            return ChallengeReason.FACE_JUMPED
        return ChallengeReason.OK

    @property
    def _awaits_blink(self) -> bool:
        return not self._straight and self.actions[self._done] is Action.BLINK

    def _turn_instead(self, at: float) -> None:
        """A blink was not seen, or cannot be: a turn takes its place, so that no honest person fails by it."""
        turns = [a for a in TURNS if self._done == 0 or a is not self.actions[self._done - 1]]
        self.actions = (*self.actions[: self._done], pick(turns, self._rng), *self.actions[self._done + 1 :])
        self.unseen += 1
        self._held = self._wrong = 0
        self._since = at

    def _advance(self, face: DetectedFace, seen: Observation) -> ChallengeState:
        at, yaw = seen.at, head_pose(face.landmarks)[0]
        needed = self.options.frames
        if self._straight:
            self._look(yaw, seen)
            if self.actions[self._done] is Action.BLINK:
                needed = self._learn_eyes(face, seen)
        else:
            self._act(self._turned(yaw, seen), face, seen)
        if self.state is not ChallengeState.RUNNING or self._held < needed:
            return self.state
        if self._straight:
            self._straight, self._width = False, face.box[2]
            if self._ahead is None:
                self._ahead = self._sum / self._held
                self._again = self._sums[0] / self._sums[1] if self._sums[1] else None
        else:
            self._done, self._straight = self._done + 1, True
        self._held, self._since, self._sum = 0, at, 0.0
        if self._done == len(self.actions):
            return self._end(ChallengeState.PASSED, ChallengeReason.OK)
        return self.state

    def _turned(self, yaw: float, seen: Observation) -> float:
        """Degrees from the straight look; of a second look, the less of both, and 0 where they disagree."""
        first = yaw - (self._ahead or 0.0)
        if seen.again is None or self._again is None:
            return 0.0 if self._twice and abs(first) >= self.options.turn else first
        second = head_pose(seen.again)[0] - self._again
        both = min(abs(first), abs(second) / _SECOND) if first * second > 0 else 0.0
        return both if first > 0 else -both

    def _look(self, yaw: float, seen: Observation) -> None:
        """Counts a frame that looks straight."""
        if self._ahead is None:
            straight = abs(yaw) <= self.options.neutral and (seen.again is not None or not self._twice)
        else:
            straight = abs(yaw - self._ahead) <= self.options.turn / 2
        self._held, self._sum = (self._held + 1, self._sum + yaw) if straight else (0, 0.0)
        if not straight:
            self._sums = [0.0, 0.0]
        elif seen.again is not None:
            self._sums = [self._sums[0] + head_pose(seen.again)[0], self._sums[1] + 1]

    def _learn_eyes(self, face: DetectedFace, seen: Observation) -> int:
        """Keeps a straight look for the blink that comes next; how many are needed in a row."""
        if self._held == 1:
            self._blink = BlinkWatch()
        if seen.eyes is None or face.inter_eye < MIN_INTER_EYE:
            self._turn_instead(seen.at)
            return self.options.frames
        if self._held:
            self._blink.look(seen.eyes)
        return max(self.options.frames, FRAMES)

    def _act(self, yaw: float, face: DetectedFace, seen: Observation) -> None:
        """Counts a frame that does what is asked, or its opposite."""
        self._wrong = self._wrong + 1 if self._opposes(yaw) else 0
        if self._awaits_blink:  # the whole course of it is one event
            blinked = seen.eyes is not None and self._blink.feed(seen.eyes, seen.at)
            self._held = self.options.frames if blinked else 0
        else:
            self._held = self._held + 1 if self._meets(yaw, face) else 0
        if self._wrong >= self.options.frames:
            self._end(ChallengeState.FAILED, ChallengeReason.WRONG_ACTION)

    def _meets(self, yaw: float, face: DetectedFace) -> bool:
        action = self.actions[self._done]
        if action is Action.COME_CLOSER:
            return face.box[2] >= self.options.closer * self._width and abs(yaw) <= self.options.turn
        # The camera looks at the person: who turns to the left moves the nose to the image's right.
        return (yaw if action is Action.TURN_LEFT else -yaw) >= self.options.turn

    def _opposes(self, yaw: float) -> bool:
        action = self.actions[self._done]
        if action not in TURNS:
            return abs(yaw) >= self.options.turn
        return (yaw if action is Action.TURN_LEFT else -yaw) <= -self.options.turn


def _jumped(before: DetectedFace, after: DetectedFace, limit: float) -> bool:
    a, b = before.box, after.box
    across, down = a[0] + a[2] / 2 - b[0] - b[2] / 2, a[1] + a[3] / 2 - b[1] - b[3] / 2
    width = max(min(a[2], b[2]), 1e-6)
    return float((across**2 + down**2) ** 0.5) > limit * width or max(a[2], b[2]) > (1 + limit) * width
