"""Clips, windows one after the other, and languages over HTTP: as by the command line."""
import json

import pytest

import speech
from testing.server import Server, events

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def server(stenod, weights, tmp_path_factory):
    with Server(stenod, tmp_path_factory.mktemp("data"), "--model", "base") as running:
        yield running


@pytest.fixture(scope="module")
def pair(audio, reading, prompts):
    """Two speakers, with silence around them."""
    return speech.write(audio / "pair.wav", speech.join([reading, prompts], pause_s=5).samples)


def without_wall(transcript):
    return {key: value for key, value in transcript.items() if key != "wall_s"}


@pytest.mark.parametrize("fields", [
    {"language": "en", "clip_timestamps": "4,20.5,40"},
    {"language": "en", "sequential": "true", "max_initial_timestamp": "2", "prompt_reset_on_temperature": "0.3"},
    {"language": "en", "sequential": "true", "condition_on_previous_text": "false", "clip_timestamps": "10"},
    {"language": "en", "sequential": "true", "word_timestamps": "true", "hallucination_silence_threshold": "2",
     "vad_filter": "false"},
    {"multilingual": "true"},
    {"language_detection_segments": "3", "language_detection_threshold": "1"},
], ids=lambda fields: "+".join(fields))
def test_the_answer_is_what_the_command_line_prints(server, stenod, pair, fields):
    answer = server.post_form("/transcribe", pair.read_bytes(), fields | {"beam_size": "1"}, name=pair.name)
    assert answer.status == 200, answer.text
    options = ["--beam-size", "1"]
    for name, value in fields.items():
        if name == "vad_filter":
            options.append("--no-vad")
        elif value == "true":
            options.append("--" + name.replace("_", "-"))
        else:
            options += ["--" + name.replace("_", "-"), value]
    printed = stenod("transcribe", "--model", "base", "--format", "json", *options, pair.name, cwd=pair.parent)
    assert printed.code == 0, printed.err
    assert without_wall(answer.json()) == without_wall(json.loads(printed.out))
    assert answer.json()["segments"]


def test_only_clips_are_transcribed(server, pair, reading):
    end = 5 + reading.seconds
    fields = {"language": "en", "clip_timestamps": f"4,{end + 2:.2f}"}
    transcript = server.post_form("/transcribe", pair.read_bytes(), fields).json()
    assert speech.word_error_rate(reading.text, transcript["text"]) < 0.15
    assert all(4 <= segment["start"] < segment["end"] <= end + 2 for segment in transcript["segments"])


def test_segments_come_window_after_window(server, pair):
    fields = {"language": "en", "sequential": "true", "stream": "true"}
    found = events(server.post_form("/transcribe", pair.read_bytes(), fields).text)
    result = json.loads(found[-1][1])
    assert found[-1][0] == "result" and len(result["segments"]) > 1
    assert [json.loads(data) for name, data in found if name == "segment"] == result["segments"]


@pytest.mark.parametrize("fields, param", [
    ({"condition_on_previous_text": "true"}, "condition_on_previous_text"),
    ({"prompt_reset_on_temperature": "0.5"}, "prompt_reset_on_temperature"),
    ({"max_initial_timestamp": "1"}, "max_initial_timestamp"),
    ({"hallucination_silence_threshold": "2", "word_timestamps": "true"}, "hallucination_silence_threshold"),
    ({"hallucination_silence_threshold": "2", "sequential": "true"}, "hallucination_silence_threshold"),
    ({"multilingual": "true", "language": "en"}, "multilingual"),
    ({"clip_timestamps": "5,3"}, "clip_timestamps"),
    ({"clip_timestamps": "one"}, "clip_timestamps"),
    ({"clip_timestamps": "4000"}, "clip_timestamps"),
    ({"language_detection_segments": "0"}, "language_detection_segments"),
    ({"sequential": "often"}, "sequential"),
], ids=lambda value: value if isinstance(value, str) else None)
def test_what_cannot_be_is_refused_by_name(server, pair, fields, param):
    answer = server.post_form("/transcribe", pair.read_bytes(), fields)
    assert answer.status == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid_argument" and error["param"] == param and param in error["message"]


def test_what_does_not_go_together_is_refused_before_the_body_is_read(server):
    # A request that announces a body and sends none would wait for it.
    connection = server.connect()
    connection.putrequest("POST", "/transcribe?prompt_reset_on_temperature=0.5")
    connection.putheader("Content-Type", "audio/wav")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert json.loads(answer.read())["error"]["param"] == "prompt_reset_on_temperature"
