// Live transcription for a web page: StenodClient talks to the server, Microphone brings the sound. Described in
// docs/embedding.md. Needs nothing but the files stenod*.js.

import { StenodError } from "./stenod-errors.js";
import { Microphone, SAMPLE_RATE } from "./stenod-microphone.js";
import { probe, Session } from "./stenod-session.js";

export { Microphone, SAMPLE_RATE, StenodError };

const TICK_MS = 250;
const MAX_BACKOFF_S = 15;
const STEADY_MS = 10_000; // a session that lasted so long has shown that the server works
const MAX_QUEUED_BYTES = 128 * 1024; // in the browser, on their way: 4 s of audio
const PARTIAL_WITHIN_S = 10; // speech that a server has had for so long shows in a partial, even under load
const FINAL_WITHIN_S = 30; // without partials: the longest utterance, and its final

/**
 * The audio that may have to be sent (again), by its position on the client's clock; what is older than `maxSamples` is
 * forgotten.
 */
export class AudioBacklog {
  #chunks = []; // {start, samples}, one behind the other without gaps
  #maxSamples;
  start = 0;
  end = 0;

  constructor(maxSamples) {
    this.#maxSamples = maxSamples;
  }

  push(samples) {
    if (samples.length === 0) return;
    this.#chunks.push({ start: this.end, samples });
    this.end += samples.length;
    this.dropBefore(this.end - this.#maxSamples);
  }

  /** Forgets what lies before `position`, except within a chunk that reaches beyond it. */
  dropBefore(position) {
    let count = 0;
    while (count < this.#chunks.length && this.#chunks[count].start + this.#chunks[count].samples.length <= position) count++;
    if (count === 0) return;
    this.#chunks.splice(0, count);
    this.start = this.#chunks[0]?.start ?? this.end;
  }

  /** The rest of the chunk that `position` lies in; empty where there is none. */
  at(position) {
    const chunk = this.#chunks.findLast(({ start }) => start <= position);
    return chunk ? chunk.samples.subarray(position - chunk.start) : new Int16Array(0);
  }
}

/**
 * One stream of speech to text that outlives its connection: when that breaks, a new session takes over, beginning where
 * the finals ended. Times in events are seconds on the client's own clock, which counts the samples given to sendAudio()
 * and goes on over sessions.
 *
 * Events, each with a `detail`: ready, partial, final, warning, error, lost, reconnecting, end, close.
 */
export class StenodClient extends EventTarget {
  #options;
  #address = null;
  #state = "idle";
  #backlog = null;
  #session = null;
  #numSessions = 0;
  #attempt = 0; // to connect again, since a session was steady
  #wake = null; // ends the wait before the next attempt
  #timer = null;

  // Positions on the client's clock, in samples.
  #sent = 0; // the present session has the audio up to here
  #settled = 0; // all text is there up to here: the next session begins here, or where the backlog does
  #silent = 0; // what is not settled up to here is no speech: a server had it, and has said nothing about it for long
  #pongs = []; // {at, position}: when a pong told that the server has the audio up to there; nothing was said since
  #finalizeAt = null; // where finalize() was called, until the server was told

  #ending = null; // {promise, resolve, reject} once end() was called

  /** @param {object} [options] as for connect() */
  constructor(options = {}) {
    super();
    this.#options = options;
  }

  /** "idle", "connecting", "open" or "reconnecting". */
  get state() {
    return this.#state;
  }

  /** Seconds of audio taken so far: the time on the client's clock. */
  get time() {
    return (this.#backlog?.end ?? 0) / SAMPLE_RATE;
  }

  /** Seconds of audio that wait to be sent. */
  get waiting() {
    if (!this.#backlog) return 0;
    return (this.#backlog.end - Math.max(this.#sent, this.#silent, this.#backlog.start)) / SAMPLE_RATE;
  }

  /**
   * Starts a session; audio is taken from now on. Resolves with the server's `ready`, rejects with a StenodError. After
   * end() or close() it may be called again, and the clock goes on.
   * @param {object} [options] kept for later calls
   * @param {string|URL} [options.url] default: ws/transcribe beside this file
   * @param {string} [options.key] access key
   * @param {object} [options.settings] of the protocol's `start`: language, task, words, silence_ms, …
   * @param {boolean} [options.reconnect] default true
   * @param {number} [options.bufferSeconds] of audio, kept for a new session; default 30
   */
  async connect(options = {}) {
    if (this.#state !== "idle") throw new StenodError("already_connected", "There is a session already.");
    this.#options = { reconnect: true, ...this.#options, ...options };
    this.#address = sessionUrl(this.#options.url);
    this.#backlog ??= new AudioBacklog((this.#options.bufferSeconds ?? 30) * SAMPLE_RATE);
    this.#state = "connecting";
    this.#attempt = 0;
    this.#sent = this.#settled = this.#silent = this.#backlog.end;
    this.#pongs = [];
    this.#finalizeAt = this.#ending = null;
    const session = this.#open();
    try {
      return await session.opened;
    } catch (error) {
      if (this.#session === session) this.#finish(error); // otherwise it was closed, and there may be another
      throw error;
    }
  }

  /**
   * Takes mono samples between -1 and 1 at SAMPLE_RATE, any number of them. False, and nothing is taken, when no session
   * is under way.
   * @param {Float32Array} samples
   */
  sendAudio(samples) {
    if (this.#state === "idle" || this.#ending) return false;
    this.#backlog.push(Int16Array.from(samples, (x) => Math.max(-32768, Math.min(32767, Math.round(x * 32768)))));
    this.#pump();
    return true;
  }

  /** Settles the text of what was said so far, without waiting for a pause. */
  finalize() {
    if (this.#state === "idle") return;
    this.#finalizeAt = this.#backlog.end;
    this.#pump();
  }

  /** Sends what waits; resolves with the server's `end` when all text is there, rejects when that fails. */
  end() {
    if (this.#state === "idle") return Promise.resolve(null);
    if (!this.#ending) {
      this.#ending = withResolvers();
      this.#ending.promise.catch(() => {}); // told by the event `close` as well
      this.#pump();
    }
    return this.#ending.promise;
  }

  /** Ends at once, without waiting for text. */
  close() {
    this.#finish(new StenodError("closed", "Closed before all text was there."), { asked: true });
  }

  /** While reconnecting: tries now. */
  retryNow() {
    this.#wake?.();
  }

  // Sessions

  /** A new session in place of the present one; its `opened` resolves when the server is ready for audio. */
  #open() {
    const { promise, resolve, reject } = withResolvers();
    const { key, settings } = this.#options;
    const session = new Session(this.#address, key, { encoding: "s16le", sample_rate: SAMPLE_RATE, ...settings });
    this.#session = session;
    session.opened = promise;
    session.onReady = (message) => {
      const reconnected = this.#state === "reconnecting";
      this.#state = "open";
      session.mapClock(this.#sent);
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
      this.#emit("ready", { ...message, session: ++this.#numSessions, reconnected });
      resolve(message);
      this.#pump();
    };
    session.onMessage = (message) => this.#onMessage(message);
    session.onLost = async (error) => {
      if (this.#session !== session) return;
      if (session.isReady) {
        this.#onLost(error);
        return;
      }
      reject(session.isOpen || !error.retry ? error : await probe(this.#address, key));
    };
    session.abandon = reject;
    session.connect();
    return session;
  }

  /** Sends what there is, as long as the browser gets rid of it. */
  #pump() {
    const session = this.#session;
    if (this.#state !== "open" || session.numQueuedBytes === null) return;
    if (this.#backlog.start > this.#sent) {
      const lost = this.#lostUpTo(this.#backlog.start);
      this.#sent = this.#settled = this.#backlog.start;
      session.mapClock(this.#sent);
      if (lost) this.#emit("lost", lost);
    }
    while (this.#sent < this.#backlog.end && session.numQueuedBytes < MAX_QUEUED_BYTES) {
      const samples = this.#backlog.at(this.#sent).subarray(0, SAMPLE_RATE);
      session.sendAudio(samples);
      this.#sent += samples.length;
    }
    if (this.#finalizeAt !== null && this.#sent >= this.#finalizeAt) {
      this.#finalizeAt = null;
      session.send({ type: "finalize" });
    }
    if (this.#ending && this.#sent === this.#backlog.end) session.sendEnd();
  }

  #tick() {
    if (this.#state !== "open") return;
    const within = 1000 * (this.#session.hasPartials ? PARTIAL_WITHIN_S : FINAL_WITHIN_S);
    while (this.#pongs.length > 0 && performance.now() - this.#pongs[0].at > within) {
      this.#silent = Math.max(this.#silent, this.#pongs.shift().position);
    }
    this.#session.check(this.#sent);
    this.#pump();
  }

  #onMessage(message) {
    const session = this.#session;
    switch (message.type) {
      case "partial":
      case "final":
        this.#onText(message);
        break;
      case "pong":
        this.#pongs.push({ at: performance.now(), position: session.positionOfPong });
        break;
      case "warning":
        this.#emit("warning", message);
        break;
      case "error":
        this.#emit("error", new StenodError(message.code, message.message, { param: message.param }));
        break;
      case "end":
        // What the session received has all its text, unless the server had no time left for that, or failed. It may be
        // less than was sent, where the server ended the session.
        if (!message.audio?.dropped?.shutting_down && message.reason !== "internal") {
          this.#settled = Math.max(this.#settled, session.toClock(message.audio?.received ?? Infinity, this.#sent));
        }
        this.#heardUpTo(this.#settled);
        this.#emit("end", { ...message, session: this.#numSessions });
        if (session.isEndSent && (message.reason === "end" || this.#settled === this.#backlog.end)) {
          this.#finish(null, { result: message });
        }
        break;
    }
  }

  #onText(message) {
    const toClock = (seconds) => {
      const position = this.#session.toClock(seconds * SAMPLE_RATE, this.#sent);
      return Math.round((position * 1000) / SAMPLE_RATE) / 1000;
    };
    const text = {
      ...message,
      id: `${this.#numSessions}.${message.utterance}`,
      start: toClock(message.start),
      end: toClock(message.end),
    };
    if (message.words) text.words = message.words.map((w) => ({ ...w, start: toClock(w.start), end: toClock(w.end) }));
    if (message.type === "final") {
      const end = Math.max(text.end, text.words?.at(-1)?.end ?? 0); // a last word may fade out behind the speech
      this.#settled = Math.max(this.#settled, Math.round(end * SAMPLE_RATE));
      this.#heardUpTo(this.#settled);
    } else {
      this.#heardUpTo(Math.round(text.start * SAMPLE_RATE));
    }
    this.#emit(message.type, text);
  }

  /** The server has come as far as `position`: what comes behind it may be speech, however long ago it was sent. */
  #heardUpTo(position) {
    this.#silent = Math.min(this.#silent, position);
    this.#pongs = this.#pongs.filter((pong) => pong.position <= position);
  }

  /** The session is over, and nobody asked for it. */
  #onLost(error) {
    const session = this.#session;
    this.#sent = Math.min(this.#sent, this.#settled); // that much has to be sent again
    this.#pongs = [];
    if (!error.retry || !this.#options.reconnect) {
      this.#finish(error);
      return;
    }
    this.#state = "reconnecting";
    if (session.age >= STEADY_MS) this.#attempt = session.hasEnded ? -1 : 0;
    this.#reconnect(error);
  }

  async #reconnect(error) {
    while (this.#state === "reconnecting") {
      const delay = backoffSeconds(++this.#attempt, error.retryAfter);
      this.#emit("reconnecting", { attempt: this.#attempt, delay, error });
      await this.#sleep(delay);
      if (this.#state !== "reconnecting") return;
      const session = this.#open();
      try {
        await session.opened;
      } catch (again) {
        if (this.#session !== session) return; // closed meanwhile
        if (!again.retry) this.#finish(again);
        error = again;
      }
    }
  }

  #sleep(seconds) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        globalThis.removeEventListener("online", wake);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(wake, seconds * 1000);
      globalThis.addEventListener("online", wake);
      this.#wake = wake;
    });
  }

  /** No session follows. `asked`: by the caller, who needs not be told of an error. */
  #finish(error, { asked = false, result = null } = {}) {
    if (this.#state === "idle") return;
    const connecting = this.#state === "connecting"; // then connect() tells
    const session = this.#session;
    const ending = this.#ending;
    const lost = error && this.#lostUpTo(this.#backlog.end);
    this.#state = "idle";
    this.#session = this.#ending = null;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#backlog.dropBefore(this.#backlog.end);
    this.#sent = this.#backlog.end;
    session?.close();
    session?.abandon(error);
    this.#wake?.();
    if (!connecting) {
      if (lost) this.#emit("lost", lost);
      this.#emit("close", { error: asked ? null : error });
    }
    if (error) ending?.reject(error);
    else ending?.resolve(result);
  }

  /** What is lost when the audio up to `end`, as far as it was not sent, never will be; null: nothing. */
  #lostUpTo(end) {
    const start = Math.max(this.#sent, this.#silent);
    return start < end ? { start: start / SAMPLE_RATE, end: end / SAMPLE_RATE } : null;
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Doubles from half a second on; a random part keeps clients from coming back all at once. */
function backoffSeconds(attempt, retryAfter = 0) {
  if (attempt === 0) return 0;
  const most = Math.min(MAX_BACKOFF_S, 0.5 * 2 ** (attempt - 1));
  return Math.max(retryAfter, most * 0.5) + Math.random() * most * 0.5;
}

function sessionUrl(given) {
  try {
    const url = given ? new URL(given, location.href) : new URL("ws/transcribe", import.meta.url);
    url.protocol = url.protocol.replace("http", "ws");
    return url;
  } catch {
    throw new StenodError("invalid_url", `This is no address of a server: ${given}`);
  }
}

function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...functions) => ([resolve, reject] = functions));
  return { promise, resolve, reject };
}
