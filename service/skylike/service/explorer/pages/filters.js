// Which objects may be found: in an address, in the contract's words, in Python.

import { numbersOf, unknownOf } from "./route.js";

/**
 * Read conditions from an address: {cone, attributes, flags, noflags, labels, nolabels}.
 * An attribute is [name, low, high] for numbers between, or [name, value]. What is no
 * condition is kept as text in `unknown`, with what of the view's own parameters (`kinds`)
 * is no such thing.
 */
export function readFilters(params, kinds = {}) {
  const [ra, dec, radius] = numbersOf(params.get("cone"), 3) ?? [];
  const texts = params.getAll("attr");
  return {
    cone: radius > 0 ? { ra, dec, radius } : null,
    attributes: texts.map(parsed).filter(Boolean),
    unknown: [...unknownOf(params, kinds), ...params.getAll("cone").slice(radius > 0 ? 1 : 0), ...texts.filter((one) => !parsed(one))].filter(Boolean),
    flags: params.getAll("flag"), noflags: params.getAll("noflag"),
    labels: params.getAll("label"), nolabels: params.getAll("nolabel"),
  };
}

function parsed(text) {
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) && typeof found[0] === "string" && [2, 3].includes(found.length) ? found : null;
  } catch {
    return null;
  }
}

/** The same as parameters. */
export function filterParams({ cone, attributes, flags, noflags, labels, nolabels }) {
  return {
    cone: cone ? `${cone.ra},${cone.dec},${cone.radius}` : null,
    attr: attributes.map((one) => JSON.stringify(one)),
    flag: flags, noflag: noflags, label: labels, nolabel: nolabels,
  };
}

/** Each condition in words, with the conditions that are left without it. */
export function eachFilter(filters) {
  const without = (name, one) => ({ ...filters, [name]: filters[name].filter((other) => other !== one) });
  const bound = ([low, high]) => (low === null ? `≤ ${high}` : high === null ? `≥ ${low}` : `${low} to ${high}`);
  return [
    ...(filters.cone ? [[`within ${filters.cone.radius}° of ${filters.cone.ra} ${filters.cone.dec}`, { ...filters, cone: null }]] : []),
    ...filters.attributes.map((one) => [`${one[0]} ${one.length === 2 ? `is ${one[1]}` : bound(one.slice(1))}`, without("attributes", one)]),
    ...filters.flags.map((one) => [one, without("flags", one)]),
    ...filters.noflags.map((one) => [`not ${one}`, without("noflags", one)]),
    ...filters.labels.map((one) => [`label ${one}`, without("labels", one)]),
    ...filters.nolabels.map((one) => [`not label ${one}`, without("nolabels", one)]),
  ];
}

/** How many conditions there are. */
export const countFilters = (filters) => (filters.cone ? 1 : 0) + ["attributes", "flags", "noflags", "labels", "nolabels"]
  .reduce((sum, name) => sum + filters[name].length, 0);

/** What a text can mean as the value of an attribute: a number is also a text. */
function values(text) {
  const clean = String(text).trim();
  if (clean === "true" || clean === "false") return [clean === "true", clean];
  const isNumber = clean !== "" && Number.isFinite(Number(clean));
  return isNumber ? [Number(clean), clean] : [clean];
}

const KINDS = { number: "number", string: "text", boolean: "truth" };

/** The filter in the contract's words; null where everything may be found. */
export function filterMessage({ cone, attributes, flags, noflags, labels, nolabels }) {
  const all = [];
  if (cone) all.push({ cone: { position: { ra_deg: cone.ra, dec_deg: cone.dec }, radius_deg: cone.radius } });
  for (const [name, ...rest] of attributes) {
    if (rest.length === 1) {
      all.push({ attribute_in: { name, values: values(rest[0]).map((one) => ({ [KINDS[typeof one]]: one })) } });
    } else {
      const [low, high] = rest;
      all.push({ attribute_range: { name, ...(low === null ? {} : { low }), ...(high === null ? {} : { high }) } });
    }
  }
  if (flags.length) all.push({ flags: { flags } });
  for (const flag of noflags) all.push({ negated: { flags: { flags: [flag] } } });
  for (const label of labels) all.push({ label });
  for (const label of nolabels) all.push({ negated: { label } });
  if (!all.length) return null;
  return all.length === 1 ? all[0] : { all: { filters: all } };
}

/** The filter in Python, and the names it imports; null where there is none. */
export function filterPython({ cone, attributes, flags, noflags, labels, nolabels }) {
  const parts = [];
  const names = new Set();
  const add = (name, text, isNegated = false) => {
    names.add(name);
    parts.push(`${isNegated ? "~" : ""}${name}(${text})`);
  };
  if (cone) add("Cone", `${cone.ra}, ${cone.dec}, radius_deg=${cone.radius}`);
  for (const [name, ...rest] of attributes) {
    if (rest.length === 1) add("OneOf", `${python(name)}, [${values(rest[0]).map(python).join(", ")}]`);
    else add("Between", `${python(name)}, low=${python(rest[0])}, high=${python(rest[1])}`);
  }
  if (flags.length) add("Flagged", `[${flags.map(python).join(", ")}]`);
  for (const flag of noflags) add("Flagged", `[${python(flag)}]`, true);
  for (const label of labels) add("Labelled", python(label));
  for (const label of nolabels) add("Labelled", python(label), true);
  return parts.length ? { text: parts.join(" & "), names: [...names].sort() } : null;
}

/** A value as Python writes it. */
export function python(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  return JSON.stringify(value);
}
