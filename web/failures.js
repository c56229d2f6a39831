// What to say when something fails: what happened, and what to do about it.

/**
 * @param {import("./stenod.js").StenodError} error
 * @param {{hasKey: boolean}} context
 * @returns {{title: string, text: string, action: "retry"|"settings"|null}}
 */
export function describe(error, { hasKey }) {
  const [title, text, action] = words(error, hasKey);
  return { title, text, action };
}

function words(error, hasKey) {
  const soon = error.retryAfter ? `Try again in ${Math.ceil(error.retryAfter)} seconds.` : "Try again in a moment.";
  switch (error.status) {
    case 401:
      return hasKey
        ? ["The access key is not accepted", "It is mistyped, revoked or out of date. Enter a valid one in the settings.", "settings"]
        : ["This server asks for an access key", "Enter the key that you were given; it is kept for this tab only unless you choose otherwise.", "settings"];
    case 403:
      return ["Not allowed", "This key, or the address of this page, may not do that here. Ask whoever runs the server.", "settings"];
    case 413:
      return ["The file is too large", error.message, null];
    case 429:
      if (error.code === "quota_exceeded") break;
      return ["A limit is reached", `${sentence(error.message)} ${soon}`, "retry"];
    case 503:
      if (error.code === "shutting_down") break;
      return error.code === "no_engine"
        ? ["This server only takes jobs", "It has no model loaded, so nothing can be transcribed while you wait.", null]
        : ["The server is busy", `It has as much to do as it can carry, and takes nobody it would have to keep waiting. ${soon}`, "retry"];
  }
  switch (error.code) {
    case "microphone_denied":
      return [
        "The microphone is blocked",
        "This page was not allowed to use it. Click the icon beside the address, allow the microphone, and start again.",
        "retry",
      ];
    case "microphone_missing":
      return ["No microphone found", "Connect one, or choose another in the settings, and start again.", "retry"];
    case "microphone_busy":
      return ["The microphone is in use", "Another program holds it, or it does not work. Close that program and start again.", "retry"];
    case "microphone_lost":
      return ["The microphone is gone", "It was unplugged or switched off. What you said until then is here.", "retry"];
    case "microphone_insecure":
      return [
        "This page needs https",
        "Browsers give the microphone only to pages that come encrypted, or from this very machine. Open the page at its https address; files can be transcribed here all the same.",
        null,
      ];
    case "microphone_unsupported":
      return ["This browser is too old", "It cannot record sound in a page. Use a current Firefox, Chrome, Edge or Safari.", null];
    case "microphone_failed":
      return ["The microphone could not be started", sentence(error.message), "retry"];
    case "unreachable":
      return ["The server cannot be reached", "It is not running, or there is no network between you and it.", "retry"];
    case "refused":
      return [
        "The server took no session",
        `It had no place a moment ago, or something between here and there, such as a proxy, lets no WebSocket through. ${soon}`,
        "retry",
      ];
    case "quota_exceeded":
      return ["The day’s minutes are used up", sentence(error.message), null];
    case "connection_lost":
      return ["The connection broke", sentence(error.message), "retry"];
    case "shutting_down":
      return ["The server is shutting down", "It takes no new sessions. What is on the screen is safe.", "retry"];
    case "overloaded":
      return ["The server is busy", `It could not keep up with everybody and closed this session. ${soon}`, "retry"];
    case "internal":
      return ["The server met with an error", `${sentence(error.message)} What is on the screen is safe.`, "retry"];
    case "invalid_argument":
    case "not_supported":
      return ["The server does not take these settings", sentence(error.message), "settings"];
    default:
      if (error.code?.startsWith("audio_")) return ["This file cannot be transcribed", sentence(error.message), null];
      return ["That did not work", sentence(error.message || error.code), error.retry ? "retry" : null];
  }
}

function sentence(text) {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
