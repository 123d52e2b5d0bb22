// All objects on a plane: seen, coloured, chosen, and searched from.

import { post } from "../api.js";
import { fill, h, tell } from "../dom.js";
import { filterMessage, filterParams, python, readFilters } from "../filters.js";
import { filterForm } from "../filterform.js";
import { Cells, extent, mapOf } from "../map/data.js";
import { CanvasPlot } from "../map/canvas.js";
import { legendOf } from "../map/legend.js";
import { Overlay } from "../map/overlay.js";
import { coloured, densityPicture } from "../map/palette.js";
import { PlotlyPlot, hasWebGl, load } from "../map/plotly.js";
import { showSelection } from "../map/selection.js";
import { button, counted, failed, loading, number, percent, section, unfitted, valueOf } from "../parts.js";
import { KINDS_OF_QUERY, paramsOf, queryOf } from "../queries.js";
import { anyText, href, numbersOf } from "../route.js";
import { curl, pythonOf, snippetPart } from "../snippets.js";

export const title = "Map";

const ALWAYS = [["", "none"], ["cluster", "cluster"], ["anomaly", "anomaly percentile"]];
const FACTS = ["ra", "dec", "epoch_mjd", "valid_fraction"];
const NAMES = { pca: "Principal components", tsne: "t-SNE" };
const TOOLS = [["pan", "Move"], ["box", "Box"], ["lasso", "Lasso"]];
const SHOWN = [["both", "Density and sample"], ["points", "Sample"], ["density", "Density"]];
const LISTED = 200; // of what is in view
const ZOOM = 1.5;
const MOST_POINTS = 1_000_000;
const KINDS = {
  ...KINDS_OF_QUERY, layout: anyText, color: anyText, window: rangeOf, limit: limitOf,
  renderer: (text) => ["canvas", "webgl"].includes(text), shown: (text) => SHOWN.some(([name]) => name === text),
};

export async function show(root, state, go) {
  const { collection, params, signal } = state;
  const filters = readFilters(params, KINDS);
  const asked = { collection, layout: params.get("layout") ?? "", color: params.get("color") ?? "cluster", limit: limitOf(params.get("limit")), filter: filterMessage(filters) };
  if (asked.color === "none") asked.color = "";
  const isByHand = params.get("renderer") === "canvas" || (params.get("renderer") !== "webgl" && !hasWebGl());
  const place = h("div", { class: "map-place", tabindex: "0", role: "application", "aria-label": "Map of the collection. Arrow keys move it, plus and minus zoom, L lists what is in view." });
  const frame = h("div", { class: "map-frame", "aria-busy": "true" }, loading("Drawing the map"));
  const controls = h("div", { class: "row toolbar" });
  const legend = h("div", { id: "legend" });
  const about = h("p", { class: "fine", id: "about-map" });
  const chosen = h("div", { id: "selection" }, h("p", { class: "fine" }, "Draw a box or a lasso around points, or list what is in view."));
  const columns = h("div", { class: "map-columns" },
    h("div", { class: "part map-part" }, legend, frame, about),
    section("Chosen objects", chosen));
  root.append(
    h("h1", {}, "Map"), controls, filterForm(state, filters, (found) => change(found)), columns,
    snippetPart({
      python: pythonOf((where) => [`drawn = client.map(collection=${python(collection)}, layout=${python(asked.layout)}, color=${python(asked.color)}${asked.limit ? `, limit=${asked.limit}` : ""}${where})`, "print(len(drawn.ids), drawn.total, drawn.x[:3], drawn.y[:3])"], { filters }),
      curl: curl(`v1/map?${new URLSearchParams(Object.entries({ ...asked, limit: asked.limit ?? "", filter: asked.filter ? JSON.stringify(asked.filter) : "" }).filter(([, value]) => value))}`),
    }));

  // What stands in the address but for the filters.
  const here = (more) => ({
    layout: params.get("layout"), color: params.get("color"), shown: params.get("shown"), limit: params.get("limit"),
    renderer: params.get("renderer"), ...paramsOf(params), ...filterParams(filters), ...more,
  });
  const change = (more) => go("map", here({ ...more, window: "" }));

  try {
    const [map] = await Promise.all([mapOf(asked, { signal }), isByHand ? null : load()]);
    if (signal.aborted) return;
    new MapView({ state, go, map, asked, place, frame, controls, legend, about, chosen, change, here, isByHand });
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.reason === "NOT_FITTED") {
      columns.replaceWith(unfitted());
      return;
    }
    fill(frame, h("div", {}, failed(error, () => change({})), h("p", {}, h("a", { href: href("map", { collection }) }, "The map without these choices"))));
    frame.removeAttribute("aria-busy");
  }
}

