"""A WebSocket over TLS for tests that do one thing after the other."""
import asyncio
import contextlib

import websockets


class Blocking:
    """A connection whose loop runs only while something is waited for."""

    def __init__(self, runner, connection):
        self._runner, self._connection = runner, connection

    def _run(self, awaitable, timeout_s):
        async def limited():
            async with asyncio.timeout(timeout_s):
                return await awaitable
        return self._runner.run(limited())

    def send(self, message, timeout_s=120):
        self._run(self._connection.send(message), timeout_s)

    def recv(self, timeout_s=120):
        return self._run(self._connection.recv(), timeout_s)

    def __iter__(self):
        """Until the other side closes."""
        with contextlib.suppress(websockets.ConnectionClosedOK):
            while True:
                yield self.recv()

    @property
    def close_code(self):
        return self._connection.close_code


@contextlib.contextmanager
def connect(url, **options):
    """The package's own synchronous client reads in one thread and writes in another, which OpenSSL does not allow: on a busy
    machine it now and then loses what was written while the server's session tickets were read, and the server waits for
    the request for ever."""
    with asyncio.Runner() as runner:
        async def open_connection():
            return await websockets.connect(url, open_timeout=60, ping_interval=None, **options)

        connection = runner.run(open_connection())
        try:
            yield Blocking(runner, connection)
        finally:
            runner.run(connection.close())
