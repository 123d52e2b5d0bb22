// A part of an image to search with: drawn around an object, or in numbers.

import { h } from "./dom.js";
import { button } from "./parts.js";

const NUMBERS = /^\[?\s*(\d{1,9})\s*:\s*(\d{1,9})\s*,\s*(\d{1,9})\s*:\s*(\d{1,9})\s*\]?$/;
const LEAST = 4; // on the screen, below which nothing was drawn

/** A part is [first x, last x, first y, last y], from 1, as FITS counts. */
const textOf = ([left, right, bottom, top]) => `${left}:${right},${bottom}:${top}`;

/** What the service is asked to read: an HDU, a part of one, or both. */
export function selectorOf({ hdu, cut }) {
  if (!cut) return hdu;
  return `${hdu ? `[${hdu}]` : ""}[${textOf(cut)}]`;
}

/** The part that a text means: null for all, undefined where it means none. */
export function parseCut(text) {
  if (!text.trim()) return null;
  const found = NUMBERS.exec(text.trim());
  if (!found) return undefined;
  const [left, right, bottom, top] = found.slice(1).map(Number);
  return left >= 1 && bottom >= 1 && left <= right && bottom <= top ? [left, right, bottom, top] : undefined;
}

/** The part in numbers, to be read and written; `changed` gets the new one. */
export function cutChoice(cut, changed) {
  // A finger on the picture scrolls, and draws nothing.
  const help = matchMedia("(pointer: coarse)").matches ? null : h("p", { class: "fine", id: "cut-help" }, "Or press on an object in the picture and draw a square around it.");
  const wrong = h("p", { class: "wrong", id: "cut-wrong", hidden: true }, "Give columns and rows from 1, such as 100:163,40:103.");
  const input = h("input", {
    id: "cut", autocomplete: "off", spellcheck: "false", placeholder: "all of it", size: 20, value: cut ? textOf(cut) : "", "aria-describedby": help?.id,
    on: {
      change: () => {
        const found = parseCut(input.value);
        wrong.hidden = found !== undefined;
        input.setAttribute("aria-invalid", String(found === undefined));
        input.setAttribute("aria-describedby", found === undefined ? "cut-wrong" : help?.id ?? "");
        if (found !== undefined) changed(found);
      },
    },
  });
  return h("div", { class: "field" }, h("label", { for: "cut" }, "Part: columns, rows"),
    h("div", { class: "row tight" }, input, cut ? button("All of it", () => changed(null), { class: "plain small", id: "uncut" }) : null), wrong, help);
}

/**
 * Let a square be drawn on a picture, from its centre outwards, and tell `changed`. `shape`
 * is (channel, rows, columns) of what is seen, which is the part `cut` of the image or all.
 */
export function drawable(figure, { shape, cut }, changed) {
  const image = figure.querySelector("img");
  if (!image) return figure;
  const [, rows, columns] = shape;
  const [left, , bottom] = cut ?? [1, columns, 1, rows];
  const frame = h("span", { class: "cut-frame", hidden: true, "aria-hidden": "true" });
  image.classList.add("drawable");
  figure.append(frame);
  image.addEventListener("pointerdown", (event) => {
    if (event.button || event.pointerType === "touch") return; // which scrolls
    event.preventDefault();
    image.setPointerCapture(event.pointerId);
    const box = image.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let reach = 0;
    const move = (moved) => {
      reach = Math.max(Math.abs(moved.clientX - box.left - x), Math.abs(moved.clientY - box.top - y));
      frame.hidden = reach < LEAST;
      const sides = { left: Math.max(0, x - reach), top: Math.max(0, y - reach), right: Math.min(box.width, x + reach), bottom: Math.min(box.height, y + reach) };
      Object.assign(frame.style, { left: `${sides.left}px`, top: `${sides.top}px`, width: `${sides.right - sides.left}px`, height: `${sides.bottom - sides.top}px` });
    };
    const end = (ended) => {
      for (const name of ["pointermove", "pointerup", "pointercancel"]) image.removeEventListener(name, name === "pointermove" ? move : end);
      frame.hidden = true;
      if (ended.type !== "pointerup" || reach < LEAST) return;
      // The first row of an image is the lowest of its picture.
      const within = (middle, scale, count, first) => [middle - reach, middle + reach].map((one, i) =>
        first + Math.max(0, Math.min(count - 1, i ? Math.ceil(one * scale) - 1 : Math.floor(one * scale))));
      changed([...within(x, columns / box.width, columns, left), ...within(box.height - y, rows / box.height, rows, bottom)]);
    };
    image.addEventListener("pointermove", move);
    image.addEventListener("pointerup", end);
    image.addEventListener("pointercancel", end);
  });
  return figure;
}
