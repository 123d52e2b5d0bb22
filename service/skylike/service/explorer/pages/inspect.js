// A look at pixels: the picture that the service makes, and how it was read.

import { post, send } from "./api.js";
import { selectorOf } from "./cut.js";
import { disarmed, h, said } from "./dom.js";
import { chips, facts, note, number } from "./parts.js";
import { inlinePicture } from "./pictures.js";
import { decimalText } from "./sky.js";

export const STRETCHES = [
  ["STRETCH_ASINH", "asinh"], ["STRETCH_LINEAR", "linear"], ["STRETCH_SQUARE_ROOT", "square root"],
  ["STRETCH_LOGARITHM", "logarithm"], ["STRETCH_HISTOGRAM", "histogram"],
];
const SIDE = 512;

/** Look at a file; `look` may have hdu, cut, axis_kind, stretch, plane. */
export function inspectFile(file, collection, { cut, ...look }, signal) {
  return send("v1/inspect", file, { collection, side: SIDE, decorations: "true", ...look, hdu: selectorOf({ ...look, cut }) }, { signal });
}

/** Look at an object of the archive. */
export function inspectObject(collection, id, look, signal) {
  return post("v1/inspect", { collection, query: { object_id: id }, side: SIDE, decorations: true, ...look }, { signal });
}

/** The picture with its limits; `what` names it for those who do not see it. */
export function pictureOf(told, what) {
  if (!told.picture_png) return h("div", { class: "stamp none" }, "no picture");
  const unit = told.reading?.unit ? ` ${told.reading.unit}` : "";
  const limits = told.low === undefined ? "" : `black ${number(told.low, 3)}, white ${number(told.high, 3)}${unit}`;
  const bar = told.scale_bar ? `bar ${length(told.scale_bar.length_arcsec)}` : "";
  return h("figure", { class: "stamp" },
    inlinePicture(told.picture_png, { alt: `${disarmed(what, 80)}, stretched for the eye${told.north_deg === undefined ? "" : `; north is ${Math.round(told.north_deg)}° counter-clockwise from up`}` }),
    h("figcaption", { class: "fine" }, said([limits, bar].filter(Boolean).join(" · "))));
}

function length(arcsec) {
  return arcsec < 60 ? `${number(arcsec)}″` : arcsec < 3600 ? `${number(arcsec / 60)}′` : `${number(arcsec / 3600)}°`;
}

/** What was odd about a file, in its own words. */
export function warningsOf(told) {
  const all = [...new Set([...(told.warnings ?? []), ...(told.reading?.warnings ?? [])])];
  return all.length ? h("ul", { class: "note warnings" }, all.map((one) => h("li", {}, said(one, 500)))) : null;
}

/** How it was read. */
export function readingFacts(reading) {
  if (!reading) return null;
  const { position } = reading;
  return facts([
    ["Read from", reading.hdu ? `HDU ${reading.hdu}` : ""],
    ["Axes", reading.axes ? `${reading.axes}, ${reading.shape.join(" × ")}` : ""],
    ["Position", position ? decimalText(position) : "not told by the header"],
    ["Pixel", reading.pixel_scale_arcsec ? `${number(reading.pixel_scale_arcsec, 3)}″` : ""],
    ["Unit", reading.unit],
    ["Pixels with data", `${number(100 * reading.valid_fraction, 3)} %`],
    ["Flags", reading.flags.length ? chips(reading.flags, "flags") : "none"],
  ]);
}

/** Cards of the header that matter. */
export function headerFacts(told) {
  if (!told.facts?.length) return null;
  return h("dl", { class: "facts header" }, told.facts.map((one) => [
    h("dt", { class: "mono" }, said(one.keyword, 20)),
    h("dd", {}, said(one.value, 200), one.comment ? h("span", { class: "fine" }, "  ", said(one.comment, 120)) : null),
  ]));
}

/** The choice of a stretch, as a group of buttons; `changed` gets its name. */
export function stretchChoice(chosen, changed) {
  const buttons = STRETCHES.map(([name, label]) => h("button", {
    type: "button", class: "plain small", "aria-pressed": String(name === chosen), data: { stretch: name },
    on: {
      click: (event) => {
        for (const one of event.target.parentElement.querySelectorAll("[data-stretch]")) one.setAttribute("aria-pressed", String(one === event.target));
        changed(name);
      },
    },
  }, label));
  return h("div", { class: "row stretches", role: "group", "aria-label": "Stretch" }, buttons);
}

/** The choice of a plane of a third axis; null where there is but one. */
export function planeChoice(planes, chosen, changed) {
  if (!(planes > 1)) return null;
  const options = [["", "all together"], ...Array.from({ length: Math.min(planes, 2000) }, (_, i) => [String(i), `${i + 1} of ${planes}`])];
  return h("div", { class: "field" }, h("label", { for: "plane" }, "Plane shown"),
    h("select", { id: "plane", on: { change: (event) => changed(event.target.value) } },
      options.map(([value, label]) => h("option", { value, selected: value === (chosen ?? "") }, label))));
}

/** A note where an object's own pixels could not be had. */
export const onlyThumbnail = (told) => (told.hdus?.length ? null : note("The file of this object cannot be read now; this is the picture made when it was indexed."));