class MapView {
  constructor(given) {
    Object.assign(this, given);
    const { params, signal } = this.state;
    this.only = null;
    // Many points hide how many there are, but show their colours.
    this.shown = KINDS.shown(params.get("shown")) ? params.get("shown") : (["", "none"].includes(params.get("color") ?? "") ? "density" : "points");
    this.whole = extent(this.map);
    this.cells = new Cells(this.map, this.whole);
    const Plot = this.isByHand ? CanvasPlot : PlotlyPlot;
    this.plot = new Plot(this.place, { changed: () => this.moved(), chosen: (points) => this.choose(points) });
    fill(this.frame, this.place);
    this.overlay = new Overlay(this.place, this.plot, this.state.collection, { signal, opened: (id) => this.go("object", { id }) });
    this.drawControls();
    this.tellAbout();
    this.draw(rangeOf(params.get("window")) ?? this.whole).then(() => {
      this.frame.removeAttribute("aria-busy");
      this.frame.dataset.renderer = this.isByHand ? "canvas" : "webgl";
      this.locate();
    }, (error) => { fill(this.frame, failed(error)); this.frame.removeAttribute("aria-busy"); });
    addEventListener("skylike-theme", () => this.draw(this.plot.seen), { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(this.plot.seen), { signal });
    this.place.addEventListener("keydown", (event) => this.key(event), { signal });
    signal.addEventListener("abort", () => this.plot.destroy());
    offerAttributes(this.color, this.state, this.asked.color);
  }

  async draw(range) {
    const ground = isDark() ? "dark" : "light";
    const colours = coloured(this.map, ground, this.only);
    const { density, explained, layout } = this.map;
    const hasDensity = density && this.shown !== "points";
    fill(this.legend, legendOf(colours.legend, this.only, (only) => { this.only = only; this.draw(this.plot.seen); }));
    await this.plot.draw({
      x: this.map.x, y: this.map.y, colours, range,
      density: hasDensity ? density : null, picture: hasDensity ? densityPicture(density, ground) : null,
      showPoints: !density || this.shown !== "density", isFaint: Boolean(hasDensity), size: sizeOf(this.map.ids.length, hasDensity),
      titles: explained.length ? explained.map((share, i) => `PC ${i + 1}, ${percent(share)} of the variance`) : [`${NAMES[layout] ?? layout} 1`, `${NAMES[layout] ?? layout} 2`],
    });
    this.overlay.draw(this.map, this.cells, (point) => this.words(point));
  }

  /** What the colour of a point says. */
  words(point) {
    const { color, names } = this.map;
    if (!color) return "";
    return `${this.colouredBy}: ${Number.isNaN(color[point]) ? "unknown" : names.length ? names[color[point]] : number(color[point], 4)}`;
  }

  /** What the colours are of, in the words of their choice. */
  get colouredBy() { return ALWAYS.find(([name]) => name === this.asked.color)?.[1] ?? this.asked.color; }

  drawControls() {
    const { map, asked } = this;
    const select = (id, label, options, chosen, changed) => h("div", { class: "row tight" }, h("label", { for: id }, label),
      h("select", { id, on: { change: (event) => changed(event.target.value) } }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));
    const tools = TOOLS.map(([name, label]) => button(label, () => this.use(name), { class: "plain small", "aria-pressed": String(name === "pan"), data: { tool: name } }));
    this.tools = tools;
    const color = select("color", "Colour", [...ALWAYS, ...(ALWAYS.some(([name]) => name === asked.color) ? [] : [[asked.color, asked.color]])], asked.color, (value) => this.change({ color: value || "none" }));
    this.color = color.querySelector("select");
    fill(this.controls,
      select("layout", "Layout", map.layouts.map((one) => [one, NAMES[one] ?? one]), map.layout, (value) => this.change({ layout: value })),
      color,
      map.density ? select("shown", "Show", SHOWN, this.shown, (value) => { this.shown = value; this.state.keep(this.here({ shown: value })); this.draw(this.plot.seen); }) : null,
      h("div", { class: "row tight", role: "group", "aria-label": "What dragging does" }, tools),
      h("div", { class: "row tight", role: "group", "aria-label": "View" },
        button("+", () => this.zoom(1 / ZOOM), { class: "plain small", "aria-label": "Zoom in" }),
        button("−", () => this.zoom(ZOOM), { class: "plain small", "aria-label": "Zoom out" }),
        button("All", () => this.plot.setRange(this.whole), { class: "plain small", "aria-label": "See all" }),
        button("List what is in view", () => this.listView(), { class: "plain small", id: "list-view" })));
  }

  tellAbout() {
    const { map } = this;
    const many = map.isSample ? `${counted(map.total, "object")}; ${number(map.ids.length)} of them, drawn uniformly, are points` : counted(map.total, "object");
    const meaning = map.explained.length ? "Neighbours here differ in other directions." : "Neighbours are alike; distances between crowds, and their sizes, mean nothing.";
    fill(this.about, `${many}. ${NAMES[map.layout] ?? map.layout}, fit ${map.fitVersion}. ${meaning}`);
    if (this.isByHand) this.about.before(h("p", { class: "fine", id: "by-hand" }, this.state.params.get("renderer") === "canvas" ? "Drawn without WebGL, as the address asks." : "This browser has no graphics hardware for WebGL: the map is drawn without."));
  }

  use(tool) {
    for (const one of this.tools) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
    this.plot.setTool(tool);
  }

  zoom(factor) {
    const { x, y } = this.plot.seen;
    this.plot.zoom(factor, [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2]);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { x, y } = this.plot.seen;
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (by) {
      const step = ([low, high], sign) => [low, high].map((one) => one + (sign * (high - low)) / 8);
      this.plot.setRange({ x: step(x, by[0]), y: step(y, by[1]) });
    } else if (event.key === "+" || event.key === "=") this.zoom(1 / ZOOM);
    else if (event.key === "-") this.zoom(ZOOM);
    else if (event.key === "l" || event.key === "L") this.listView();
    else return;
    event.preventDefault();
  }

  /** Marks follow at once; the address once it is quiet. */
  moved() {
    this.overlay.move();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.state.signal.aborted) return;
      const { x, y } = this.plot.seen;
      this.state.keep(this.here({ window: [...x, ...y].map((one) => Number(one.toPrecision(5))).join(",") }));
    }, 300);
  }

  /** What is in view, from its middle outwards. */
  listView() {
    const { x, y } = this.plot.seen;
    const [cx, cy] = [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2];
    const away = (one) => (this.map.x[one] - cx) ** 2 + (this.map.y[one] - cy) ** 2;
    this.choose([...this.cells.within(x, y)].sort((a, b) => away(a) - away(b)), LISTED);
  }

  /** Show what was chosen, of more than `most` the first. */
  choose(points, most = Infinity) {
    const isColoured = this.only === null ? points : points.filter((one) => this.map.color[one] === this.only);
    showSelection(this.chosen, isColoured.slice(0, most), this.map, this.state, {
      outOf: isColoured.length,
      point: (one) => this.overlay.show(one),
      search: (ids) => this.go("similar", { like: ids }),
      colouredBy: this.map.color ? this.colouredBy : "",
      words: (one) => this.words(one).slice(this.colouredBy.length + 2),
      clear: () => this.choose([]),
    });
  }

  /** Mark where the query of the address lies. */
  async locate() {
    const { params, collection, signal } = this.state;
    const query = queryOf(params);
    if (!query) return;
    try {
      const found = await post("v1/locate", { collection, query: query.message, layout: this.map.layout }, { signal });
      this.overlay.markAt("query", [found.x, found.y], query.words);
      this.about.append(" ", h("span", { id: "query-place" }, `The query, ${query.words}, is marked.`));
      tell("The query is marked");
    } catch (error) {
      if (error.name !== "AbortError") this.about.after(failed(error));
    }
  }
}

