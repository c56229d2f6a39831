// A file on its way to text: chosen or dropped, with progress and cancel.

import { describe } from "./failures.js";
import { FileTranscription } from "./file-transcription.js";
import { formatTime } from "./formats.js";
import { languageName } from "./languages.js";
import { hideNotice, showNotice } from "./notices.js";
import { openSettings } from "./settings.js";
import { TranscriptView } from "./transcript-view.js";

export class FilePanel {
  view = new TranscriptView(document.querySelector("#file"));
  result = null;
  name = "";
  onChange = () => {};
  #settings;
  #job = null;
  #form = document.querySelector("#file-form");
  #input = document.querySelector("#file-input");
  #button = document.querySelector("#file-cancel");
  #progress = document.querySelector("#file-progress");
  #phase = document.querySelector("#file-phase");

  constructor(settings) {
    this.#settings = settings;
    this.#input.addEventListener("change", () => {
      if (this.#input.files.length > 0) this.transcribe([...this.#input.files]);
      this.#input.value = ""; // so that the same file can be chosen again
    });
    this.#button.addEventListener("click", () => {
      if (this.#job) this.#job.cancel();
      else this.#input.click();
    });
  }

  get language() {
    return this.result?.language ?? null;
  }

  get duration() {
    return this.result?.duration;
  }

  get isBusy() {
    return this.#job !== null;
  }

  /** @param {File[]} files of which one is taken */
  async transcribe(files) {
    if (this.#job) {
      showNotice("file", { kind: "info", title: "One file at a time", text: "Wait for the present one, or cancel it." });
      return;
    }
    const [file] = files;
    hideNotice("file");
    if (files.length > 1) {
      showNotice("file", { kind: "info", title: "One file at a time", text: `This is ${file.name}; give the others after it.` });
    }
    this.clear();
    this.name = file.name;
    document.querySelector("#file-name").textContent = file.name;
    document.querySelector("#file-job").hidden = false;
    this.#form.hidden = true;
    this.#progress.hidden = false;
    this.#button.textContent = "Cancel";
    this.#showProgress(0, "Sending");

    const started = performance.now();
    const { language, task } = this.#settings.session;
    const job = new FileTranscription(file, { key: this.#settings.key, language, task });
    this.#job = job;
    this.onChange();
    job.addEventListener("upload", ({ detail: { done, total } }) => {
      if (done < total) this.#showProgress((100 * done) / total, `Sending: ${megabytes(done)} of ${megabytes(total)}`);
      else this.#showProgress(null, "Waiting for the first words");
    });
    job.addEventListener("progress", ({ detail: { percent, done_s, total_s } }) => {
      const of = total_s ? ` of ${formatTime(total_s)}` : "";
      this.#showProgress(percent ?? null, `Transcribing: ${formatTime(done_s ?? 0)}${of}`);
    });
    job.addEventListener("segment", ({ detail }) => {
      this.view.append(detail);
      this.onChange();
    });
    job.addEventListener("warning", ({ detail }) => showNotice("file", { kind: "info", title: detail.message }));
    try {
      this.result = await job.start();
      // Something failed after text was found.
      const { error } = this.result;
      if (error) showNotice("file", { title: "Only a part could be transcribed", text: error.message });
      if (this.result.segments.length !== this.view.transcript.segments.length) {
        this.view.clear();
        for (const segment of this.result.segments) this.view.append(segment);
      }
      const seconds = (performance.now() - started) / 1000;
      const { duration, language } = this.result;
      const spoken = language ? ` · ${languageName(language)}` : "";
      const empty = this.result.segments.length === 0 ? " · no speech found" : "";
      this.#showProgress(100, `${formatTime(duration)}${spoken}${empty} · done in ${seconds.toFixed(1)} s`);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#job = null;
      this.#button.textContent = "Another file";
      this.onChange();
    }
  }

  cancel() {
    this.#job?.cancel();
  }

  clear() {
    this.view.clear();
    this.result = null;
    this.name = "";
    document.querySelector("#file-job").hidden = true;
    this.#form.hidden = false;
    this.onChange();
  }

  #fail(error) {
    const kept = this.view.transcript.hasText ? "What was done until then is below." : "";
    this.#progress.hidden = true;
    if (error.code === "cancelled") {
      this.#phase.textContent = `Cancelled. ${kept}`;
      return;
    }
    this.#phase.textContent = `Failed. ${kept}`;
    const { title, text, action } = describe(error, { hasKey: this.#settings.key !== "" });
    const keyProblem = error.status === 401 ? `${title}.` : "";
    showNotice("file", {
      title,
      text,
      actions: action === "settings" ? [{ label: "Settings", run: () => openSettings(keyProblem) }] : [],
    });
    if (keyProblem) openSettings(keyProblem);
  }

  /** `percent` is null while nobody knows. */
  #showProgress(percent, phase) {
    if (percent === null) this.#progress.removeAttribute("value");
    else this.#progress.value = percent;
    this.#phase.textContent = phase;
  }
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
