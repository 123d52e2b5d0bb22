// The conditions of a search, as a form whose state is the address.

import { post } from "./api.js";
import { disarmed, fill, h, said, tell } from "./dom.js";
import { countFilters, eachFilter, filterParams } from "./filters.js";
import { FLAGS } from "./flags.js";
import { button, number, unknownNote, valueOf } from "./parts.js";
import { parsePosition, parseRadius } from "./sky.js";

const ALWAYS = ["valid_fraction", "epoch_mjd", "ra", "dec"];

/** A part that opens; `apply` gets the parameters of the conditions. */
export function filterForm(state, filters, apply) {
  const count = countFilters(filters);
  const inside = h("div", { class: "filter-form" });
  const details = h("details", { class: "filters" }, h("summary", {}, count ? `Filters (${number(count)})` : "Filters"), inside);
  let isMade = false;
  const make = async () => {
    if (isMade || !details.open) return;
    isMade = true;
    fill(inside, form(await names(state), filters, apply));
  };
  details.addEventListener("toggle", make);
  return h("div", {}, details, count ? h("ul", { class: "chips labels editable", "aria-label": "Filters that are set" },
    eachFilter(filters).map(([words, left]) => h("li", {}, said(words, 80), button("×", () => apply(filterParams(left)), { class: "bare", "aria-label": `Without ${disarmed(words, 80)}` })))) : null,
  unknownNote(filters.unknown));
}

/** What there is to ask for, as far as a first page of objects tells. */
async function names({ collection, signal }) {
  try {
    const { objects } = await post("v1/objects/list", { collection, page_size: 300 }, { signal });
    const values = new Map();
    for (const { attributes } of objects) {
      for (const [name, value] of Object.entries(attributes)) {
        if (!values.has(name)) values.set(name, new Set());
        values.get(name).add(valueOf(value));
      }
    }
    return { values, labels: [...new Set(objects.flatMap((one) => one.labels))].sort() };
  } catch {
    return { values: new Map(), labels: [] };
  }
}

function form({ values, labels }, filters, apply) {
  const now = structuredClone(filters);
  const problem = h("p", { class: "wrong", role: "alert" });
  const at = field("cone-at", "Around (ICRS)", now.cone ? `${now.cone.ra} ${now.cone.dec}` : "", { placeholder: "150.1 2.2" });
  const radius = field("cone-radius", "within", now.cone ? `${number(now.cone.radius, 6)} deg` : "", { placeholder: "0.5 deg", size: 9 });
  const list = h("ul", { class: "conditions" });
  const attributeRows = now.attributes.map((one) => attributeRow(values, one));
  if (!attributeRows.length) attributeRows.push(attributeRow(values, ["", ""]));
  fill(list, attributeRows);
  const flagChoice = (flag) => {
    const state = now.flags.includes(flag) ? "yes" : now.noflags.includes(flag) ? "no" : "";
    return h("div", { class: "field" }, h("label", { for: `flag-${flag}`, title: FLAGS[flag] }, flag),
      h("select", { id: `flag-${flag}`, data: { flag } }, [["", "any"], ["yes", "set"], ["no", "not set"]]
        .map(([value, label]) => h("option", { value, selected: value === state }, label))));
  };
  const label = field("label-is", "Has the label", now.labels.join(", "), { list: "known-labels" });
  const nolabel = field("label-not", "Has not the label", now.nolabels.join(", "), { list: "known-labels" });
  return h("form", {
    novalidate: true, id: "filters",
    on: {
      submit: (event) => {
        event.preventDefault();
        try {
          apply(filterParams(read(event.currentTarget)));
        } catch (error) {
          problem.textContent = error.message;
          tell(error.message);
        }
      },
    },
  },
  h("datalist", { id: "known-labels" }, labels.map((one) => h("option", { value: one }))),
  h("datalist", { id: "known-attributes" }, [...values.keys(), ...ALWAYS].map((one) => h("option", { value: one }))),
  h("fieldset", {}, h("legend", {}, "On the sky"), h("div", { class: "row" }, at, radius)),
  h("fieldset", {}, h("legend", {}, "Attributes"), list,
    button("Another", () => list.append(attributeRow(values, ["", ""])), { class: "plain small" })),
  h("fieldset", {}, h("legend", {}, "Labels"), h("div", { class: "row" }, label, nolabel)),
  h("fieldset", {}, h("legend", {}, "Quality flags"), h("div", { class: "row" }, Object.keys(FLAGS).map(flagChoice))),
  problem,
  h("div", { class: "row" }, h("button", { type: "submit" }, "Apply"),
    button("Clear all", () => apply(filterParams({ cone: null, attributes: [], flags: [], noflags: [], labels: [], nolabels: [] })), { class: "plain" })));
}

