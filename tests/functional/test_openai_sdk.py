"""OpenAI's own Python client, unchanged but for its address."""
import asyncio
import concurrent.futures

import openai
import pytest

import speech
from testing.server import Server, wait_until

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def server(stenod, weights, tmp_path_factory):
    with Server(stenod, tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=120) as made:
        yield made


@pytest.fixture
def transcribe(client, reading_wav):
    def call(**options):
        with open(reading_wav, "rb") as file:
            return client.audio.transcriptions.create(**{"file": file, "model": "whisper-1"} | options)
    return call


def is_right(reading, text):
    return speech.word_error_rate(reading.text, text) < 0.15


def test_json(transcribe, reading):
    answer = transcribe()
    assert is_right(reading, answer.text)
    assert answer.usage.type == "duration"
    assert 0 <= answer.usage.seconds - reading.seconds < 1


def test_plain_formats(transcribe, reading):
    text = transcribe(response_format="text")
    assert isinstance(text, str) and is_right(reading, text)
    srt = transcribe(response_format="srt")
    assert srt.startswith("1\n00:00:0") and " --> " in srt
    vtt = transcribe(response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n00:0")


def test_verbose_json(transcribe, reading):
    answer = transcribe(response_format="verbose_json")
    assert answer.language == "english"
    assert answer.duration == pytest.approx(reading.seconds, abs=0.01)
    assert answer.words is None
    assert [segment.id for segment in answer.segments] == list(range(len(answer.segments)))
    assert "".join(segment.text for segment in answer.segments).strip() == answer.text
    for segment in answer.segments:
        assert 0 <= segment.start < segment.end <= answer.duration
        assert segment.avg_logprob < 0 and 0 <= segment.no_speech_prob <= 1 and segment.compression_ratio > 0


def test_words(transcribe, reading):
    answer = transcribe(response_format="verbose_json", timestamp_granularities=["word"])
    assert answer.segments is None
    # Words are given without spaces around them, and "-disposed" is a word.
    assert "".join(word.word for word in answer.words) == answer.text.replace(" ", "")
    starts = [word.start for word in answer.words]
    assert starts == sorted(starts)
    both = transcribe(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert both.words == answer.words and both.segments


def test_options_that_people_give(transcribe, reading_wav, reading):
    answer = transcribe(language="en", temperature=0, prompt="", chunking_strategy="auto")
    assert is_right(reading, answer.text)
    answer = transcribe(chunking_strategy={"type": "server_vad"}, model="base", file=("a.wav", reading_wav.read_bytes()))
    assert is_right(reading, answer.text)


def test_streaming(transcribe, reading):
    events = list(transcribe(stream=True))
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) > 1
    assert events[-1].type == "transcript.text.done"
    assert "".join(deltas) == events[-1].text
    assert is_right(reading, events[-1].text)
    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * len(deltas)


def test_the_asynchronous_client(server, reading_wav, reading):
    async def call():
        async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="unused") as client:
            answers = await asyncio.gather(*(client.audio.transcriptions.create(file=reading_wav, model="whisper-1")
                                             for _ in range(3)))
            stream = await client.audio.transcriptions.create(file=reading_wav, model="whisper-1", stream=True)
            return answers, [event async for event in stream]
    answers, events = asyncio.run(call())
    assert len({answer.text for answer in answers}) == 1
    assert events[-1].text == answers[0].text


def test_translations(client, reading_wav, reading):
    answer = client.audio.translations.create(file=reading_wav, model="whisper-1")
    assert is_right(reading, answer.text)
    verbose = client.audio.translations.create(file=reading_wav, model="whisper-1", response_format="verbose_json")
    assert verbose.language == "english" and verbose.segments
    assert client.audio.translations.create(file=reading_wav, model="whisper-1", response_format="srt").startswith("1\n")


def test_models(client):
    assert [model.id for model in client.models.list()] == ["whisper-1", "base"]
    model = client.models.retrieve("whisper-1")
    assert model.id == "whisper-1" and model.owned_by == "stenod"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-5")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("options, error, code, param", [
    ({"model": "gpt-4o-transcribe"}, openai.NotFoundError, "model_not_found", "model"),
    ({"language": "klingon"}, openai.BadRequestError, "invalid_argument", "language"),
    ({"response_format": "diarized_json"}, openai.BadRequestError, "not_supported", "response_format"),
    ({"temperature": 1.2}, openai.BadRequestError, "invalid_argument", "temperature"),
    ({"include": ["logprobs"]}, openai.BadRequestError, "not_supported", "include"),
    ({"timestamp_granularities": ["word"]}, openai.BadRequestError, "invalid_argument", "timestamp_granularities"),
    ({"extra_body": {"best_of": "5"}}, openai.BadRequestError, "unknown_parameter", "best_of"),
    ({"file": ("a.mp3", b"this is no sound")}, openai.BadRequestError, "audio_unknown_format", "file"),
    ({"file": ("a.mp3", b"")}, openai.BadRequestError, "audio_empty", "file")])
def test_errors_are_the_clients_own(transcribe, options, error, code, param):
    with pytest.raises(error) as caught:
        transcribe(**options)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.type == "invalid_request_error"
    with pytest.raises(error):
        transcribe(stream=True, **options)


def test_keys(stenod, weights, tmp_path, reading_wav):
    key = stenod("key", "create", "test", env={"STENOD_DATA_DIR": str(tmp_path)}).out.strip()
    with Server(stenod, tmp_path) as locked:
        def call(api_key):
            with openai.OpenAI(base_url=locked.url + "/v1", api_key=api_key, max_retries=0) as client:
                return client.audio.transcriptions.create(file=reading_wav, model="whisper-1").text
        with pytest.raises(openai.AuthenticationError):
            call("wrong")
        assert call(key)


def test_overload_is_retried(stenod, weights, tmp_path, long_file, reading_wav, reading):
    """The client waits as Retry-After says, and gets its answer."""
    with Server(stenod, tmp_path, "--files-max-concurrent", 1, "--files-max-queued", 0) as narrow:
        with concurrent.futures.ThreadPoolExecutor(1) as pool, \
                openai.OpenAI(base_url=narrow.url + "/v1", api_key="unused", max_retries=0) as impatient, \
                openai.OpenAI(base_url=narrow.url + "/v1", api_key="unused", max_retries=10) as patient:
            busy = pool.submit(narrow.post_form, "/transcribe", long_file(4).read_bytes(), name="long.flac")
            wait_until(lambda: narrow.metric("stenod_files_active") == 1, "it is busy")
            with pytest.raises(openai.InternalServerError) as caught:
                impatient.audio.transcriptions.create(file=reading_wav, model="whisper-1")
            assert caught.value.status_code == 503
            assert is_right(reading, patient.audio.transcriptions.create(file=reading_wav, model="whisper-1").text)
            assert busy.result().status == 200
