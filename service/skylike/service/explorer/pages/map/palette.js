// Colours that people who see few of them can tell apart, on light and on dark ground.

// After Okabe & Ito (2008) and Tol (2021); what would vanish on the ground is darker, or lighter.
const CATEGORIES = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a88700", "#56b4e9", "#882255", "#999933", "#332288"],
  dark: ["#56b4e9", "#e69f00", "#2fc394", "#ee9fca", "#f0e442", "#5c8dff", "#ff7f50", "#b5bd4c", "#b59bff"],
};
// What is in none of the categories, or in too small a one, is no kind of its own.
const REST = { light: "#5b5b5b", dark: "#c8c8c8" };
const IS_REST = new Set(["no cluster", "other"]);
// Viridis (Smith & van der Walt), less its end that the ground is like.
const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const ENDS = { light: [0, 0.86], dark: [0.22, 1] };
const UNKNOWN = { light: "#b9bcc2", dark: "#4a4f59" };
const PLAIN = { light: "#3253c4", dark: "#9db2ff" };
const STEPS = 48;
const ROBUST = 0.01; // share of the numbers at each end that share its colour

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** A colour of the ramp, 0 to 1, as [red, green, blue]. */
export function ramp(share, ground) {
  const [from, to] = ENDS[ground];
  const at = (from + (to - from) * Math.max(0, Math.min(1, share))) * (VIRIDIS.length - 1);
  const [low, high] = [rgb(VIRIDIS[Math.floor(at)]), rgb(VIRIDIS[Math.ceil(at)])];
  return low.map((one, i) => Math.round(one + (high[i] - one) * (at % 1)));
}

/**
 * How points are coloured: {palette, index, legend}. `index` tells each point's place in the
 * palette, whose last colour is that of what is unknown or not of the category `only`. Of more
 * categories than there are colours the largest have them, and the rest share a grey.
 */
export function coloured({ x, color, names }, ground, only = null) {
  const index = new Uint8Array(x.length);
  if (!color) return { palette: [PLAIN[ground], UNKNOWN[ground]], index, legend: null };
  if (names.length) {
    const counts = new Array(names.length).fill(0);
    color.forEach((one, i) => {
      if (!Number.isNaN(one)) counts[one] += 1;
      index[i] = Number.isNaN(one) || (only !== null && one !== only) ? names.length : one;
    });
    const kinds = names.map((_, i) => i).filter((i) => !IS_REST.has(names[i]));
    const hued = [...kinds].sort((a, b) => counts[b] - counts[a] || a - b).slice(0, CATEGORIES[ground].length).sort((a, b) => a - b);
    const palette = [...names.map(() => REST[ground]), UNKNOWN[ground]];
    hued.forEach((one, i) => { palette[one] = CATEGORIES[ground][i]; });
    const rest = kinds.filter((one) => !hued.includes(one));
    if (rest.includes(only)) palette[only] = PLAIN[ground];
    return { palette, index, legend: { kind: "categories", names, counts, palette, rest } };
  }
  const known = color.filter((one) => !Number.isNaN(one)).sort();
  const [low, high] = known.length ? [known[Math.floor(ROBUST * known.length)], known[Math.ceil((1 - ROBUST) * known.length) - 1]] : [0, 1];
  const palette = [...Array.from({ length: STEPS }, (_, i) => `rgb(${ramp(i / (STEPS - 1), ground).join(",")})`), UNKNOWN[ground]];
  color.forEach((one, i) => {
    const share = high > low ? (one - low) / (high - low) : 0.5;
    index[i] = Number.isNaN(one) ? STEPS : Math.max(0, Math.min(STEPS - 1, Math.floor(share * STEPS)));
  });
  return { palette, index, legend: { kind: "numbers", low, high, unknown: color.length - known.length, palette: palette.slice(0, -1) } };
}

/** Counts as a picture, by their logarithm; empty cells are clear. */
export function densityPicture({ counts, nx, ny }, ground) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [nx, ny];
  const context = canvas.getContext("2d");
  const picture = context.createImageData(nx, ny);
  const most = Math.log1p(counts.reduce((a, b) => Math.max(a, b), 1));
  for (let row = 0; row < ny; row += 1) {
    for (let column = 0; column < nx; column += 1) {
      const count = counts[row * nx + column];
      if (!count) continue;
      const share = Math.log1p(count) / most;
      const at = 4 * ((ny - 1 - row) * nx + column);
      picture.data.set([...ramp(ground === "light" ? 1 - share : share, ground), 255], at);
    }
  }
  context.putImageData(picture, 0, 0);
  return canvas;
}
