// What colours mean.

import { disarmed, h, said } from "../dom.js";
import { number } from "../parts.js";

/** The legend of `coloured`; `only` is the category that alone is coloured, or null. */
export function legendOf(legend, only, choose) {
  if (!legend) return null;
  if (legend.kind === "numbers") {
    return h("div", { class: "legend numbers" },
      h("span", {}, `≤ ${number(legend.low, 3)}`),
      h("span", { class: "legend-ramp", style: { background: `linear-gradient(to right, ${legend.palette.join(",")})` } }),
      h("span", {}, `≥ ${number(legend.high, 3)}`),
      legend.unknown ? h("span", { class: "fine" }, `${number(legend.unknown)} unknown`) : null);
  }
  const one = (i) => (legend.counts[i] ? h("button", {
    type: "button", class: "plain small", "aria-pressed": String(only === i), title: `Show only ${disarmed(legend.names[i], 60)}`,
    on: { click: () => choose(only === i ? null : i) },
  }, h("span", { class: "swatch", style: { background: legend.palette[i] } }), said(legend.names[i], 30), h("span", { class: "fine" }, number(legend.counts[i]))) : null);
  const all = legend.names.map((_, i) => i);
  const group = (label, members) => h("div", { class: "legend", role: "group", "aria-label": label }, members);
  return [
    group("Show only one", all.filter((i) => !legend.rest.includes(i)).map(one)),
    legend.rest.length ? group("Show only one of the others", [h("span", { class: "fine" }, `${number(legend.rest.length)} others share a grey; choose one to see it:`), ...legend.rest.map(one)]) : null,
  ];
}
