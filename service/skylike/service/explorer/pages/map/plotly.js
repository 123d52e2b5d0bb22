// A map drawn by Plotly on WebGL, from the file that its own package brings.

/** Load Plotly; rejected where that does not come. */
export function load() {
  if (globalThis.Plotly) return Promise.resolve();
  const address = document.querySelector("meta[name=skylike-plotly]").content;
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error("Plotly did not load")));
    document.head.append(script);
  });
}

/**
 * Whether a browser can draw by WebGL, and has hardware for it: tried on a canvas that
 * nobody sees. Without hardware a map is drawn sooner and moves better by hand.
 */
export function hasWebGl() {
  const context = document.createElement("canvas").getContext("webgl", { failIfMajorPerformanceCaveat: true });
  if (!context) return false;
  const about = context.getExtension("WEBGL_debug_renderer_info");
  const renderer = about ? context.getParameter(about.UNMASKED_RENDERER_WEBGL) : "";
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
}

/** Draws points, and lets people pan, zoom and choose. */
export class PlotlyPlot {
  constructor(place, { changed, chosen }) {
    this.place = place;
    this.changed = changed;
    this.chosen = chosen;
    this.tool = "pan";
  }

  async draw(model) {
    const { Plotly } = globalThis;
    const isFirst = !this.model;
    const { palette, index } = model.colours;
    this.model = model;
    const points = {
      type: "scattergl", mode: "markers", x: model.x, y: model.y, hoverinfo: "skip", visible: model.showPoints,
      marker: {
        size: model.size * 1.15, opacity: model.isFaint ? 0.6 : 0.85, color: Array.from(index), line: { width: 0 },
        cmin: -0.5, cmax: palette.length - 0.5,
        colorscale: palette.flatMap((one, i) => [[i / palette.length, one], [(i + 1) / palette.length, one]]),
      },
    };
    const { density } = model;
    const axis = (range, title) => ({
      range, title: { text: title, font: { size: 12 } }, zeroline: false, showgrid: false, ticks: "", showticklabels: false, fixedrange: false,
    });
    const style = getComputedStyle(this.place);
    const layout = {
      dragmode: this.tool, hovermode: false, showlegend: false, autosize: true, margin: { l: 30, r: 8, t: 8, b: 30 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: style.color, family: style.fontFamily },
      xaxis: { ...axis(model.range.x, model.titles[0]), constrain: "range" }, yaxis: { ...axis(model.range.y, model.titles[1]), scaleanchor: "x", constrain: "range" },
      images: density ? [{
        source: model.picture.toDataURL(), xref: "x", yref: "y", x: density.x[0], y: density.y[1],
        sizex: density.x[1] - density.x[0], sizey: density.y[1] - density.y[0], sizing: "stretch", layer: "below",
      }] : [],
    };
    await Plotly.react(this.place, [points], layout, { displayModeBar: false, scrollZoom: true, responsive: true, doubleClick: false });
    if (!isFirst) return;
    this.place.on("plotly_relayouting", () => this.changed());
    this.place.on("plotly_relayout", () => this.changed());
    this.place.on("plotly_selected", (event) => { if (event) this.chosen(event.points.map((one) => one.pointNumber)); });
  }

  get axes() {
    const { xaxis, yaxis } = this.place._fullLayout;
    return { xaxis, yaxis };
  }

  get isReady() { return Boolean(this.place._fullLayout); }

  setTool(tool) {
    this.tool = tool;
    if (this.isReady) globalThis.Plotly.relayout(this.place, { dragmode: tool === "box" ? "select" : tool });
  }

  setRange({ x, y }) { globalThis.Plotly.relayout(this.place, { "xaxis.range": x, "yaxis.range": y }); }

  zoom(factor, [x, y]) {
    const around = ([low, high], fixed) => [fixed + (low - fixed) * factor, fixed + (high - fixed) * factor];
    this.setRange({ x: around(this.seen.x, x), y: around(this.seen.y, y) });
  }

  get seen() {
    const { xaxis, yaxis } = this.axes;
    return { x: [...xaxis.range], y: [...yaxis.range] };
  }

  get scale() {
    const { xaxis } = this.axes;
    return { unit: xaxis._length / (xaxis.range[1] - xaxis.range[0]) };
  }

  toScreen(x, y) {
    const { xaxis, yaxis } = this.axes;
    return [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)];
  }

  toData(across, down) {
    const { xaxis, yaxis } = this.axes;
    return [xaxis.p2d(across - xaxis._offset), yaxis.p2d(down - yaxis._offset)];
  }

  destroy() { globalThis.Plotly?.purge(this.place); }
}
