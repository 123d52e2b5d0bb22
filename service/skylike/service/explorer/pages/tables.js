// Lists of objects as files: CSV, ECSV, VOTable, DS9 regions. Columns are called as the
// Python client calls them.

import { h } from "./dom.js";
import { valueOf } from "./parts.js";

const COLUMNS = {
  rank: ["int", "", "stat.rank", "1 for the most alike"],
  object_id: ["string", "", "meta.id;meta.main", "Name in the collection"],
  score: ["double", "", "stat.correlation", "Cosine similarity to the query, -1 to 1"],
  separation_deg: ["double", "deg", "pos.angDistance", "Angular distance to the query"],
  ra: ["double", "deg", "pos.eq.ra;meta.main", "Right ascension, ICRS"],
  dec: ["double", "deg", "pos.eq.dec;meta.main", "Declination, ICRS"],
  epoch_mjd: ["double", "d", "time.epoch", "When it was observed, Modified Julian Date"],
  flags: ["string", "", "meta.code.qual", "What is poor about its stamp"],
  labels: ["string", "", "src.class", "What people call it"],
  valid_fraction: ["double", "", "stat.filling", "Share of its pixels that hold data, 0 to 1"],
};

/**
 * A table of objects: {columns: [{name, type, unit, ucd, description}], rows}. Items are
 * hits, or {object, ...} with more that `extra` describes as COLUMNS does.
 */
export function objectTable(items, extra = {}) {
  const of = (item) => {
    const { object } = item;
    return {
      ...item, object_id: object.id, ra: object.position?.ra_deg, dec: object.position?.dec_deg,
      epoch_mjd: object.epoch_mjd, flags: object.flags.join(" "), labels: object.labels.join(" "),
      valid_fraction: object.valid_fraction,
    };
  };
  const known = { ...COLUMNS, ...extra };
  const base = Object.keys(known);
  const names = [...new Set(items.flatMap((item) => Object.keys(item.object.attributes ?? {})))].sort();
  const rows = items.map((item) => [...base.map((name) => of(item)[name] ?? null),
    ...names.map((name) => valueOf(item.object.attributes?.[name]))]);
  const columns = [...base.map((name) => ({ name, type: known[name][0], unit: known[name][1], ucd: known[name][2], description: known[name][3] })),
    ...names.map((name, i) => ({ name: base.includes(name) ? `attribute_${name}` : name, type: typeOf(rows.map((row) => row[base.length + i])), unit: "", ucd: "", description: `Attribute ${name}` }))];
  const used = columns.map((_, i) => rows.some((row) => row[i] !== null && row[i] !== ""));
  const isKept = (_, i) => used[i] || ["rank", "object_id", "ra", "dec"].includes(columns[i].name);
  return { columns: columns.filter(isKept), rows: rows.map((row) => row.filter(isKept)) };
}

function typeOf(values) {
  const there = values.filter((one) => one !== null);
  if (there.every((one) => typeof one === "number")) return "double";
  return there.every((one) => typeof one === "boolean") ? "bool" : "string";
}

