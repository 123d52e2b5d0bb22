// A map drawn by hand, pixel by pixel: where there is no WebGL, or no hardware for it.

import { h } from "../dom.js";

const STEP = 1.25; // of a turn of the wheel

/** Draws points, and lets people pan, zoom and choose. As `PlotlyPlot`. */
export class CanvasPlot {
  constructor(place, { changed, chosen }) {
    this.place = place;
    this.changed = changed;
    this.chosen = chosen;
    this.below = h("canvas", { class: "map-canvas", "aria-hidden": "true" }); // the density
    this.canvas = h("canvas", { class: "map-canvas", "aria-hidden": "true" });
    this.titles = ["across", "up"].map((name) => h("span", { class: `map-axis ${name}` }));
    this.tool = "pan";
    this.stroke = null;
    place.append(this.below, this.canvas, ...this.titles);
    this.resizing = new ResizeObserver(() => this.redraw());
    this.resizing.observe(place);
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  draw(model) {
    this.model = model;
    this.order = byColour(model.colours.index, model.colours.palette.length);
    this.inks = Uint32Array.from(model.colours.palette, inkOf);
    this.range = model.range;
    this.titles.forEach((one, i) => { one.textContent = model.titles[i]; });
    this.redraw();
  }

  setTool(tool) { this.tool = tool; }

  setRange(range) {
    this.range = range;
    this.redraw();
    this.changed();
  }

  destroy() { this.resizing.disconnect(); }

  get isReady() { return Boolean(this.model); }

  /** Pixels for a unit, the same along both axes, and where the middle is. */
  get scale() {
    const [width, height] = [this.place.clientWidth, this.place.clientHeight];
    const { x, y } = this.range;
    const unit = Math.min(width / (x[1] - x[0]), height / (y[1] - y[0]));
    return { unit, left: width / 2 - unit * (x[0] + x[1]) / 2, top: height / 2 + unit * (y[0] + y[1]) / 2 };
  }

  /** What can be seen, which is more than the range along one axis. */
  get seen() {
    const [left, top] = this.toData(0, 0);
    const [right, bottom] = this.toData(this.place.clientWidth, this.place.clientHeight);
    return { x: [left, right], y: [bottom, top] };
  }

  toScreen(x, y) {
    const { unit, left, top } = this.scale;
    return [left + unit * x, top - unit * y];
  }

  toData(across, down) {
    const { unit, left, top } = this.scale;
    return [(across - left) / unit, (top - down) / unit];
  }

  redraw() {
    if (this.waiting || !this.model) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  paint() {
    const { place, canvas, model } = this;
    const sharp = devicePixelRatio || 1;
    const [width, height] = [place.clientWidth, place.clientHeight];
    if (!width || !height) return;
    const [across, down] = [Math.round(width * sharp), Math.round(height * sharp)];
    for (const one of [canvas, this.below]) if (one.width !== across || one.height !== down) [one.width, one.height] = [across, down];
    const { unit, left, top } = this.scale;
    this.paintDensity(sharp, unit, left, top);
    // In memory: without hardware that is many times as quick as to ask for each point.
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (this.image?.width !== across || this.image.height !== down) this.image = context.createImageData(across, down);
    const inks = new Uint32Array(this.image.data.buffer);
    inks.fill(0);
    if (model.showPoints) this.points(inks, across, down, sharp * unit, sharp * left, sharp * top, Math.max(1, Math.round(sharp * model.size)));
    context.putImageData(this.image, 0, 0);
    if (this.stroke) this.outline(context, sharp);
  }

  paintDensity(sharp, unit, left, top) {
    const { model, below } = this;
    const context = below.getContext("2d", { willReadFrequently: true });
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    context.clearRect(0, 0, below.width, below.height);
    if (!model.density) return;
    const { x, y } = model.density;
    context.imageSmoothingEnabled = false;
    context.drawImage(model.picture, left + unit * x[0], top - unit * y[1], unit * (x[1] - x[0]), unit * (y[1] - y[0]));
  }

  points(inks, width, height, unit, left, top, size) {
    const { x, y, colours: { index } } = this.model;
    const half = size / 2;
    for (const point of this.order) {
      const first = Math.round(left + unit * x[point] - half);
      const row = Math.round(top - unit * y[point] - half);
      if (first < 0 || row < 0 || first + size > width || row + size > height) continue;
      const ink = this.inks[index[point]];
      for (let at = row * width + first, last = at + size * width; at < last; at += width) inks.fill(ink, at, at + size);
    }
  }

  outline(context, sharp) {
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    context.beginPath();
    for (const [across, down] of this.stroke) context.lineTo(across, down);
    context.closePath();
    context.strokeStyle = context.fillStyle = getComputedStyle(this.place).color;
    context.setLineDash([5, 4]);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 0.08;
    context.fill();
    context.globalAlpha = 1;
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? STEP : 1 / STEP, this.toData(...this.at(event)));
  }

  /** Make what is seen so many times as wide, with a place staying where it is. */
  zoom(factor, [x, y]) {
    const around = ([low, high], fixed) => [fixed + (low - fixed) * factor, fixed + (high - fixed) * factor];
    this.setRange({ x: around(this.seen.x, x), y: around(this.seen.y, y) });
  }

  down(event) {
    if (event.button) return;
    const first = this.at(event);
    const { x, y } = this.seen;
    const { unit } = this.scale;
    this.canvas.setPointerCapture(event.pointerId);
    const move = (moved) => {
      const [across, down] = this.at(moved);
      if (this.tool === "pan") {
        const [dx, dy] = [(first[0] - across) / unit, (down - first[1]) / unit];
        this.setRange({ x: x.map((one) => one + dx), y: y.map((one) => one + dy) });
        return;
      }
      if (this.tool === "lasso") this.stroke = [...(this.stroke ?? [first]), [across, down]];
      else this.stroke = [first, [across, first[1]], [across, down], [first[0], down]];
      this.redraw();
    };
    const up = () => {
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", up);
      this.canvas.removeEventListener("pointercancel", up);
      const around = this.stroke;
      this.stroke = null;
      this.redraw();
      if (around) this.chosen(inside(this.model, around.map((one) => this.toData(...one))));
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", up);
    this.canvas.addEventListener("pointercancel", up);
  }
}

/** A colour as a pixel holds it. */
function inkOf(colour) {
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0];
}

/** Points in the order of their colours, the unknown first and so below the others. */
function byColour(index, count) {
  const begins = new Uint32Array(count + 1);
  for (const one of index) begins[((one + 1) % count) + 1] += 1;
  for (let i = 0; i < count; i += 1) begins[i + 1] += begins[i];
  const order = new Uint32Array(index.length);
  index.forEach((one, point) => {
    const colour = (one + 1) % count;
    order[begins[colour]] = point;
    begins[colour] += 1;
  });
  return order;
}

/** The points inside a polygon, by the even-odd rule. */
export function inside({ x, y }, corners) {
  const found = [];
  for (let i = 0; i < x.length; i += 1) {
    let isIn = false;
    for (let a = 0, b = corners.length - 1; a < corners.length; b = a, a += 1) {
      const [[xa, ya], [xb, yb]] = [corners[a], corners[b]];
      if ((ya > y[i]) !== (yb > y[i]) && x[i] < (xb - xa) * (y[i] - ya) / (yb - ya) + xa) isIn = !isIn;
    }
    if (isIn) found.push(i);
  }
  return found;
}
