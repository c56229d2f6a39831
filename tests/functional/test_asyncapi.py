"""docs/live.asyncapi.yaml against real sessions: what goes over the wire is described, what is described goes over the
wire, and docs/protocol.md says the same."""
import contextlib
import json
import pathlib
import re
import struct
import threading
import time

import pytest

import speech
from testing.server import Server

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: see requirements.txt")
referencing = pytest.importorskip("referencing", reason="referencing is not installed: see requirements.txt")
yaml = pytest.importorskip("yaml", reason="pyyaml is not installed: see requirements.txt")
websocket = pytest.importorskip("websockets.sync.client", reason="websockets is not installed: see requirements.txt")
from websockets.exceptions import ConnectionClosed  # noqa: E402

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENT = yaml.safe_load((ROOT / "docs" / "live.asyncapi.yaml").read_text())
REGISTRY = referencing.Registry().with_resource(
    "urn:live", referencing.Resource(DOCUMENT, referencing.jsonschema.DRAFT7))
CLOSE_CODES = DOCUMENT["channels"]["transcribe"]["x-close-codes"]

NOT_PROVOKED = {
    1011: "takes a defect of the server",
    1013: "takes 256 MiB of incomplete messages; src/server/websocket_test.cc has it with a lower limit",
}


def resolve(node):
    while "$ref" in node:
        target = DOCUMENT
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


def names_of(operation):
    """Of the messages of an operation, those of components/messages."""
    channel = DOCUMENT["channels"]["transcribe"]["messages"]
    return [channel[m["$ref"].rpartition("/")[2]]["$ref"].rpartition("/")[2] for m in DOCUMENT["operations"][operation]["messages"]]


FROM_CLIENT, FROM_SERVER = names_of("receive"), names_of("send")
PAYLOADS = {name: message["payload"] for name, message in DOCUMENT["components"]["messages"].items()}
VALIDATORS = {name: jsonschema.Draft7Validator({"$ref": f"urn:live#/components/messages/{name}/payload"}, registry=REGISTRY)
              for name in PAYLOADS}


def type_of(name):
    return PAYLOADS[name].get("properties", {}).get("type", {}).get("const")


def described_fields(schema, prefix=""):
    """Every member that an object of the schema can have, with its path."""
    schema = resolve(schema)
    for name, member in schema.get("properties", {}).items():
        yield f"{prefix}.{name}"
        yield from described_fields(member, f"{prefix}.{name}")
    if "items" in schema:
        yield from described_fields(schema["items"], prefix + "[]")


def present_fields(value, prefix=""):
    if isinstance(value, dict):
        for name, member in value.items():
            yield f"{prefix}.{name}"
            yield from present_fields(member, f"{prefix}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from present_fields(item, prefix + "[]")


class Traffic:
    """What went over the wire in all sessions, and whatever of it is not described."""

    def __init__(self):
        self.messages, self.fields, self.problems, self.close_codes = set(), set(), [], set()
        self.reasons = {"final": set(), "end": set()}
        self.error_codes = set()

    def note(self, names, message):
        """`message`: an object, a text, or None for audio; the latter two have no type, and each direction one of them."""
        kind = message.get("type") if isinstance(message, dict) else None
        name = next((name for name in names if type_of(name) == kind), None)
        if name is None:
            self.problems.append(f"no such message is described: {message}")
            return
        self.messages.add(name)
        self.fields.update(present_fields(message, name))
        if message is not None:
            self.problems += [f"{name}{error.json_path[1:]}: {error.message}" for error in VALIDATORS[name].iter_errors(message)]
        if name in self.reasons:
            self.reasons[name].add(message["reason"])
        if name == "error":
            self.error_codes.add(message["code"])


class Session:
    """A WebSocket whose messages are noted, in both directions."""

    def __init__(self, traffic, server, query=""):
        self.traffic, self.is_text = traffic, "format=text" in query
        self.received, self.changed = [], threading.Condition()
        self.socket = websocket.connect(f"ws://127.0.0.1:{server.port}/ws/transcribe{query}", open_timeout=60, close_timeout=60)

    def __enter__(self):
        self.socket.__enter__()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.wait_closed()
        self.socket.__exit__(None, None, None)
        self.reader.join()

    def __getattr__(self, name):
        return getattr(self.socket, name)

    def _read(self):
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = self.socket.recv()
                message = message if self.is_text else json.loads(message)
                self.traffic.note(FROM_SERVER, message)
                with self.changed:
                    self.received.append(message)
                    self.changed.notify_all()
        self.traffic.close_codes.add(self.socket.close_code)

    def of(self, kind):
        return [m for m in self.received if m["type"] == kind]

    def wait(self, kind, count=1):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.of(kind)) >= count, 60), f"no {kind}: {self.received}"
        return self.of(kind)[-1]

    def wait_closed(self):
        self.reader.join(60)
        assert not self.reader.is_alive(), f"still open: {self.received}"

    def say(self, kind, **members):
        message = {"type": kind} | members
        self.traffic.note(FROM_CLIENT, message)
        self.socket.send(json.dumps(message))

    def audio(self, data, seconds_per_piece=0.0):
        """In pieces of a tenth of a second of float32, with so long a pause behind each."""
        self.traffic.note(FROM_CLIENT, None)
        for start in range(0, len(data), 6400):
            self.socket.send(data[start:start + 6400])
            if seconds_per_piece:
                time.sleep(seconds_per_piece)


