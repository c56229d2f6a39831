// A file on its way to text: uploaded, with progress, and answered in pieces as server-sent events.

import { refusal, StenodError } from "./stenod-errors.js";

/** Takes a stream of server-sent events apart (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export class EventStreamParser {
  #rest = "";
  #event = "";
  #data = [];

  /** The events that `text` completes: [{event, data}]. */
  push(text) {
    const events = [];
    this.#rest += text;
    // A final \r may be half a line's end.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) events.push({ event: this.#event || "message", data: this.#data.join("\n") });
        this.#event = "";
        this.#data = [];
        continue;
      }
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "event") this.#event = value;
      if (field === "data") this.#data.push(value);
    }
    return events;
  }
}

/**
 * Sends one file to POST /transcribe. Events, each with a `detail`: `upload` {done, total} in bytes, `progress`
 * {percent, done_s, total_s} (null: not known), `segment` {start,
 * end, text, words}, `warning` {message}.
 */
export class FileTranscription extends EventTarget {
  #request = new XMLHttpRequest(); // fetch() tells nothing of an upload's progress
  #fields;
  #key;

  /** @param {{key?: string, language?: string, task?: string}} options */
  constructor(file, { key, ...fields } = {}) {
    super();
    this.#key = key;
    this.#fields = { ...fields, word_timestamps: "true", format: "json", audio: file };
  }

  /** Resolves with the JSON result, rejects with a StenodError; its code is `cancelled` after cancel(). */
  start() {
    const request = this.#request;
    const parser = new EventStreamParser();
    let numRead = 0;
    let result = null;
    let failure = null;

    const read = () => {
      if (!request.getResponseHeader("Content-Type")?.startsWith("text/event-stream")) return;
      const text = request.responseText.slice(numRead);
      numRead += text.length;
      for (const { event, data } of parser.push(text)) {
        let detail;
        try {
          detail = JSON.parse(data);
        } catch {
          failure = new StenodError("internal", "The server's answer is damaged.");
          return;
        }
        if (event === "result") result = detail;
        else if (event === "error") failure = new StenodError(detail.error.code, detail.error.message, detail.error);
        else this.dispatchEvent(new CustomEvent(event, { detail }));
      }
    };

    const promise = new Promise((resolve, reject) => {
      request.upload.onprogress = ({ loaded, total }) =>
        this.dispatchEvent(new CustomEvent("upload", { detail: { done: loaded, total } }));
      request.onprogress = read;
      request.onabort = () => reject(new StenodError("cancelled", "Cancelled."));
      request.onerror = () => reject(failure ?? unreachable(numRead > 0));
      request.onload = async () => {
        read();
        if (request.status >= 400) return reject(await refusal(responseOf(request)));
        if (failure) return reject(failure);
        try {
          result ??= JSON.parse(request.responseText);
        } catch {
          return reject(unreachable(true));
        }
        resolve(result);
      };
    });

    const form = new FormData();
    for (const [name, value] of Object.entries(this.#fields)) form.append(name, value);
    request.open("POST", new URL("transcribe", import.meta.url));
    request.setRequestHeader("Accept", "text/event-stream");
    if (this.#key) request.setRequestHeader("Authorization", `Bearer ${this.#key}`);
    request.send(form);
    return promise;
  }

  cancel() {
    this.#request.abort();
  }
}

function unreachable(begun) {
  return begun
    ? new StenodError("connection_lost", "The connection broke before the file was done", { retry: true })
    : new StenodError("unreachable", "The server cannot be reached", { retry: true });
}

function responseOf(request) {
  const headers = new Headers();
  const retryAfter = request.getResponseHeader("Retry-After");
  if (retryAfter) headers.set("Retry-After", retryAfter);
  return new Response(request.responseText, { status: request.status, headers });
}
