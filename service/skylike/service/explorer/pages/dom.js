// Elements, made so that no text of an archive can ever become anything but text.

const AS_PROPERTY = new Set(["value", "checked", "disabled", "hidden", "selected", "open"]);
const SAFE_ADDRESS = /^(https?:|blob:|data:image\/png;base64,|[^:]*$)/i;

// Characters that are not seen, or that turn the direction of what follows them.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

/**
 * Make an element: h("a", {href: "about", class: "quiet", on: {click: f}}, "text", child).
 * Children may be elements, texts, numbers, lists of those, or null for nothing.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, heard] of Object.entries(value)) element.addEventListener(event, heard);
    } else if (name === "style") {
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    } else if (name === "data") {
      for (const [key, text] of Object.entries(value)) element.dataset[key] = text;
    } else if (AS_PROPERTY.has(name)) {
      element[name] = value;
    } else {
      if ((name === "href" || name === "src") && !SAFE_ADDRESS.test(value)) continue;
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...flat(children));
  return element;
}

/** The same for drawings: s("path", {d: "M0 0"}). */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false);
}

/** Put new children in place of those that are there. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/** A text of somebody's, with what cannot be seen made visible, and not longer than `most`. */
export function disarmed(text, most = 300) {
  const seen = String(text).replace(UNSEEN, (one) =>
    one < " " ? String.fromCharCode(0x2400 + one.charCodeAt(0)) : "\ufffd");
  const points = [...seen];
  return points.length > most ? `${points.slice(0, most - 1).join("")}…` : seen;
}

/** The same as an element that keeps its writing direction to itself. */
export function said(text, most = 300) {
  return h("bdi", {}, disarmed(text, most));
}

/** Tell those who hear the page instead of seeing it. */
export function tell(text) {
  const live = document.getElementById("live");
  live.textContent = "";
  // A change that comes later is told even where the text is the same as before.
  setTimeout(() => { live.textContent = disarmed(text); }, 50);
}
