"""Threads that take turns: one runs at a time, and a seed says who is next, so that a history can be told again.

A player is a controller, or what it does on one of its hosts. Whoever reaches a moment gives its turn away.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")


def shut() -> threading.Lock:
    """A gate that lets one thread through each time that another one opens it by `release`."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class Player:
    """Something that takes turns; `who` is the controller that it belongs to, `awake` says whether that one goes on."""

    def __init__(self, body: Callable[[], Any], awake: Callable[[], bool]) -> None:
        self.awake = awake
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.children: tuple[Player, ...] = ()
        self.gate = shut()
        self._body = body

    @property
    def ready(self) -> bool:
        """True when it may have the next turn."""
        return not self.done and self.awake() and all(child.done for child in self.children)

    def play(self) -> None:
        """The body, from its first turn on."""
        self.gate.acquire()
        try:
            self.result = self._body()
        except BaseException as error:
            self.error = error
        self.done = True


class Turns:
    """Gives the turns. Outside of `play` nobody runs; `playing` are those that are given in this process now."""

    playing: "Turns"

    def __init__(self) -> None:
        self._players: list[Player] = []
        self._current: Player | None = None
        self._back = shut()

    def join(self, body: Callable[[], Any], awake: Callable[[], bool]) -> Player:
        """A new player with BODY, which begins when it gets a turn."""
        player = Player(body, awake)
        self._players.append(player)

        def run() -> None:
            player.play()
            self._back.release()

        threading.Thread(target=run, daemon=True).start()
        return player

    def play(self, seed: int) -> None:
        """Give turns until nobody is ready: all are done, or asleep."""
        random = Random(seed)
        Turns.playing = self
        while ready := [player for player in self._players if player.ready]:
            self._current = random.choice(ready)
            self._current.gate.release()
            self._back.acquire()
            self._players = [player for player in self._players if not player.done]
        self._current = None

    def turn(self) -> None:
        """Give the turn away, and go on with the next one; for whoever plays."""
        player = self._current
        assert player is not None
        self._back.release()
        player.gate.acquire()

    def all(self, bodies: Sequence[Callable[[], T]]) -> Iterator[T]:
        """The results of BODIES, which take turns with everybody else, in their order."""
        parent = self._current
        assert parent is not None
        if len(bodies) == 1:
            yield bodies[0]()
            return
        children = parent.children = tuple(self.join(body, parent.awake) for body in bodies)
        self.turn()
        for child in children:
            if child.error is not None:
                raise child.error
            yield child.result


class Pool(Executor):
    """What stands for the ThreadPoolExecutor of a run and of a batch, as far as they use it."""

    def __init__(self, _: int) -> None:
        self._turns = Turns.playing

    def map(
        self, fn: Callable[..., T], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[T]:
        """The results of FN, as ThreadPoolExecutor.map gives them."""
        return iter(list(self._turns.all([partial(fn, *words) for words in zip(*iterables, strict=True)])))