ALL_SETTINGS = {"encoding": "f32le", "sample_rate": 16000, "channels": 1, "language": "en", "task": "transcribe",
                "model": "tiny.en", "prompt": "", "hotwords": "", "beam_size": 1, "words": True, "partial_interval_ms": 200,
                "vad_threshold": 0.5, "silence_ms": 400, "min_speech_ms": 200, "chunking": "vad", "chunk_s": 3, "overlap_s": 0.5,
                "format": "json", "full_transcript": True}


def speak(traffic, server, clips):
    """Settings, words, partials, finals by silence and at the end; an update and a ping in between."""
    for _ in range(5):
        with Session(traffic, server) as session:
            session.say("start", **ALL_SETTINGS)
            session.wait("ready", 2)
            session.audio(speech.to_float(clips[0].samples + speech.silence(0.6)), 0.025)
            session.say("update", language="auto")
            session.wait("ready", 3)
            session.say("ping")
            session.wait("pong")
            session.audio(speech.to_float(clips[1].samples), 0.025)
            session.say("end")
        if session.of("partial"):  # on a busy machine there may be none
            return
    traffic.problems.append("there is no partial")


def speak_on_two_channels(traffic, server, clips):
    """s16le, of which one byte comes late."""
    with Session(traffic, server, "?encoding=s16le&channels=2&partial_interval_ms=200") as session:
        session.audio(speech.interleave(clips[0].samples, speech.silence(1) + clips[1].samples), 0.012)
        session.say("finalize")
        session.audio(speech.interleave(clips[2].samples, clips[2].samples)[:-1])
        session.audio(b"\0")
        session.say("end")
    assert {final["channel"] for final in session.of("final")} == {0, 1}


def speak_in_other_ways(traffic, server, clips, reading):
    with Session(traffic, server, "?chunking=fixed&chunk_s=2&overlap_s=0.4&full_transcript=0") as session:
        session.audio(speech.to_float(clips[0].samples))
        session.say("end")
    with Session(traffic, server, "?silence_ms=5000&words=1&language=auto") as session:
        session.audio(speech.to_float(reading.samples))
        session.say("end")
    with Session(traffic, server, "?format=text") as session:
        session.audio(speech.to_float(clips[0].samples))
        session.say("end")
    assert session.received and all(isinstance(text, str) for text in session.received)
    # Too loud, not a number, too short.
    with Session(traffic, server) as session:
        session.audio(struct.pack("<4f", 2, float("nan"), float("-inf"), -3) + bytes(64000))
        session.audio(speech.to_float(clips[0].samples)[64000:72000] + bytes(64000))
        session.say("end")
    end = session.of("end")[-1]
    assert (end["not_finite"], end["clipped"]) == (2, 2) and end["audio"]["dropped"], end


def stop_in_mid_speech(traffic, server, clips):
    with Session(traffic, server) as session:
        session.audio(speech.to_float(clips[0].samples)[:4 * 2 * speech.RATE])
        assert session.wait("final")["reason"] == "stalled"
        session.say("end")


