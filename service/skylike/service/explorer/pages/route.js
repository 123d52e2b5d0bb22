// Where we are: the address is the whole state of a view.

export const VIEWS = [
  ["", "Search"],
  ["map", "Map"],
  ["clusters", "Clusters"],
  ["anomalies", "Anomalies"],
  ["jobs", "Jobs"],
  ["status", "Status"],
];
const UNLISTED = ["similar", "object", "about"];

/** Views whose page has rights of its own, so that they are loaded anew. */
export const OWN_PAGE = new Set(["map"]);

/** The folder all pages lie in, wherever a proxy has put it. */
export const base = () => location.pathname.replace(/[^/]*$/, "");

/** The view and parameters that an address means; null if it is none of ours. */
export function placeOf(address) {
  const url = new URL(address, location.href);
  if (url.origin !== location.origin || !url.pathname.startsWith(base())) return null;
  const view = url.pathname.slice(base().length);
  const known = [...VIEWS.map(([name]) => name), ...UNLISTED];
  return known.includes(view) ? { view, params: url.searchParams } : null;
}

/**
 * The address of a view. Parameters are an object, whose lists become several of a name
 * and whose empty values are left out, or URLSearchParams.
 */
export function href(view, params = {}) {
  const text = query(params).toString();
  return `${view || "./"}${text ? `?${text}` : ""}`;
}

export function query(params) {
  if (params instanceof URLSearchParams) return new URLSearchParams(params);
  const found = new URLSearchParams();
  for (const [name, values] of Object.entries(params)) {
    for (const value of [values].flat()) {
      if (value !== null && value !== undefined && value !== "" && value !== false) {
        found.append(name, value === true ? "1" : String(value));
      }
    }
  }
  return found;
}

/** The kind of parameters that the service understands, or refuses. */
export const anyText = () => true;

/**
 * What an address holds that is no such thing, as texts such as "k=abc"; `kinds` has for
 * each name what tells whether a text is one. Of those that stand there twice only the first is read.
 */
export function unknownOf(params, kinds) {
  return Object.entries({ collection: anyText, ...kinds }).flatMap(([name, isOne]) => params.getAll(name)
    .filter((text, i) => i > 0 || (text !== "" && !isOne(text)))
    .map((text) => `${name}=${text}`));
}

/** The numbers of a parameter such as "1,-2.5"; null where it does not hold so many. */
export function numbersOf(text, count) {
  const parts = (text ?? "").split(",");
  const found = parts.map((one) => (one.trim() ? Number(one) : NaN));
  return found.length === count && found.every(Number.isFinite) ? found : null;
}
