// The router: which view is shown, and what all views share.

import { get } from "./api.js";
import { fill, h, tell } from "./dom.js";
import { failed, loading } from "./parts.js";
import { versions } from "./pictures.js";
import { OWN_PAGE, VIEWS, href, placeOf, query } from "./route.js";

const main = document.getElementById("main");
const MODULES = {
  "": () => import("./views/search.js"),
  similar: () => import("./views/similar.js"),
  object: () => import("./views/object.js"),
  map: () => import("./views/map.js"),
  clusters: () => import("./views/clusters.js"),
  anomalies: () => import("./views/anomalies.js"),
  jobs: () => import("./views/jobs.js"),
  status: () => import("./views/status.js"),
  about: () => import("./views/about.js"),
};
let leaving = new AbortController();
let known = null;
let askedAt = 0;
const KNOWN_MILLISECONDS = 15_000;

/** Go to a view. `replace` changes the address of the view that is shown already. */
function go(view, params = {}, { replace = false } = {}) {
  const address = href(view, kept(query(params)));
  const here = placeOf(location.href)?.view;
  if (OWN_PAGE.has(view) !== OWN_PAGE.has(here)) {
    location.assign(address);
    return;
  }
  history[replace ? "replaceState" : "pushState"](null, "", address);
  show({ isFirst: false });
}

/** The collection goes along from view to view. */
function kept(params) {
  const chosen = new URLSearchParams(location.search).get("collection");
  if (chosen && !params.has("collection")) params.set("collection", chosen);
  return params;
}

/** Write the state of the view that is shown into the address, without showing it anew. */
function keep(params) {
  const { view } = placeOf(location.href);
  history.replaceState(null, "", href(view, kept(query(params))));
}

async function show({ isFirst }) {
  leaving.abort(new DOMException("another view is shown", "AbortError"));
  leaving = new AbortController();
  const { signal } = leaving;
  const { view, params } = placeOf(location.href) ?? { view: "", params: new URLSearchParams() };
  mark(view);
  const root = h("div", { class: `view ${view || "search"}` }, loading());
  fill(main, root);
  try {
    const [module, collections] = await Promise.all([MODULES[view](), everything()]);
    if (signal.aborted) return;
    const collection = chosen(params, collections);
    offer(collections, collection);
    const state = {
      view, params, signal, collection, keep,
      info: collections.find((one) => one.context.collection === collection) ?? null,
      collections,
    };
    document.title = `${module.title} · skylike`;
    fill(root);
    const shown = module.show(root, state, go);
    const heading = root.querySelector("h1");
    if (!isFirst) {
      heading?.setAttribute("tabindex", "-1");
      heading?.focus({ preventScroll: true });
      scrollTo({ top: 0 });
      tell(module.title);
    }
    if (heading && ["similar", "object"].includes(view)) document.title = `${heading.textContent.slice(0, 80)} · skylike`;
    await shown;
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    fill(root, root.querySelector("h1"), failed(error, () => { known = null; show({ isFirst: false }); }));
  }
}

/** Collections and aliases, asked for once in a while. */
async function everything() {
  if (performance.now() - askedAt > KNOWN_MILLISECONDS) known = null;
  if (known === null) askedAt = performance.now();
  known ??= (async () => {
    const [listed, aliases] = await Promise.all([get("v1/collections", { page_size: 1000 }), get("v1/aliases")]);
    const origin = document.getElementById("origin");
    const version = listed.collections.map((one) => one.context.service_version).find(Boolean);
    for (const { context } of listed.collections) versions.set(context.collection, context.collection_version);
    origin.textContent = version ? `skylike-service ${version}` : "skylike-service";
    return [
      ...listed.collections,
      ...aliases.aliases.flatMap(({ alias, collection }) => listed.collections
        .filter((one) => one.context.collection === collection)
        .map((one) => ({ ...one, aliasOf: collection, context: { ...one.context, collection: alias } }))),
    ];
  })();
  try {
    return await known;
  } catch (error) {
    known = null;
    throw error;
  }
}

/** That of the address; else the largest that is sound, which then stands in the address. */
function chosen(params, collections) {
  const asked = params.get("collection");
  if (asked !== null) return asked;
  const sound = collections.filter((one) => !one.damage && !one.aliasOf)
    .sort((a, b) => Number(b.num_objects) - Number(a.num_objects));
  const [first] = sound.length ? sound : collections;
  if (first && collections.length > 1) {
    params.set("collection", first.context.collection);
    keep(params);
  }
  return first?.context.collection ?? "";
}

function offer(collections, collection) {
  const select = document.getElementById("collection");
  const names = collections.map((one) => [one.context.collection, one.aliasOf ? `${one.context.collection} → ${one.aliasOf}` : one.context.collection]);
  if (collection && !names.some(([name]) => name === collection)) names.push([collection, `${collection} (not here)`]);
  fill(select, names.map(([name, label]) => h("option", { value: name, selected: name === collection }, label)));
  select.closest("label").hidden = names.length < 2;
}

function mark(view) {
  const links = VIEWS.map(([name, label]) => {
    const isHere = name === view || (name === "" && ["similar", "object"].includes(view));
    return h("a", { href: href(name, kept(query({}))), data: { view: name }, "aria-current": isHere ? (name === view ? "page" : "true") : null }, label);
  });
  fill(document.getElementById("views"), links);
}

function theme() {
  const button = document.getElementById("theme");
  const isDark = () => (document.documentElement.dataset.theme
    ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
  };
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("skylike-theme", next);
    } catch {
      // Storage is closed: until the page is left.
    }
    name();
    dispatchEvent(new CustomEvent("skylike-theme", { detail: next }));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // an address with a # would be another state
  main.focus();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.getAttribute("href").startsWith("#")) return;
  const place = placeOf(link.href);
  if (!place) return;
  event.preventDefault();
  go(place.view, place.params);
});
document.getElementById("collection").addEventListener("change", (event) => {
  const here = placeOf(location.href)?.view ?? "";
  // What an address asks about is in one collection only.
  go(["similar", "object"].includes(here) ? "" : here, { collection: event.target.value });
});
addEventListener("popstate", () => show({ isFirst: false }));

theme();
show({ isFirst: true });