let numbered = 0;

function field(id, label, value, more = {}) {
  return h("div", { class: "field" }, h("label", { for: id }, label), h("input", { id, value, autocomplete: "off", spellcheck: "false", ...more }));
}

function attributeRow(values, [name, ...rest]) {
  numbered += 1;
  const id = (part) => `attribute-${numbered}-${part}`;
  const is = rest.length === 1 ? rest[0] : "";
  const [low, high] = rest.length === 2 ? rest : ["", ""];
  const options = h("datalist", { id: id("values") });
  const offer = (chosen) => fill(options, [...(values.get(chosen) ?? [])].filter((one) => typeof one !== "number").slice(0, 50)
    .map((one) => h("option", { value: String(one) })));
  offer(name);
  const named = field(id("name"), "Name", name, { list: "known-attributes", data: { part: "name" }, on: { input: (event) => offer(event.target.value) } });
  return h("li", { class: "row attribute" }, options, named,
    field(id("is"), "is", is, { list: id("values"), data: { part: "is" }, size: 10 }),
    field(id("low"), "or from", low ?? "", { data: { part: "low" }, size: 6, inputmode: "decimal" }),
    field(id("high"), "to", high ?? "", { data: { part: "high" }, size: 6, inputmode: "decimal" }),
    button("Remove", (event) => event.target.closest("li").remove(), { class: "plain small", "aria-label": "Remove this condition" }));
}

/** What the form says; an Error that tells what is wrong with it. */
function read(form) {
  const text = (id) => form.querySelector(`#${id}`).value.trim();
  let cone = null;
  if (text("cone-at") || text("cone-radius")) {
    const place = parsePosition(text("cone-at"));
    const radius = parseRadius(text("cone-radius"));
    if (place.error) throw new Error(place.error);
    if (!radius) throw new Error("Give the radius as an angle: 5 arcsec, 2 arcmin, 0.5 deg.");
    cone = { ra: place.ra_deg, dec: place.dec_deg, radius };
  }
  const attributes = [...form.querySelectorAll(".attribute")].map((row) => {
    const part = (name) => row.querySelector(`[data-part=${name}]`).value.trim();
    if (!part("name")) return null;
    if (part("is")) return [part("name"), part("is")];
    const bounds = ["low", "high"].map((one) => (part(one) === "" ? null : Number(part(one))));
    if (bounds.some(Number.isNaN)) throw new Error(`The bounds of ${part("name")} have to be numbers.`);
    if (bounds.every((one) => one === null)) throw new Error(`Say what ${part("name")} has to be.`);
    return [part("name"), ...bounds];
  }).filter(Boolean);
  const words = (id) => text(id).split(",").map((one) => one.trim()).filter(Boolean);
  const flags = (state) => [...form.querySelectorAll("[data-flag]")].filter((one) => one.value === state).map((one) => one.dataset.flag);
  return { cone, attributes, flags: flags("yes"), noflags: flags("no"), labels: words("label-is"), nolabels: words("label-not") };
}