/** Of a point, in pixels: so that many leave room, and few are seen. */
const sizeOf = (count, hasDensity) => (hasDensity ? 1.2 : count > 20_000 ? 3.2 : count > 2_000 ? 4.5 : 7);

const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

/** The part of the map that a text of an address means; null where it means none. */
function rangeOf(text) {
  const found = numbersOf(text, 4);
  return found && found[0] < found[1] && found[2] < found[3] ? { x: found.slice(0, 2), y: found.slice(2) } : null;
}

/** How many points a text of an address asks for; null for as many as the service likes. */
function limitOf(text) {
  const [limit] = numbersOf(text, 1) ?? [0];
  return limit >= 1 ? Math.min(MOST_POINTS, Math.round(limit)) : null;
}

/** Offer the attributes that some objects have, when they are known. */
async function offerAttributes(select, { collection, signal }, chosen) {
  try {
    const { objects } = await post("v1/objects/list", { collection, page_size: 200 }, { signal });
    const names = new Set(objects.flatMap((one) => Object.keys(one.attributes).filter((name) => valueOf(one.attributes[name]) !== null)));
    const there = new Set([...select.options].map((one) => one.value));
    select.append(...[...[...names].sort(), ...FACTS].filter((one) => !there.has(one)).map((one) => h("option", { value: one, selected: one === chosen }, one)));
  } catch {
    // Those that every collection has are there.
  }
}
