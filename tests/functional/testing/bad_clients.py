"""Clients that are broken or hostile. Each is a function of (port, rng, speech) and asserts what it can about how the server
answers; raises raw_websocket.Refused where that had too much to do."""
import asyncio

from testing.live import add_up, cut
from testing.raw_websocket import BINARY, CLOSE, PING, TEXT, RawWebSocket, frame, head, text

END = text({"type": "end"})


async def half_open(port, rng, speech):
    """Connects and says nothing."""
    async with await RawWebSocket.connect(port):
        await asyncio.sleep(rng.uniform(0, 2))


async def half_a_head(port, rng, speech):
    async with await RawWebSocket.connect(port) as client:
        whole = head()
        await client.send(whole[:rng.randrange(1, len(whole))])
        await asyncio.sleep(rng.uniform(0, 2))


async def no_http(port, rng, speech):
    """Something else altogether."""
    async with await RawWebSocket.connect(port) as client:
        await client.send(rng.choice([
            rng.randbytes(rng.randrange(1, 4000)), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(300),
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", b"GET " + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", head().replace(b"Version: 13", b"Version: 99"),
            head().replace(b"Key: ", b"Key: x"), b"POST /ws/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\n"]))
        client.writer.write_eof()
        answer = await client.reader.read(1 << 16)
        assert not answer.startswith((b"HTTP/1.1 101", b"HTTP/1.1 5")), answer


async def never_reads(port, rng, speech):
    """Asks for much and takes none of it."""
    async with await RawWebSocket.open(port, "/ws/transcribe?language=en") as client:
        client.writer.transport.pause_reading()
        ask = text({"type": "update", "language": "en"}) * 500  # each answered with all settings
        for _ in range(rng.randrange(4, 20)):
            if not await client.send(ask):
                break
        await client.send(frame(BINARY, speech))
        await asyncio.sleep(rng.uniform(0, 1))


async def flood(port, rng, speech):
    """Many connections at once, gone at once."""
    clients = await asyncio.gather(*(RawWebSocket.connect(port) for _ in range(40)))
    for client in clients:
        if rng.random() < 0.5:
            client.writer.write(head())
    await asyncio.sleep(rng.uniform(0, 0.2))
    for client in clients:
        client.abort()


async def bytes_one_by_one(port, rng, speech):
    async with await RawWebSocket.open(port, "/?language=en&encoding=f32le") as client:
        audio = speech[:4 * rng.randrange(100, 500) + rng.randrange(4)]
        await client.send(b"".join(frame(BINARY, bytes([b])) for b in audio) + END)
        assert await client.read_all() == 1000
        account = client.messages[-1]["audio"]
        assert account["received"] == len(audio) // 4 == add_up(account), account


async def large_message(port, rng, speech):
    """64 MB, in one frame or in many."""
    async with await RawWebSocket.open(port) as client:
        piece = bytes(1 << 20)
        is_fragmented = rng.random() < 0.5
        if not is_fragmented:
            await client.send(frame(BINARY, length=64 << 20))
        for i in range(64):
            data = frame(0 if i else BINARY, piece, fin=i == 63) if is_fragmented else piece
            if not await client.send(data) or client.reader.at_eof():
                break
        await client.read_all()
        assert client.close_code in (1009, 1013, None)  # None: the server was gone before this was read