def misbehave(traffic, server):
    """Each way ends the connection."""
    def frame(opcode, payload):  # masked with zeros
        return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload

    with Session(traffic, server) as session:
        for _ in range(20):
            session.socket.send("no JSON")
    assert session.of("end")[-1]["reason"] == "bad_request" and len(session.of("error")) == 21
    with Session(traffic, server) as session:
        with contextlib.suppress(ConnectionClosed):  # before all was sent
            session.audio(b"OggS" + bytes(range(256)) * 1024)
    assert session.of("end")[-1]["reason"] == "audio_corrupt"
    for data in (frame(1, b"\xff"), frame(3, b"")):
        with Session(traffic, server) as session:
            session.wait("ready")
            session.socket.socket.sendall(data)
    with Session(traffic, server) as session:
        with contextlib.suppress(ConnectionClosed):
            session.socket.send(bytes(70_000))


def be_left(traffic, stenod, folder, clips):
    with Server(stenod, folder, "--model", "tiny.en", "--live-idle-timeout-s", 1) as server:
        with Session(traffic, server) as session:
            pass
        assert session.of("end")[-1]["reason"] == "idle_timeout"
        with Session(traffic, server) as session:
            session.audio(speech.to_float(clips[0].samples))
            assert server.stop() == 0
        assert session.of("end")[-1]["reason"] == "shutting_down" and session.of("warning")


@pytest.fixture(scope="module")
def server(stenod, weights, tmp_path_factory):
    with Server(stenod, tmp_path_factory.mktemp("asyncapi"), "--model", "tiny.en", "--server-max-message-bytes", 65536) as running:
        yield running


@pytest.fixture(scope="module")
def traffic(stenod, server, reading, tmp_path_factory):
    clips = speech.librivox_clips()
    found = Traffic()
    speak(found, server, clips)
    speak_on_two_channels(found, server, clips)
    speak_in_other_ways(found, server, clips, reading)
    stop_in_mid_speech(found, server, clips)
    misbehave(found, server)
    be_left(found, stenod, tmp_path_factory.mktemp("left"), clips)
    return found


# What goes over the wire


@pytest.mark.model
def test_every_message_is_as_described(traffic):
    assert traffic.problems == []


@pytest.mark.model
def test_all_that_is_described_was_seen(traffic):
    assert traffic.messages == set(FROM_CLIENT + FROM_SERVER)
    described = {field for name in PAYLOADS for field in described_fields(PAYLOADS[name], name)}
    assert described - traffic.fields == set()
    assert set(CLOSE_CODES) - traffic.close_codes == set(NOT_PROVOKED)
    assert traffic.close_codes <= set(CLOSE_CODES)
    assert set(PAYLOADS["final"]["properties"]["reason"]["enum"]) == traffic.reasons["final"]


@pytest.mark.model
@pytest.mark.parametrize("text, code, param", [
    ('{"type":"start","silence_m":500}', "invalid_argument", "silence_m"),
    ('{"type":"start","encoding":"mp3"}', "invalid_argument", "encoding"),
    ('{"type":"start","sample_rate":7999}', "invalid_argument", "sample_rate"),
    ('{"type":"start","sample_rate":16000.5}', "invalid_argument", "sample_rate"),
    ('{"type":"start","channels":9}', "invalid_argument", "channels"),
    ('{"type":"start","words":"yes"}', "invalid_argument", "words"),
    ('{"type":"start","task":"summarise"}', "invalid_argument", "task"),
    ('{"type":"start","chunking":"none"}', "invalid_argument", "chunking"),
    ('{"type":"start","chunk_s":26}', "invalid_argument", "chunk_s"),
    ('{"type":"start","overlap_s":-0.1}', "invalid_argument", "overlap_s"),
    ('{"type":"start","vad_threshold":"0.5"}', "invalid_argument", "vad_threshold"),
    ('{"type":"start","format":"xml"}', "invalid_argument", "format"),
    ('{"type":"start","partial_interval_ms":20}', "invalid_argument", "partial_interval_ms"),
    ('{"type":"start","language":1}', "invalid_argument", "language"),
    ('{"type":"start","beam_size":9}', "invalid_argument", "beam_size"),
    ('{"type":"start","prompt":1}', "invalid_argument", "prompt"),
    ('{"type":"start","hotwords":["stenod"]}', "invalid_argument", "hotwords"),
    ('{"type":"update","words":true}', "invalid_argument", "words"),
    ('{"type":"finalize","now":true}', "bad_request", "type"),
    ('{"type":"end","reason":"done"}', "bad_request", "type"),
    ('{"type":"stop"}', "bad_request", "type"),
    ('{"type":7}', "bad_request", "type"),
    ('{}', "bad_request", "type"),
    ('[]', "bad_request", "type"),
])
def test_what_is_not_described_is_refused(server, text, code, param):
    message = json.loads(text)
    clients = [name for name in FROM_CLIENT if type_of(name)]
    assert not any(VALIDATORS[name].is_valid(message) for name in clients)
    found = Traffic()
    with Session(found, server) as session:
        session.socket.send(text)
        error = session.wait("error")
        if code == "bad_request":  # the session goes on
            session.say("end")
    assert (error["code"], error["param"]) == (code, param)
    assert found.problems == []


