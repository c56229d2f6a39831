// Live transcription for a web page: StenodClient talks to the server, Microphone brings the sound.
// Described in docs/embedding.md. Needs nothing but this file and, for the microphone, stenod-worklet.js beside it.

/** Samples a second of everything that goes in here. */
export const SAMPLE_RATE = 16000;

const CONNECT_TIMEOUT_MS = 10_000;
const PROBE_TIMEOUT_MS = 4_000;
const PING_INTERVAL_MS = 4_000;
const PING_TIMEOUT_MS = 12_000; // of silence from the server after a ping: the connection is dead
const TICK_MS = 250;
const MAX_BACKOFF_S = 15;
const STEADY_MS = 10_000; // a session that lasted so long has shown that the server works
const MAX_QUEUED_BYTES = 128 * 1024; // in the browser, on their way: 4 s of audio
const PRE_ROLL_S = 0.5; // before the start of an utterance
const UNSEEN_S = 1.5; // so old may speech be before a first partial shows it
const BYTES_OF_A_KEY = /^[\w!#$%&'*+.^`|~-]+$/; // in a subprotocol: RFC 9110's token

/** What went wrong. `code` is the server's, or one of those that docs/embedding.md lists. */
export class StenodError extends Error {
  /** @param {{param?: string, status?: number, retryAfter?: number, retry?: boolean}} [more] */
  constructor(code, message, more = {}) {
    super(message);
    this.name = "StenodError";
    this.code = code;
    /** The setting that is meant, if any. */
    this.param = more.param;
    /** The HTTP status of a refusal, where it could be found out. */
    this.status = more.status;
    /** Seconds after which the server suggests to try again. */
    this.retryAfter = more.retryAfter;
    /** Whether trying again can help. */
    this.retry = more.retry ?? false;
  }
}

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
 * One stream of speech to text that outlives its connection: when that breaks, a new session takes over, beginning with
 * the audio whose text was not final yet. Times in events are seconds on the client's own clock, which counts the samples
 * given to sendAudio() and goes on over sessions.
 *
 * Events, each with a `detail`: ready, partial, final, warning, error, lost, reconnecting, end, close.
 */
export class StenodClient extends EventTarget {
  #options;
  #state = "idle";
  #backlog = null;
  #session = null;
  #numSessions = 0;
  #attempt = 0; // to connect again, since a session was steady
  #wake = null; // ends the wait before the next attempt
  #timer = null;

  // Positions on the client's clock, in samples.
  #sent = 0; // the present session has the audio up to here
  #settled = 0; // text is final up to here
  #received = 0; // surely received by a server up to here
  #utteranceStart = null; // of the utterance that has a partial, and no final yet
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
    return this.#backlog ? (this.#backlog.end - this.#sent) / SAMPLE_RATE : 0;
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
    this.#backlog ??= new AudioBacklog((this.#options.bufferSeconds ?? 30) * SAMPLE_RATE);
    this.#state = "connecting";
    this.#attempt = 0;
    this.#sent = this.#settled = this.#received = this.#backlog.end;
    this.#utteranceStart = this.#finalizeAt = this.#ending = null;
    try {
      return await this.#open();
    } catch (error) {
      this.#finish(error);
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

  /** A new session in place of the present one; resolves when the server is ready for audio. */
  #open() {
    const { promise, resolve, reject } = withResolvers();
    const { url, key, settings } = this.#options;
    const address = sessionUrl(url);
    const session = new Session(address, key, { encoding: "s16le", sample_rate: SAMPLE_RATE, ...settings });
    this.#session = session;
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
      reject(session.isOpen || !error.retry ? error : await probe(address, key));
    };
    session.abandon = reject;
    session.connect();
    return promise;
  }

  /** Sends what there is, as long as the browser gets rid of it. */
  #pump() {
    const session = this.#session;
    if (this.#state !== "open" || session.numQueuedBytes === null) return;
    if (this.#backlog.start > this.#sent) {
      this.#emit("lost", { start: this.#sent / SAMPLE_RATE, end: this.#backlog.start / SAMPLE_RATE });
      this.#sent = this.#backlog.start;
      session.mapClock(this.#sent);
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
        this.#received = Math.max(this.#received, session.positionOfPong);
        break;
      case "warning":
        this.#emit("warning", message);
        break;
      case "error":
        this.#emit("error", new StenodError(message.code, message.message, { param: message.param }));
        break;
      case "end":
        // All that the session received is accounted for; only what came after it would be sent again.
        this.#settled = session.toClock(message.audio?.received ?? Infinity, this.#sent);
        this.#utteranceStart = null;
        this.#emit("end", { ...message, session: this.#numSessions });
        if (session.isEndSent) this.#finish(null, { result: message });
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
    const end = Math.round(text.end * SAMPLE_RATE);
    this.#received = Math.max(this.#received, end);
    if (message.type === "final") {
      this.#settled = Math.max(this.#settled, end);
      this.#utteranceStart = null;
    } else {
      this.#utteranceStart = Math.round(text.start * SAMPLE_RATE);
    }
    this.#emit(message.type, text);
  }

  /** The session is over, and nobody asked for it. */
  #onLost(error) {
    const session = this.#session;
    // The next one begins where text is missing: with the utterance that has no final; otherwise with what this server
    // may not have received, and a little before, where speech may have begun that no partial has shown.
    const begun = this.#utteranceStart ?? this.#received - UNSEEN_S * SAMPLE_RATE;
    const missing = session.hasEnded ? this.#settled : Math.round(begun - PRE_ROLL_S * SAMPLE_RATE);
    this.#sent = Math.min(this.#sent, Math.max(this.#settled, missing));
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
      try {
        await this.#open();
      } catch (again) {
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
    const start = this.#sent / SAMPLE_RATE;
    const isLost = error && this.#sent < this.#backlog.end;
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
      if (isLost) this.#emit("lost", { start, end: this.time });
      this.#emit("close", { error: asked ? null : error });
    }
    if (error) ending?.reject(error);
    else ending?.resolve(result);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** One WebSocket: its handshake, its clock, and whether it still lives. */
class Session {
  #url;
  #key;
  #settings;
  #socket = null;
  #deadline = null;
  #numReady = 0;
  #readyAt = 0;
  #lastError = null; // that the server told
  #endReason = null;
  #samplesSent = 0;
  #pieces = []; // {session, clock}: from that sample of the session on, its clock and the client's differ by so much
  #ping = null; // {at, position} of a ping without pong
  #lastPing = 0;
  #lastCheck = 0;

  isOpen = false; // the WebSocket was, at least once
  isEndSent = false;
  hasEnded = false; // the server's `end` has come
  positionOfPong = 0;

  onReady = null; // (message)
  onMessage = null; // (message)
  onLost = null; // (StenodError), at most once
  abandon = null; // (StenodError): nobody waits for it to be ready any more

  constructor(url, key, settings) {
    this.#url = url;
    this.#key = key;
    this.#settings = settings;
  }

  get isReady() {
    return this.#numReady === 2; // the first comes with the connection, the second answers `start`
  }

  /** Milliseconds since it was ready. */
  get age() {
    return performance.now() - this.#readyAt;
  }

  /** Bytes that the browser has not sent yet; null: it takes none. */
  get numQueuedBytes() {
    return this.#socket?.readyState === WebSocket.OPEN ? this.#socket.bufferedAmount : null;
  }

  connect() {
    if (this.#key && !BYTES_OF_A_KEY.test(this.#key)) {
      const message = "An access key has no spaces, and only plain letters, digits and signs.";
      this.#lose(new StenodError("unauthorized", message, { status: 401 }));
      return;
    }
    try {
      this.#socket = new WebSocket(this.#url, ["stenod", ...(this.#key ? [`key.${this.#key}`] : [])]);
    } catch {
      this.#lose(new StenodError("invalid_url", `The browser does not connect to ${this.#url}`));
      return;
    }
    this.#deadline = setTimeout(() => {
      this.#lose(new StenodError("unreachable", "The server did not answer in time.", { retry: true }));
    }, CONNECT_TIMEOUT_MS);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.isOpen = true;
      this.send({ type: "start", ...this.#settings });
    };
    this.#socket.onmessage = ({ data }) => this.#onMessage(data);
    this.#socket.onclose = ({ code, reason }) => this.#lose(this.#closeError(code, reason));
  }

  close() {
    clearTimeout(this.#deadline);
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  sendAudio(samples) {
    this.#socket.send(samples);
    this.#samplesSent += samples.length;
  }

  sendEnd() {
    if (!this.isEndSent) this.send({ type: "end" });
    this.isEndSent = true;
  }

  /** What is sent next stands at this position of the client's clock. */
  mapClock(position) {
    this.#pieces.push({ session: this.#samplesSent, clock: position });
  }

  /** The position on the client's clock of a sample of this session, at most `limit`. */
  toClock(sample, limit) {
    const { session, clock } = this.#pieces.findLast((piece) => piece.session <= sample) ?? this.#pieces[0];
    return Math.min(limit, clock + sample - session);
  }

  /** To be called every TICK_MS. `position`: up to where audio was sent. */
  check(position) {
    const now = performance.now();
    const slept = now - this.#lastCheck > 10 * TICK_MS; // the whole page, and what the server said is yet to be read
    this.#lastCheck = now;
    if (this.#ping) {
      if (slept) this.#ping.at = now;
      if (now - this.#ping.at <= PING_TIMEOUT_MS) return;
      this.#lose(new StenodError("connection_lost", "The server does not answer any more.", { retry: true }));
    } else if (now - this.#lastPing >= PING_INTERVAL_MS && this.numQueuedBytes !== null) {
      this.#lastPing = now;
      this.#ping = { at: now, position };
      this.send({ type: "ping" });
    }
  }

  #onMessage(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // text of a kind that is not ours
    }
    if (this.#ping) this.#ping.at = performance.now();
    switch (message.type) {
      case "ready":
        if (++this.#numReady !== 2) return;
        clearTimeout(this.#deadline);
        this.#readyAt = this.#lastPing = this.#lastCheck = performance.now();
        this.onReady(message);
        return;
      case "pong":
        if (!this.#ping) return;
        this.positionOfPong = this.#ping.position;
        this.#ping = null;
        break;
      case "error":
        this.#lastError = new StenodError(message.code, message.message, { param: message.param });
        if (!this.isReady) {
          this.#lose(this.#lastError);
          return;
        }
        break;
      case "end":
        this.hasEnded = true;
        this.#endReason = message.reason;
        break;
    }
    this.onMessage(message);
  }

  #closeError(code, reason) {
    // The reason of an `end` that nobody asked for is an error's code where an error ended the session.
    if (this.hasEnded && this.#endReason !== this.#lastError?.code) {
      return new StenodError("ended", `The server ended the session: ${this.#endReason}.`, { retry: true });
    }
    const retry = ![1002, 1003, 1007, 1008, 1009, 1010].includes(code); // RFC 6455, 7.4.1
    if (this.#lastError && code !== 1006) {
      this.#lastError.retry = retry;
      return this.#lastError;
    }
    const [name, message] = {
      1000: ["ended", "The server ended the session."],
      1001: ["shutting_down", "The server is shutting down."],
      1008: ["policy", "The server does not allow this session any longer."],
      1009: ["too_big", "The server refused a message for its size."],
      1011: ["internal", "The server met with an error of its own."],
      1013: ["overloaded", "The server has too much to do."],
    }[code] ?? ["connection_lost", "The connection broke."];
    return new StenodError(name, reason || message, { retry });
  }

  #lose(error) {
    this.close();
    this.onLost(error);
  }
}

// Errors and waiting

/**
 * Why a WebSocket was refused. Browsers don't tell, so the same address is asked again without the upgrade, then one
 * that wants the key, then whether the server is ready at all.
 */
async function probe(url, key) {
  const addresses = ["ws/transcribe", "v1/models", "readyz"].map((path) => {
    const address = new URL(url);
    address.protocol = address.protocol.replace("ws", "http");
    address.pathname = address.pathname.replace(/\/?(ws\/transcribe\/?)?$/, `/${path}`);
    return address;
  });
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    for (const address of addresses) {
      const answer = await fetch(address, { headers, cache: "no-store", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      if ([400, 401, 403, 429, 503].includes(answer.status)) return await refusal(answer);
    }
    return new StenodError("refused", "The server takes no further session now.", { retry: true });
  } catch {
    return new StenodError("unreachable", "The server cannot be reached.", { retry: true });
  }
}

/** The error that an HTTP answer other than 2xx stands for. */
export async function refusal(answer) {
  const status = answer.status;
  const known = {
    400: ["invalid_argument", "The server does not know one of the settings."],
    401: ["unauthorized", "The server wants an access key."],
    403: ["forbidden", "The access key or this page's address is not allowed here."],
    413: ["too_large", "The file is larger than the server takes."],
    429: ["too_many_requests", "There are too many streams, or the day's minutes are used up."],
    503: ["overloaded", "The server has too much to do."],
  }[status] ?? ["http_error", `The server answered with status ${status}.`];
  const body = (await answer.json().catch(() => null))?.error;
  const retryAfter = Number.parseFloat(answer.headers.get("Retry-After")) || undefined;
  return new StenodError(body?.code ?? known[0], body?.message ?? known[1], {
    param: body?.param,
    status,
    retryAfter,
    retry: status === 429 || status >= 500,
  });
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

/**
 * The microphone as mono samples at SAMPLE_RATE. Events: `audio` (detail: Float32Array of 100 ms), `level` (detail:
 * {rms, peak} of those samples, 1 is the loudest), `muted` (detail: boolean, by the system or a switch of the device),
 * `ended` (the device is gone).
 */
export class Microphone extends EventTarget {
  #options;
  #stream = null;
  #context = null;
  #node = null;

  /**
   * @param {object} [options]
   * @param {string} [options.deviceId] default: the system's choice
   * @param {boolean} [options.echoCancellation] default true; as are the next two
   * @param {boolean} [options.noiseSuppression]
   * @param {boolean} [options.autoGainControl]
   */
  constructor(options = {}) {
    super();
    this.#options = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...options };
  }

  get label() {
    return this.#stream?.getAudioTracks()[0]?.label ?? "";
  }

  /** Asks for permission where that is needed. Rejects with a StenodError whose code begins with `microphone_`. */
  async start() {
    if (!globalThis.isSecureContext) {
      throw new StenodError("microphone_insecure", "Browsers give the microphone to pages over https alone.");
    }
    if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) {
      throw new StenodError("microphone_unsupported", "This browser cannot record sound in a page.");
    }
    // Before the first wait, while the press of a button still counts: otherwise Safari leaves it suspended.
    const context = (this.#context = new AudioContext({ latencyHint: "interactive" }));
    try {
      const { deviceId, ...switches } = this.#options;
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: { ...switches, channelCount: 1, ...(deviceId && { deviceId }) },
      });
      await context.audioWorklet.addModule(new URL("stenod-worklet.js", import.meta.url)).catch(() => {
        throw new StenodError("unreachable", "A part of this page could not be loaded.", { retry: true });
      });
      if (this.#context !== context) throw new StenodError("closed", "Stopped before the microphone was there.");
    } catch (error) {
      await this.stop();
      throw error instanceof StenodError ? error : microphoneError(error);
    }

    const [track] = this.#stream.getAudioTracks();
    track.onended = () => this.dispatchEvent(new CustomEvent("ended"));
    track.onmute = () => this.dispatchEvent(new CustomEvent("muted", { detail: true }));
    track.onunmute = () => this.dispatchEvent(new CustomEvent("muted", { detail: false }));

    this.#node = new AudioWorkletNode(context, "stenod-microphone", {
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { outputRate: SAMPLE_RATE, chunkSamples: SAMPLE_RATE / 10 },
    });
    this.#node.port.onmessage = ({ data }) => this.#onSamples(data.samples);
    context.createMediaStreamSource(this.#stream).connect(this.#node);
    this.#node.connect(context.destination); // silence: what is connected to nothing may not run
    await context.resume();
  }

  /** Delivers nothing until resume(), but keeps the device. Resolves when the last `audio` was delivered. */
  async pause() {
    if (!this.#node) return;
    await this.#flush();
    for (const track of this.#stream?.getTracks() ?? []) track.enabled = false;
    await this.#context?.suspend();
  }

  async resume() {
    for (const track of this.#stream?.getTracks() ?? []) track.enabled = true;
    await this.#context?.resume();
  }

  /** Gives the device back. Resolves when the last `audio` was delivered. */
  async stop() {
    if (this.#node && this.#context.state === "running") await this.#flush();
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    const context = this.#context;
    this.#stream = this.#node = this.#context = null;
    await context?.close();
  }

  /** What the audio thread holds of an unfinished message. */
  #flush() {
    const node = this.#node;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 250); // an interrupted device answers nothing
      node.port.onmessage = ({ data }) => {
        this.#onSamples(data.samples);
        if (!data.isLast) return;
        clearTimeout(timer);
        resolve();
      };
      node.port.postMessage("flush");
    });
  }

  #onSamples(samples) {
    if (samples.length === 0) return;
    let sum = 0;
    let peak = 0;
    for (const x of samples) {
      sum += x * x;
      peak = Math.max(peak, Math.abs(x));
    }
    this.dispatchEvent(new CustomEvent("level", { detail: { rms: Math.sqrt(sum / samples.length), peak } }));
    this.dispatchEvent(new CustomEvent("audio", { detail: samples }));
  }
}

function microphoneError(error) {
  const [code, message] = {
    NotAllowedError: ["microphone_denied", "The browser was not allowed to use the microphone."],
    SecurityError: ["microphone_denied", "The browser was not allowed to use the microphone."],
    NotFoundError: ["microphone_missing", "There is no microphone."],
    OverconstrainedError: ["microphone_missing", "The chosen microphone is not there."],
    NotReadableError: ["microphone_busy", "The microphone is in use by another program, or does not work."],
    AbortError: ["microphone_busy", "The microphone could not be started."],
  }[error.name] ?? ["microphone_failed", error.message];
  return new StenodError(code, message);
}