async def wrong_utf8(port, rng, speech):
    async with await RawWebSocket.open(port) as client:
        wrong = rng.choice([b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"])
        await client.send(frame(TEXT, b'{"type":"' + wrong + b'"}'))
        assert await client.read_all() == 1007


async def wrong_order(port, rng, speech):
    async with await RawWebSocket.open(port, "/ws/transcribe?language=en") as client:
        kind = rng.randrange(4)
        start = text({"type": "start", "language": "en"})
        if kind == 0:  # audio before start
            await client.send(frame(BINARY, speech[:8000]) + start)
            assert await client.read_all() == 1008 and client.codes() == ["bad_request"]
        elif kind == 1:  # start again and again
            await client.send(start * 5 + frame(BINARY, speech[:8000]) + END)
            assert await client.read_all() == 1000 and len([m for m in client.messages if m["type"] == "ready"]) == 6
        elif kind == 2:  # all sorts of things after the end
            await client.send(END + frame(BINARY, speech[:8000]) + start + END * 3 + text({"type": "finalize"}))
            assert await client.read_all() == 1000 and client.messages[-1]["audio"]["received"] == 0
        else:  # commands for what there is not
            await client.send(text({"type": "finalize"}) * 3 + text({"type": "update", "language": "en"}) + END)
            assert await client.read_all() == 1000


BAD_SETTINGS = [("silence_ms", 0), ("silence_ms", 10**9), ("silence_ms", -1), ("silence_ms", "much"), ("vad_threshold", 2),
                ("vad_threshold", "nan"), ("min_speech_ms", 1e99), ("channels", 0), ("channels", 99), ("sample_rate", 7999),
                ("sample_rate", 1 << 40), ("encoding", "mp3"), ("language", "xx"), ("task", "sing"), ("model", "../../etc"),
                ("beam_size", 10**6), ("chunk_s", 0), ("overlap_s", -1), ("format", "xml"), ("words", "maybe"),
                ("partial_interval_ms", 1), ("chunking", ""), ("no_such_thing", 1), ("prompt", "a" * 5000)]


async def bad_settings(port, rng, speech):
    name, value = rng.choice(BAD_SETTINGS)
    in_query = rng.random() < 0.5
    chunked = "chunking=fixed&" if name in ("chunk_s", "overlap_s") else ""
    async with await RawWebSocket.open(port, f"/ws/transcribe?{chunked}" + (f"{name}={value}" if in_query else "")) as client:
        if not in_query:
            await client.send(text({"type": "start", name: value}))
        assert await client.read_all() == 1008, (name, value, client.messages)
        error, = [m for m in client.messages if m["type"] == "error"]
        assert error["param"] == name, (name, value, error)


async def garbage_audio(port, rng, speech):
    encoding = rng.choice(["f32le", "s16le", "mulaw", "alaw", "opus", "auto", "webm", "ogg"])
    start = {"webm": b"\x1a\x45\xdf\xa3", "ogg": b"OggS\x00\x02"}.get(encoding, b"")
    query = "auto" if start else encoding
    garbage = start + rng.randbytes(rng.randrange(1, 60_000))
    if encoding == "f32le":  # a third of it no numbers
        garbage = rng.choice([b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\x00\x00\x80\xff"]) * 2000 + garbage
    async with await RawWebSocket.open(port, f"/ws/transcribe?language=en&encoding={query}") as client:
        await client.send(b"".join(frame(BINARY, piece) for piece in cut(garbage, rng.randrange(100, 5000))) + END)
        code = await client.read_all()
        assert code == (1008 if client.codes() else 1000), client.messages
        account = client.messages[-1]["audio"]
        assert account["received"] == add_up(account), account


async def vanishes(port, rng, speech):
    """In mid-sentence."""
    async with await RawWebSocket.open(port, "/ws/transcribe?language=en") as client:
        for piece in cut(speech[:4 * rng.randrange(8000, 48000)]):
            if not await client.send(frame(BINARY, piece)):
                break
            await asyncio.sleep(0.05)


async def broken_frames(port, rng, speech):
    """Against RFC 6455; a server fails the connection."""
    async with await RawWebSocket.open(port) as client:
        await client.send(rng.choice([
            frame(BINARY, b"unmasked", masked=False), frame(3, b"reserved"), frame(11, b"reserved control"),
            frame(PING, b"in pieces", fin=False), frame(PING, bytes(126)), frame(CLOSE, bytes(200)),
            frame(BINARY, b"compressed?", rsv=4), frame(TEXT, b"{}", rsv=2), frame(0, b"goes on from nothing"),
            frame(BINARY, b"a", fin=False) + frame(TEXT, b"{}"), frame(BINARY, length=1 << 63), frame(CLOSE, b"\x03"),
            frame(CLOSE, b"\x00\x05")]))
        code = await client.read_all()
        assert code in (1002, 1007, 1009), code


async def bad_commands(port, rng, speech):
    """JSON that means nothing; the twentieth ends it."""
    async with await RawWebSocket.open(port) as client:
        wrong = [b"", b"{", b"[]", b"null", b'"end"', b"{}", b'{"type":7}', b'{"type":"dance"}', b"[" * 5000, b"{\"a\":" * 5000,
                 b'{"type":"end"}{"type":"end"}', b'{"type":"' + b"x" * 100_000 + b'"}', b"1e999", b"\x00"]
        await client.send(b"".join(text(rng.choice(wrong)) for _ in range(25)))
        assert await client.read_all() == 1008
        assert len(client.codes()) == 21 and set(client.codes()) <= {"json_malformed", "bad_request"}, client.codes()


async def no_goodbye(port, rng, speech):
    """Never answers the server's close frame, or stops sending in the middle of a frame."""
    async with await RawWebSocket.open(port, "/ws/transcribe?language=en") as client:
        if rng.random() < 0.5:
            await client.send(frame(BINARY, speech[:20_000]) + END)
            assert await client.read_all() == 1000
        else:
            await client.send(frame(BINARY, speech[:20_000])[:rng.randrange(1, 20_000)])
            client.writer.write_eof()
            await client.read_all()
        await asyncio.sleep(rng.uniform(0, 0.5))


ALL = [half_open, half_a_head, no_http, never_reads, flood, bytes_one_by_one, large_message, wrong_utf8, wrong_order,
       bad_settings, garbage_audio, vanishes, broken_frames, bad_commands, no_goodbye]