@pytest.mark.model
def test_defaults_are_those_in_force(server):
    with Session(Traffic(), server) as session:
        ready = session.wait("ready")
        session.say("end")
    settings = DOCUMENT["components"]["schemas"]["Settings"]["properties"]
    in_force = {name: ready[name] for name in settings}
    assert in_force == {name: setting.get("default", "tiny.en") for name, setting in settings.items()}


# What else says the same


def test_the_document_refers_to_itself_rightly():
    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node
            node = list(node.values())
        if isinstance(node, list):
            for member in node:
                yield from references(member)
    found = list(references(DOCUMENT))
    assert found and all(resolve(node) is not None for node in found)
    for schema in [*PAYLOADS.values(), *DOCUMENT["components"]["schemas"].values()]:
        jsonschema.Draft7Validator.check_schema(schema)


def test_error_codes_are_those_of_the_registry():
    registry = re.findall(r'STENOD_ERROR\(k\w+, "(\w+)"', (ROOT / "src" / "base" / "error_codes.def").read_text())
    assert len(registry) > 80 and DOCUMENT["components"]["schemas"]["ErrorCode"]["enum"] == registry


def rows(heading):
    """The tables' rows of a section of docs/protocol.md, as lists of cells."""
    text = (ROOT / "docs" / "protocol.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| message |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def quoted(text):
    return re.findall(r"`([^`]+)`", text)


def test_the_settings_are_those_of_the_prose():
    properties = dict(DOCUMENT["components"]["schemas"]["Settings"]["properties"])
    for names, default, text in rows("Settings")[1:]:
        names = quoted(names) + [name for name in quoted(text) if name in ("chunk_s", "overlap_s")]
        for name, value in zip(names, [d.strip("` ") for d in default.split(",")]):
            setting = properties.pop(name)
            if "default" in setting:
                assert value == ("empty" if setting["default"] == "" else json.dumps(setting["default"]).strip('"')), name
        for name in names:
            properties.pop(name, None)
    assert properties == {}


def test_the_messages_are_those_of_the_prose():
    said = {json.loads(quoted(row[0])[0].replace(", settings…", ""))["type"] if "{" in row[0] else None
            for row in rows("From the client")}
    assert said == {type_of(name) for name in FROM_CLIENT}
    said = {quoted(row[0])[0]: set(quoted(row[1])) for row in rows("From the server")}
    assert set(said) == {type_of(name) for name in FROM_SERVER if type_of(name)}
    for name, words in said.items():
        fields = {field.rpartition(".")[2] for field in described_fields(PAYLOADS[name], "")} - {"type"}
        if name == "ready":
            fields -= set(DOCUMENT["components"]["schemas"]["Settings"]["properties"])
        if name == "end":
            fields -= {"received", "transcribed", "silence", "dropped"}  # which stand under The accounts
        assert fields <= words, f"{name}: docs/protocol.md lacks {fields - words}"
    accounts = (ROOT / "docs" / "protocol.md").read_text().split("\n## The accounts\n")[1]
    ledger = DOCUMENT["components"]["schemas"]["Ledger"]["properties"]
    reasons = ledger["dropped"]["propertyNames"]["anyOf"][0]["enum"]
    assert set(ledger) | set(reasons) <= set(quoted(accounts.split("\n## ")[0]))


@pytest.mark.model
def test_errors_are_those_of_the_prose(traffic):
    told = {code for row in rows("Errors")[1:] for code in quoted(row[0])}
    assert told <= set(DOCUMENT["components"]["schemas"]["ErrorCode"]["enum"])
    assert traffic.error_codes and traffic.error_codes <= told


def test_close_codes_are_those_of_the_prose():
    table = {int(code): text.replace("|", "").strip() for code, text in rows("Close codes")[1:]}
    assert table == CLOSE_CODES
