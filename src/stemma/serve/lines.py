"""What a keeper and a worker ask each other, and answer: lines of JSON, each way."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson

Action = Callable[..., Coroutine[Any, Any, Any]]


class Lines:
    """One end.

    Args:
        write: says something to the other.
        actions: what it may ask for, by name.
        ended: the answer to whom it answers no more.
    """

    def __init__(self, write: Callable[[bytes], object], actions: Mapping[str, Action], ended: str) -> None:
        self._write, self._actions, self._ended = write, actions, ended
        self._numbers, self._open = itertools.count(), dict[int, asyncio.Future[Any]]()
        self._is_over, self.tasks = False, set[asyncio.Task[Any]]()

    async def ask(self, action: str, *arguments: Any) -> Any:
        if self._is_over:
            return self._ended
        number, told = next(self._numbers), asyncio.get_running_loop().create_future()
        self._open[number] = told
        self._say(asked=number, action=action, arguments=arguments)
        return await told

    async def hear(self, other: asyncio.StreamReader) -> None:
        """Until it has no more to say."""
        while line := await other.readline():
            message = orjson.loads(line)
            if "asked" in message:
                self.begin(self._answer(**message))
            else:
                self._tell(message["answered"], message["told"])
        self._is_over = True
        for number in list(self._open):
            self._tell(number, self._ended)

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have something done beside; it is held in `tasks` until it is."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, asked: int, action: str, arguments: list[Any]) -> None:
        self._say(answered=asked, told=await self._actions[action](*arguments))

    def _say(self, **message: Any) -> None:
        self._write(orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS) + b"\n")

    def _tell(self, number: int, told: Any) -> None:
        asked = self._open.pop(number)
        if not asked.done():  # who asked may have been interrupted
            asked.set_result(told)
