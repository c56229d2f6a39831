// What can go wrong between a page and the server.

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
