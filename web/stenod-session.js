// One session of live transcription, and why there was none. Part of stenod.js.

import { refusal, StenodError } from "./stenod-errors.js";

const CONNECT_TIMEOUT_MS = 10_000;
const PROBE_TIMEOUT_MS = 4_000;
const PING_INTERVAL_MS = 4_000;
const PING_TIMEOUT_MS = 12_000; // of silence from the server after a ping: the connection is dead
const SLEPT_MS = 2_500; // between two checks: it was the page that stood still
const CHARACTERS_OF_A_KEY = /^[\w!#$%&'*+.^`|~-]+$/; // in a subprotocol: RFC 9110's token

/** One WebSocket: its handshake, its clock, and whether it still lives. */
export class Session {
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
  hasPartials = true; // often, so that none for a while means that there is no speech
  positionOfPong = 0;

  onReady = null; // (message)
  onMessage = null; // (message)
  onLost = null; // (StenodError), at most once
  opened = null; // a promise of the server's `ready`
  abandon = null; // (StenodError): nobody waits for that any more

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
    if (this.#key && !CHARACTERS_OF_A_KEY.test(this.#key)) {
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

  /** To be called a few times a second. `position`: up to where audio was sent. */
  check(position) {
    const now = performance.now();
    const slept = now - this.#lastCheck > SLEPT_MS; // what the server said meanwhile is yet to be read
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
        this.hasPartials = message.partial_interval_ms !== 0 && !(message.partial_interval_ms > 1000);
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

/**
 * Why a WebSocket was refused. Browsers don't tell, so the same address is asked again without the upgrade: what would be
 * the answer to one is the answer then too, and 426 where there is nothing against it (any more).
 */
export async function probe(url, key) {
  const address = new URL(url);
  address.protocol = address.protocol.replace("ws", "http");
  address.pathname = address.pathname.replace(/\/?(ws\/transcribe\/?)?$/, "/ws/transcribe");
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    const answer = await fetch(address, { headers, cache: "no-store", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    if (answer.status !== 426) return await refusal(answer);
    return new StenodError("refused", "The server took no session just now.", { retry: true });
  } catch {
    return new StenodError("unreachable", "The server cannot be reached.", { retry: true });
  }
}
