"""The description of the HTTP routes holds: for requests made up from it, and for the answers that people get."""
import json
import os
import pathlib
import re
import subprocess
import sys

import jsonschema
import pytest

import speech
from conftest import ROOT
from testing.server import Server, events, wait_until

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def server(stenod, weights, tmp_path_factory):
    with Server(stenod, tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def description(server):
    answer = server.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


@pytest.fixture(scope="module")
def sentence(audio, reading):  # which skips without its package
    """The bytes of a short recording."""
    return speech.write(audio / "sentence.wav", speech.librivox_clips()[1].samples).read_bytes()


def check(description, answer, path, method="post"):
    """That an answer is one that the description knows."""
    known = description["paths"][path][method]["responses"][str(answer.status)]
    if "$ref" in known:
        known = description["components"]["responses"][known["$ref"].split("/")[-1]]
    for name, header in known.get("headers", {}).items():
        header = description["components"]["headers"].get(header.get("$ref", "").split("/")[-1], header)
        assert name in answer.headers or not header.get("required"), name
    schema = known["content"][answer.headers["Content-Type"].split(";")[0]]["schema"]
    content = answer.json() if answer.headers["Content-Type"].split(";")[0] == "application/json" else answer.text
    jsonschema.Draft202012Validator(schema | {"components": description["components"]}).validate(content)


def test_it_is_the_file_in_the_sources(description):
    assert description == json.loads((ROOT / "src/api/openapi.json").read_text())


def test_the_answers_of_transcribe(server, description, sentence):
    wav = sentence
    for fields in ({}, {"word_timestamps": "true", "channels": "split"}, {"vad_filter": "false"}, {"format": "text"},
                   {"multilingual": "true"}, {"sequential": "true", "condition_on_previous_text": "false"},
                   {"format": "jsonl"}, {"format": "srt"}, {"format": "vtt"}, {"format": "tsv"}, {"stream": "true"}):
        answer = server.post_form("/transcribe", wav, fields)
        assert answer.status == 200
        check(description, answer, "/transcribe")
    segment = {"$ref": "#/components/schemas/Segment", "components": description["components"]}
    segments = [json.loads(data) for name, data in events(answer.text) if name == "segment"]
    assert segments
    for one in segments:
        jsonschema.Draft202012Validator(segment).validate(one)
    for fields in ({"x": "1"}, {"language": "x"}, {"model": "x"}):
        answer = server.post_form("/transcribe", wav, fields)
        assert answer.status >= 400
        check(description, answer, "/transcribe")
    check(description, server.request("POST", "/transcribe", b"{}", {"Content-Type": "application/json"}), "/transcribe")


def test_the_answers_of_openais_routes(server, description, sentence):
    wav = sentence
    for path in ("/v1/audio/transcriptions", "/v1/audio/translations"):
        for format in ("json", "text", "srt", "vtt", "verbose_json", "diarized_json"):
            fields = {"model": "whisper-1", "response_format": format}
            answer = server.post_form(path, wav, fields, part="file")
            assert answer.status == (400 if format == "diarized_json" else 200)
            check(description, answer, path)
        check(description, server.post_form(path, wav, {"model": "x"}, part="file"), path)
    fields = [("model", "whisper-1"), ("response_format", "verbose_json"), ("timestamp_granularities[]", "word")]
    check(description, server.post_form("/v1/audio/transcriptions", wav, fields, part="file"), "/v1/audio/transcriptions")
    fields = {"model": "whisper-1", "stream": "true"}
    check(description, server.post_form("/v1/audio/transcriptions", wav, fields, part="file"), "/v1/audio/transcriptions")


def test_the_answers_of_the_other_routes(server, description):
    for path, methods in description["paths"].items():
        if "get" in methods:
            check(description, server.get(path.replace("{id}", "whisper-1")), path, "get")
    check(description, server.get("/v1/models/unknown"), "/v1/models/{id}", "get")
    check(description, server.request("POST", "/tokens", b"{}"), "/tokens")


def test_who_is_turned_away_learns_when_to_come_again(stenod, weights, description, sentence, long_file, tmp_path):
    """Every 503 carries Retry-After."""
    with Server(stenod, tmp_path, "--model", "tiny.en", "--live-max-sessions", 0, "--files-max-concurrent", 1, "--files-max-queued", 0) as full:
        answer = full.get("/ws/transcribe")
        assert answer.status == 503
        check(description, answer, "/ws/transcribe", "get")
        # A long recording has the only place.
        connection = full.connect()
        connection.request("POST", "/transcribe?language=en", long_file(10).read_bytes(), {"Content-Type": "audio/flac"})
        wait_until(lambda: full.metric("stenod_files_active") == 1, "it is being transcribed")
        for path, part in (("/transcribe", "audio"), ("/v1/audio/transcriptions", "file"), ("/v1/audio/translations", "file")):
            answer = full.post_form(path, sentence, {"model": "whisper-1"} if part == "file" else {}, part=part)
            assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, (path, answer.text)
            check(description, answer, path)
        connection.close()  # who leaves is noticed


# Besides what schemathesis checks: what the description says of a 503, whatever the server says.
HOOKS = """import urllib.parse

import schemathesis

@schemathesis.hook
def filter_query(context, query):
    # A longer head is refused as such (431), before anything looks at a route.
    return len(urllib.parse.urlencode(query or {}, doseq=True, errors="replace")) < 12000

@schemathesis.check
def retry_after(ctx, response, case):
    if response.status_code == 503:
        assert response.headers["retry-after"][0].isdigit(), response.headers
"""


@pytest.mark.slow
def test_requests_made_up_from_it(server, tmp_path):
    """With schemathesis: no 5xx, and every answer is one that the description knows."""
    (tmp_path / "hooks.py").write_text(HOOKS)
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)}
    # A made-up recording is no recording, and tokens and WebSockets need more than a right request.
    rejecting = ["/transcribe", "/v1/audio/transcriptions", "/v1/audio/translations", "/tokens", "/ws/transcribe"]
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    base = [program, "run", f"{server.url}/openapi.json", "--max-examples", 25, "--seed", 1, "--no-color",
            "--continue-on-failure", "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all",
            "--warnings", "off"]
    rejecting_pattern = "^(" + "|".join(map(re.escape, rejecting)) + ")$"
    for arguments in (["--exclude-path-regex", rejecting_pattern],
                      ["--include-path-regex", rejecting_pattern, "--exclude-checks", "positive_data_acceptance"]):
        run = subprocess.run([*map(str, base + arguments)], capture_output=True, text=True, timeout=500, env=environment)
        assert run.returncode == 0, run.stdout[-20000:] + run.stderr[-2000:]
    assert server.process.poll() is None
