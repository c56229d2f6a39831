"""Files on the page, in Chromium. The server is a mock."""
import json
import re

import pytest

from testing.page import browser, mock, open_page, page, playwright, said, spoken, drop, needs_chromium  # noqa: F401

from playwright.sync_api import expect  # noqa: E402

pytestmark = needs_chromium

SEGMENTS = [{"start": 0.4, "end": 2.0, "text": " Agent,", "words": [{"word": " Agent,", "start": 0.4, "end": 2.0, "probability": 1}]},
            {"start": 2.1, "end": 3.0, "text": " please.", "words": []}]
RESULT = {"file": "call.mp3", "text": "Agent, please.", "language": "en", "language_probability": 0.99, "duration": 3.5,
          "segments": SEGMENTS, "wall_s": 0.2}


def test_a_dropped_file_with_progress(page, mock):
    content = bytes(range(256)) * 4
    page.page.select_option("#language", "fr")
    drop(page, "call.mp3", content)
    phase = page.page.locator("#file-phase")
    expect(phase).to_have_text("Waiting for the first words")
    mock.file_events.put(("progress", {"percent": 40, "done_s": 1.4, "total_s": 3.5}))
    expect(phase).to_have_text("Transcribing: 0:01 of 0:04")
    expect(page.page.locator("#file-progress")).to_have_attribute("value", "40")
    mock.file_events.put(("segment", SEGMENTS[0]))
    page.wait_text("Agent,")
    mock.file_events.put(("segment", SEGMENTS[1]))
    mock.file_events.put(("result", RESULT))
    mock.file_events.put(None)
    expect(phase).to_have_text(re.compile(r"^0:04 · English · done in \d+\.\d s$"))
    upload = mock.uploads[0]
    assert upload.audio == content and upload.filename == "call.mp3"
    assert upload.fields == {"language": "fr", "task": "transcribe", "word_timestamps": "true", "format": "json"}
    assert upload.headers["Accept"] == "text/event-stream"
    name, saved = page.save("json")
    assert name == "call.json" and json.loads(saved) == RESULT
    assert page.save("txt")[1] == "Agent, please.\n"


def test_a_chosen_file_is_cancelled(page, mock, tmp_path):
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    page.page.click("#tab-file")
    page.page.set_input_files("#file-input", tmp_path / "talk.wav")
    mock.file_events.put(("segment", SEGMENTS[0]))
    page.wait_text("Agent,")
    page.page.get_by_role("button", name="Cancel").click()
    expect(page.page.locator("#file-phase")).to_have_text("Cancelled. What was done until then is below.")
    assert mock.uploads[0].gone.wait(60)
    assert page.finals == ["Agent,"]


def test_a_file_that_fails(page, mock):
    drop(page, "notes.txt", b"no audio")
    mock.file_events.put(("error", {"error": {"code": "audio_unknown_format", "message": "This is in no known format"}}))
    mock.file_events.put(None)
    assert page.notice() == ("This file cannot be transcribed", "This is in no known format.")
    expect(page.page.locator("#file-phase")).to_have_text("Failed.")
    expect(page.page.locator("#file-progress")).to_be_hidden()
    page.page.click("#tab-live")
    expect(page.page.locator(".notice")).to_be_hidden()  # it is no news about the microphone


def test_a_file_of_which_a_part_is_damaged(page, mock):
    drop(page, "call.mp3", b"x")
    mock.file_events.put(("progress", {"percent": None, "done_s": 1.4, "total_s": None}))
    expect(page.page.locator("#file-phase")).to_have_text("Transcribing: 0:01")
    mock.file_events.put(("result", RESULT | {"error": {"code": "audio_corrupt", "message": "It ends in the middle"}}))
    mock.file_events.put(None)
    page.wait_text("please.")
    assert page.notice() == ("Only a part could be transcribed", "It ends in the middle")
    assert page.finals == ["Agent,", "please."]


def test_a_file_that_is_refused(page, mock):
    mock.refusal = (413, {"code": "payload_too_large", "message": "At most 100 MB."}, {})
    drop(page, "long.wav", b"RIFF")
    assert page.notice() == ("The file is too large", "At most 100 MB.")


def test_a_file_whose_answer_breaks_off(page, mock):
    drop(page, "talk.wav", b"RIFF")
    mock.file_events.put(("segment", SEGMENTS[0]))
    page.wait_text("Agent,")
    mock.file_events.put(None)
    assert page.notice()[0] == "The connection broke"
