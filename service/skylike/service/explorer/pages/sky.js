// Positions on the sky as people write them, and angles as they read them.

const SEXAGESIMAL = /^([+-]?)(\d{1,3})(?:[hd°:\s]\s*)(\d{1,2})(?:[m'′:\s]\s*(\d{1,2}(?:\.\d*)?)\s*[s"″]?)?\s*[m'′]?$/i;

/**
 * Read a position: "150.1 2.2", "10:00:24 +02:12:00", "10h00m24s +2d12m0s".
 * Gives {ra_deg, dec_deg}, or {error} that says what was expected.
 */
export function parsePosition(text) {
  const clean = text.trim().replaceAll("−", "-").replaceAll("–", "-").replace(/\s+/g, " ");
  if (!clean) return { error: "Give right ascension and declination, such as 150.1 2.2 or 10:00:24 +02:12:00." };
  const found = halves(clean);
  if (!found) return { error: "This is no pair of right ascension and declination: 150.1 2.2, or 10:00:24 +02:12:00, ICRS." };
  const [first, second] = found;
  const isSexagesimal = /[:hms°'"′″d ]/i.test(first);
  const ra = isSexagesimal ? sexagesimal(first) : decimal(first);
  const dec = /[:dms°'"′″ ]/i.test(second) ? sexagesimal(second) : decimal(second);
  if (ra === null || dec === null) return { error: "Minutes and seconds go from 0 to below 60, and numbers have no letters in them." };
  // Colons mean hours; an explicit d or ° means degrees.
  const ra_deg = isSexagesimal && !/[d°]/i.test(first) ? ra * 15 : ra;
  if (!(ra_deg >= 0 && ra_deg < 360)) return { error: "Right ascension goes from 0 to below 360 degrees, or 24 hours." };
  if (!(dec >= -90 && dec <= 90)) return { error: "Declination goes from -90 to 90 degrees." };
  return { ra_deg, dec_deg: dec };
}

function halves(text) {
  const byComma = text.split(/\s*,\s*/);
  if (byComma.length === 2) return byComma;
  if (byComma.length > 2) return null;
  const bySign = /^(.*\S)\s*([+-].*)$/.exec(text);
  if (bySign && !/e$/i.test(bySign[1])) return [bySign[1], bySign[2].replace(/^([+-])\s+/, "$1")];
  const words = text.split(" ");
  return words.length % 2 === 0
    ? [words.slice(0, words.length / 2).join(" "), words.slice(words.length / 2).join(" ")]
    : null;
}

function decimal(text) {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : null;
}

function sexagesimal(text) {
  const found = SEXAGESIMAL.exec(text);
  if (!found) return null;
  const [, sign, whole, minutes, seconds = "0"] = found;
  if (Number(minutes) >= 60 || Number(seconds) >= 60) return null;
  const size = Number(whole) + Number(minutes) / 60 + Number(seconds) / 3600;
  return sign === "-" ? -size : size;
}

/** An angle that is a length, "5", "5 arcsec", "2'", "0.1 deg", as degrees; null if it is none. */
export function parseRadius(text) {
  const found = /^\s*(\d+\.?\d*|\.\d+)\s*(deg|d|°|arcmin|min|'|′|arcsec|sec|"|″)?\s*$/i.exec(text);
  if (!found) return null;
  const unit = (found[2] ?? "").toLowerCase();
  const size = { deg: 1, d: 1, "°": 1, arcmin: 60, min: 60, "'": 60, "′": 60 }[unit] ?? 3600;
  const degrees = Number(found[1]) / size;
  return degrees > 0 && degrees <= 180 ? degrees : null;
}

/** An angle in the unit that suits it. */
export function angle(degrees) {
  if (degrees === null || degrees === undefined) return "";
  const arcsec = degrees * 3600;
  if (arcsec < 60) return `${arcsec < 9.995 ? arcsec.toFixed(2) : arcsec.toFixed(1)}″`;
  if (arcsec < 3600) return `${(arcsec / 60).toFixed(2)}′`;
  return `${degrees.toFixed(degrees < 10 ? 3 : 1)}°`;
}

/** A position in decimal degrees, to a tenth of an arcsecond or better. */
export const decimalText = ({ ra_deg, dec_deg }) => `${ra_deg.toFixed(5)} ${dec_deg < 0 ? "−" : "+"}${Math.abs(dec_deg).toFixed(5)}`;

/** A position in hours and degrees. */
export function sexagesimalText({ ra_deg, dec_deg }) {
  const sign = dec_deg < 0 ? "−" : "+";
  return `${parts((ra_deg / 15) % 24, 2, 24)} ${sign}${parts(Math.abs(dec_deg), 1, 91)}`;
}

function parts(value, digits, wrap) {
  const unit = 10 ** digits;
  const total = Math.round(value * 3600 * unit) % (wrap * 3600 * unit);
  const seconds = total / unit;
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const rest = (seconds % 60).toFixed(digits).padStart(3 + digits, "0");
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${rest}`;
}