const text = (value) => (value === null ? "" : typeof value === "boolean" ? (value ? "True" : "False") : String(value));
const field = (value) => (/[",\r\n ]|^$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

/** CSV as RFC 4180 has it; what is unknown is empty. */
export function csv({ columns, rows }) {
  const line = (cells) => cells.map((one) => (one === null ? "" : field(text(one)))).join(",");
  return `${[line(columns.map((one) => one.name)), ...rows.map(line)].join("\r\n")}\r\n`;
}

/** ECSV 1.0, which astropy and TOPCAT read with units. */
export function ecsv({ columns, rows }, facts) {
  const yaml = (value) => JSON.stringify(String(value));
  const datatype = { int: "int64", double: "float64", bool: "bool", string: "string" };
  const head = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:",
    ...columns.map((one) => `- {name: ${yaml(one.name)}, datatype: ${datatype[one.type]}${one.unit ? `, unit: ${one.unit}` : ""}, description: ${yaml(one.description)}}`),
    "meta:", ...Object.entries(facts).map(([name, value]) => `  ${yaml(name)}: ${yaml(value)}`), "schema: astropy-2.0"];
  const line = (cells) => cells.map((one) => (one === null ? "" : field(text(one)))).join(",");
  return `${head.map((one) => `# ${one}`).join("\n")}\n${[line(columns.map((one) => one.name)), ...rows.map(line)].join("\n")}\n`;
}

// What no XML can hold.
const NOT_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;
const xml = (value) => String(value).replace(NOT_XML, "\ufffd")
  .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** VOTable 1.4. */
export function votable({ columns, rows }, facts) {
  const datatype = { int: 'datatype="long"', double: 'datatype="double"', bool: 'datatype="boolean"', string: 'datatype="unicodeChar" arraysize="*"' };
  const fields = columns.map((one, i) => `<FIELD ID="c${i}" name="${xml(one.name)}" ${datatype[one.type]}${one.unit ? ` unit="${one.unit}"` : ""}${one.ucd ? ` ucd="${one.ucd}"` : ""}${["ra", "dec"].includes(one.name) ? ' ref="icrs"' : ""}${one.type === "int" ? '><VALUES null="-1"/>' : ">"}<DESCRIPTION>${xml(one.description)}</DESCRIPTION></FIELD>`);
  const cell = (value, { type }) => (value === null ? (type === "int" ? "-1" : "") : type === "bool" ? (value ? "T" : "F") : xml(text(value)));
  const lines = rows.map((row) => `<TR>${row.map((value, i) => `<TD>${cell(value, columns[i])}</TD>`).join("")}</TR>`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
<COOSYS ID="icrs" system="ICRS"/>
<INFO name="QUERY_STATUS" value="OK"/>
${Object.entries(facts).map(([name, value]) => `<INFO name="${xml(name)}" value="${xml(value)}"/>`).join("\n")}
<TABLE name="objects">
${fields.join("\n")}
<DATA><TABLEDATA>
${lines.join("\n")}
</TABLEDATA></DATA>
</TABLE>
</RESOURCE>
</VOTABLE>
`;
}

// A region file is a little language: of strangers' text only this is kept.
const harmless = (value) => String(value).replace(/[^A-Za-z0-9 ._+:/@=,()<>-]/g, "_");

/** DS9 regions: a cross where each object is, labelled with rank and id. */
export function regions({ columns, rows }, facts) {
  const at = (name) => columns.findIndex((one) => one.name === name);
  const [rank, id, ra, dec] = ["rank", "object_id", "ra", "dec"].map(at);
  return `${["# Region file format: DS9 version 4.1",
    ...Object.entries(facts).map(([name, value]) => `# ${harmless(name)}: ${harmless(value)}`),
    "global color=green", "icrs",
    ...rows.filter((row) => row[ra] !== null && row[dec] !== null)
      .map((row) => `point(${row[ra].toFixed(8)},${row[dec].toFixed(8)}) # point=cross text={${harmless([row[rank], row[id]].filter((one) => one !== null).join(" "))}}`)].join("\n")}\n`;
}

const FORMATS = {
  csv: ["CSV", "text/csv", csv], ecsv: ["ECSV", "text/plain", ecsv],
  vot: ["VOTable", "application/x-votable+xml", votable], reg: ["DS9 regions", "text/plain", regions],
};

/** Buttons that save a table; `made` gives it, and `facts` where it is from. */
export function downloads(name, made, facts) {
  return h("div", { class: "row downloads", role: "group", "aria-label": "Download the table" }, h("span", { class: "fine" }, "Download"),
    Object.entries(FORMATS).map(([ending, [label, type, write]]) => h("button", {
      type: "button", class: "plain small", data: { format: ending },
      on: { click: () => save(`${name}.${ending}`, type, write(made(), facts())) },
    }, label)));
}

/** Let the browser save a text as a file. */
export function save(name, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
