// Quality flags: what each says, and which say that something is poor.

/** What a flag says of how something was read. */
export const FLAGS = {
  EDGE: "Less than 90 % of the pixels hold data, because the frame ends",
  MASKED: "Less than 90 % of the pixels hold data, because they are blank",
  LOW_SN: "The brightest part is less than 5 sigma above the background",
  SATURATED: "Many pixels share the highest value",
  CONSTANT: "Every pixel has the same value: stored, never searched",
  RESAMPLED: "The stamp has another pixel grid than the image",
  COLLAPSED: "A spectral cube was reduced to fewer channels",
  NO_BACKGROUND: "No noise to measure: scaled by the spread of all pixels instead",
};

// These tell how something was read; all objects of an archive may have them.
const USUAL = new Set(["RESAMPLED", "COLLAPSED"]);

/** Whether a flag marks poor data. */
export const isPoor = (flag) => !USUAL.has(flag);
