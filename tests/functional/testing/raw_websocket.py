"""A WebSocket client without manners: every byte is the test's own."""
import asyncio
import base64
import json
import os
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def head(path="/ws/transcribe", extra=""):
    key = base64.b64encode(os.urandom(16)).decode()
    return (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n").encode()


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None):
    """RFC 6455, section 5.2. `length`: what the frame claims to hold."""
    length = len(payload) if length is None else length
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if length < 126:
        start = bytes([first, mask_bit | length])
    elif length < 1 << 16:
        start = struct.pack(">BBH", first, mask_bit | 126, length)
    else:
        start = struct.pack(">BBQ", first, mask_bit | 127, length)
    return start + (bytes(4) if masked else b"") + payload  # masked with zeros, which change nothing


def text(message):
    return frame(TEXT, message if isinstance(message, bytes) else json.dumps(message).encode())


class Refused(Exception):
    """The server has too much to do, and says so."""


class RawWebSocket:
    """One connection: `async with await RawWebSocket.connect(port) as client`."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.messages = []
        self.close_code = None

    @classmethod
    async def connect(cls, port):
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.abort()

    def abort(self):
        self.writer.transport.abort()

    @classmethod
    async def open(cls, port, path="/ws/transcribe", extra=""):
        """Upgraded; or Refused."""
        client = await cls.connect(port)
        await client.send(head(path, extra))
        answer = await client.reader.readuntil(b"\r\n\r\n")
        if answer.startswith(b"HTTP/1.1 503"):
            assert b"\r\nretry-after:" in answer.lower(), answer
            client.abort()
            raise Refused
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return client

    async def send(self, data):
        """Whether the server still took it."""
        try:
            self.writer.write(data)
            await self.writer.drain()
            return True
        except (ConnectionError, OSError):
            return False

    async def read_message(self):
        """The next text message as an object; None once the connection is over."""
        try:
            while True:
                first, length = await self.reader.readexactly(2)
                opcode = first & 15
                if length == 126:
                    length, = struct.unpack(">H", await self.reader.readexactly(2))
                elif length == 127:
                    length, = struct.unpack(">Q", await self.reader.readexactly(8))
                payload = await self.reader.readexactly(length)
                if opcode == CLOSE:
                    self.close_code, = struct.unpack(">H", payload[:2])
                    return None
                if opcode == TEXT:
                    self.messages.append(json.loads(payload))
                    return self.messages[-1]
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            return None

    async def read_all(self):
        """Until the server closes; the close code, None where it just went."""
        while await self.read_message() is not None:
            pass
        return self.close_code

    def codes(self):
        """Of the errors that the server told."""
        return [m["code"] for m in self.messages if m["type"] == "error"]
