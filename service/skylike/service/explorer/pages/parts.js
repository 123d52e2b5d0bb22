// What views are made of: states, facts, tables, numbers.

import { disarmed, h, said, tell } from "./dom.js";
import { FLAGS, isPoor } from "./flags.js";

/** What is shown while something is on its way. */
export function loading(what = "Loading") {
  return h("p", { class: "loading", role: "status" }, h("span", { class: "dots", "aria-hidden": "true" }), `${what} …`);
}

/** What is shown where there is nothing, and what to do about it. */
export function empty(title, ...more) {
  return h("div", { class: "state" }, h("p", { class: "state-title" }, title), more.map((one) =>
    (typeof one === "string" ? h("p", {}, one) : one)));
}

/** What is shown of a collection that has no fit. */
export const unfitted = () => empty("Nothing is fitted yet.", "The map, clusters and oddness are there after a fit: skylike-service fit, or a fit job (skylike jobs start fit).");

/** What only has to be done first, in words; null of an error. */
function early(error) {
  if (error.reason === "NOT_FITTED") return unfitted();
  if (error.reason === "NOT_RATED") return empty("Nothing is rated yet.", "Rate some of the oddest, or of those that are suggested; then the collection is ranked by what that teaches.");
  return error.kind === "NOT_READY" ? empty("This cannot be told yet.", disarmed(error.message, 1000)) : null;
}

const HINTS = {
  UNREACHABLE: "Look whether the service runs, then try again.",
  UNKNOWN_COLLECTION: "Choose another collection above.",
  UNKNOWN_ID: "It may have been taken out, or be in another collection.",
  NOTHING_THERE: "Widen the radius, or look whether the position is in the archive.",
  TOO_LARGE: "Cut out what is to be searched with, or have the file indexed where the service can read it.",
  MISSING_SCOPE: "The key in use does not allow this; one with a wider scope does.",
  HTTP_404: "This service may be older than this page.",
};

/** An error in words, with a way to try again; what is only too early is told without alarm. */
export function failed(error, again = null) {
  const state = early(error);
  if (state) {
    tell(state.textContent);
    return state;
  }
  const title = error.name === "NotAllowedError" ? "A key is needed" : error.status === 0 ? "No answer" : error.status ? "The service refused this" : "Something went wrong in this page";
  tell(`${title}: ${error.message}`);
  const about = [error.reason, error.status ? String(error.status) : "", error.requestId ? `request ${error.requestId}` : ""].filter(Boolean);
  return h("div", { class: "state error", role: "alert" },
    h("p", { class: "state-title" }, title),
    h("p", {}, disarmed(error.message || String(error), 1000)),
    HINTS[error.reason] ? h("p", {}, HINTS[error.reason]) : null,
    about.length ? h("p", { class: "fine" }, disarmed(about.join(" · "), 200)) : null,
    again ? h("button", { type: "button", on: { click: again } }, "Try again") : null);
}

/** Put what a promise gives into an element, with loading and error states. */
export async function into(element, promise, made, { what, signal, again = null } = {}) {
  element.replaceChildren(loading(what));
  element.setAttribute("aria-busy", "true");
  try {
    const answer = await (typeof promise === "function" ? promise() : promise);
    if (signal?.aborted) return null;
    element.replaceChildren(...[made(answer)].flat(Infinity).filter(Boolean));
    return answer;
  } catch (error) {
    if (error.name === "AbortError" || signal?.aborted) return null;
    const retry = typeof promise === "function" ? () => into(element, promise, made, { what, signal, again }) : again;
    element.replaceChildren(failed(error, retry));
    return null;
  } finally {
    element.removeAttribute("aria-busy");
  }
}

/** Names and values; those without a value are left out. */
export function facts(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, told.map(([name, value]) =>
    [h("dt", {}, typeof name === "string" ? said(name, 80) : name), h("dd", {}, typeof value === "string" ? said(value) : value)]));
}

