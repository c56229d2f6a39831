// Messages at the top of the page: what failed, and what can be done about it. One of each name at a time.

const root = document.querySelector("#notices");

/**
 * @param {string} name a later notice of the same name replaces this one
 * @param {{title: string, text?: string, kind?: "error"|"wait"|"info", actions?: {label: string, run: () => void}[]}} notice
 */
export function showNotice(name, { title, text = "", kind = "error", actions = [] }) {
  const shown = find(name);
  if (shown?.querySelector("strong").textContent === title && shown.querySelector("p").textContent === text) return;
  shown?.remove();
  const notice = document.createElement("div");
  notice.className = `notice ${kind}`;
  notice.dataset.name = name;
  const words = document.createElement("div");
  const heading = document.createElement("strong");
  heading.textContent = title;
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  words.append(heading, paragraph);
  notice.append(words);
  for (const { label, run } of actions) {
    const button = document.createElement("button");
    button.className = "button";
    button.textContent = label;
    button.addEventListener("click", run);
    notice.append(button);
  }
  const close = document.createElement("button");
  close.className = "icon-button";
  close.ariaLabel = "Dismiss";
  close.append(icon("close"));
  close.addEventListener("click", () => notice.remove());
  if (kind !== "wait") notice.append(close);
  root.append(notice);
}

export function hideNotice(name) {
  find(name)?.remove();
}

function find(name) {
  return root.querySelector(`[data-name="${name}"]`);
}

export function icon(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  const use = document.createElementNS(namespace, "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}