/** A part of a view, with a heading that it is named by. */
export function section(title, ...children) {
  const id = `h-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return h("section", { "aria-labelledby": id, class: "part" }, h("h2", { id }, title), children);
}

/**
 * A table. Columns are {label, of, isNumber}; `of` gives text or an element of a row.
 * It scrolls in itself where it is too wide; one that `isCompact` breaks its names before.
 */
export function table(caption, columns, rows, { isCompact = false } = {}) {
  return h("div", { class: isCompact ? "wide compact" : "wide", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map((one) => h("th", { scope: "col", class: one.isNumber ? "number" : null }, one.label)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((one) => {
        const value = one.of(row);
        return h("td", { class: one.isNumber ? "number" : null }, typeof value === "string" ? said(value) : value);
      }))))));
}

/** Small words about something: flags, labels. `more` follows each, such as its share. */
export function chips(words, kind, more = []) {
  const isFlag = (one) => kind === "flags" && one in FLAGS;
  return words.length ? h("ul", { class: `chips ${kind}`, "aria-label": kind }, words.map((one, i) =>
    h("li", { class: isFlag(one) && !isPoor(one) ? "usual" : null, title: isFlag(one) ? FLAGS[one] : null }, said(one, 60), more[i] ? ` ${more[i]}` : null))) : null;
}

/** What is noteworthy about how something was read. */
export function note(...children) {
  return h("p", { class: "note" }, children);
}

/** What of an address is no such thing, told; null where there is nothing. */
export const unknownNote = (texts) => (texts.length
  ? note("The address holds what means nothing here, and is left out: ", said(texts.join(" · "), 120)) : null);

/** A button. */
export function button(label, click, attributes = {}) {
  return h("button", { type: "button", on: { click }, ...attributes }, label);
}

/** A number with so many significant digits, as people read it. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || value === "") return "";
  const given = Number(value);
  if (!Number.isFinite(given)) return String(value);
  if (Number.isInteger(given) && Math.abs(given) < 1e15) return given.toLocaleString("en").replaceAll(",", "\u202f");
  const size = Math.abs(given);
  return size >= 1e5 || size < 1e-3 ? given.toExponential(digits - 1) : String(Number(given.toPrecision(digits)));
}

/** So many of something: counted(1, "object") is "1 object". */
export const counted = (count, word) => `${number(count)} ${word}${Number(count) === 1 ? "" : "s"}`;

/** A share as percent; "0 %" and "100 %" are none and all of it. */
export const percent = (share) => {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value < 100 && value > 99.9) return "> 99.9 %";
  return `${value.toFixed((value > 0 && value < 10) || (value < 100 && value >= 99.5) ? 1 : 0)} %`;
};

/** A percentile, with digits enough that only what is above all is at 100. */
export function percentile(value) {
  const rest = Math.min(value || 1, 100 - value || 1); // from the nearer end
  return value.toFixed(rest > 0.06 ? 1 : Math.min(6, Math.ceil(-Math.log10(rest))));
}

/** The value of an attribute, as the contract has it. */
export function valueOf(value) {
  if (value === null || value === undefined) return null;
  for (const kind of ["number", "text", "truth", "integer"]) {
    if (kind in value) return kind === "integer" || kind === "number" ? Number(value[kind]) : value[kind];
  }
  return null;
}

/** The same as text. */
export function valueText(value) {
  if (value && "integer" in value) return number(value.integer);
  const plain = valueOf(value);
  return typeof plain === "number" ? number(plain, 6) : String(plain ?? "");
}

/** Seconds as people say them. */
export function duration(seconds) {
  const whole = Math.round(Number(seconds));
  if (whole < 100) return `${whole} s`;
  if (whole < 6000) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}

/** When something was, in the visitor's own time. */
export function when(text) {
  if (!text) return "";
  const time = new Date(text);
  return h("time", { datetime: text, title: text }, time.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }));
}
