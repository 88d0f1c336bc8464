/**
 * Crop, resampling and composite, as `mim_tf/pictures/pixels.py` does them with TensorFlow.
 *
 * A picture is `{width, height, pixels}` with opaque RGBA bytes, row by row. "Signed" means floats
 * in [-1, 1]. S is the side of the model's square.
 *
 * @typedef {{width: number, height: number, pixels: Uint8ClampedArray}} Picture
 * @typedef {{x: number, y: number, side: number}} Crop
 */

const HALF_RANGE = 127.5;
const FADED = 1 / 8; // of the square: how soon a change ends where the picture goes on
const SEEN_LEVELS = 8; // an edit shows nothing unless more than a share of its pixels
const SEEN_SHARE = 1 / 2000; // changes by more levels

/** @type {Record<string, {radius: number, weight: (x: number) => number}>} */
const KERNELS = {
  bilinear: { radius: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys' cubic with a = -1/2.
  bicubic: {
    radius: 2,
    weight: (x) => {
      const d = Math.abs(x);
      if (d >= 2) return 0;
      return d >= 1 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : (1.5 * d - 2.5) * d * d + 1;
    },
  },
};

/**
 * The largest centred square of a picture.
 * @param {{width: number, height: number}} picture
 * @returns {Crop}
 */
export function fit({ width, height }) {
  const side = Math.min(width, height);
  return { x: Math.floor((width - side) / 2), y: Math.floor((height - side) / 2), side };
}

/**
 * For each position of the output, which inputs it averages: `tf.image.resize` with antialiasing.
 * @param {number} input length of the input
 * @param {number} output length of the output
 * @param {"bilinear" | "bicubic"} method
 */
export function spans(input, output, method) {
  const { radius, weight } = KERNELS[method];
  const scale = input / output;
  const spread = Math.max(scale, 1);
  return Array.from({ length: output }, (_, position) => {
    const centre = (position + 0.5) * scale;
    const start = Math.max(0, Math.ceil(centre - radius * spread - 0.5));
    const end = Math.min(input - 1, Math.floor(centre + radius * spread - 0.5));
    const weights = [];
    for (let index = start; index <= end; index++) {
      weights.push(weight((index + 0.5 - centre) / spread));
    }
    const total = weights.reduce((sum, value) => sum + value, 0);
    return { start, weights: Float32Array.from(weights, (value) => value / total) };
  });
}

/**
 * The crop of a picture as the model sees it.
 * @param {Picture} picture
 * @param {Crop} crop
 * @param {number} size S
 * @returns {Float32Array} signed [S, S, 3]
 */
export function modelInput({ width, pixels }, { x, y, side }, size) {
  const taps = spans(side, size, "bilinear");
  const rows = new Float32Array(side * size * 3); // resized along x alone
  for (let row = 0; row < side; row++) {
    const begin = ((y + row) * width + x) * 4;
    for (let column = 0; column < size; column++) {
      const { start, weights } = taps[column];
      let [red, green, blue] = [0, 0, 0];
      for (let tap = 0, at = begin + start * 4; tap < weights.length; tap++, at += 4) {
        red += weights[tap] * pixels[at];
        green += weights[tap] * pixels[at + 1];
        blue += weights[tap] * pixels[at + 2];
      }
      rows.set([red, green, blue], (row * size + column) * 3);
    }
  }
  const result = new Float32Array(size * size * 3);
  for (let row = 0; row < size; row++) {
    combineRows(rows, size * 3, taps[row], result.subarray(row * size * 3, (row + 1) * size * 3));
  }
  return result.map((level) => level / HALF_RANGE - 1);
}

/**
 * Put the model's change, not its pixels, back into the picture at its own resolution.
 *
 * Outside the crop, and where the enlarged alpha is below 1/255, the bytes stay as they were. Near a
 * side of the crop beyond which the picture goes on, the change fades.
 *
 * @param {Picture} original
 * @param {Crop} crop
 * @param {Float32Array} input signed [S, S, 3], the crop as the model saw it
 * @param {Float32Array} edited signed [S, S, 3]
 * @param {Float32Array} alpha [S, S, 1] in [0, 1]
 * @param {number} size S
 * @param {number} strength scales the change, which alpha has weighted already; 1 is the model's
 * @returns {Uint8ClampedArray} RGBA of the original's size
 */
export function composite(original, crop, input, edited, alpha, size, strength) {
  const { width, height, pixels } = original;
  const { x, y, side } = crop;
  const result = new Uint8ClampedArray(pixels);
  const change = edited.map((value, index) => (value - input[index]) * HALF_RANGE * strength);
  const cubic = spans(size, side, "bicubic");
  const linear = spans(size, side, "bilinear");
  const wideChange = widen(change, size, 3, cubic);
  const wideAlpha = widen(alpha, size, 1, linear);
  const changeRow = new Float32Array(side * 3);
  const alphaRow = new Float32Array(side);
  const rowWeights = faded(side, y, height);
  const columnWeights = faded(side, x, width);
  for (let row = 0; row < side; row++) {
    combineRows(wideChange, side * 3, cubic[row], changeRow);
    combineRows(wideAlpha, side, linear[row], alphaRow);
    let at = ((y + row) * width + x) * 4;
    for (let column = 0; column < side; column++, at += 4) {
      if (alphaRow[column] < 1 / 255) continue;
      const weight = rowWeights[row] * columnWeights[column];
      for (let channel = 0; channel < 3; channel++) {
        // A clamped array rounds halves to even and clips, as TensorFlow's round and clip do.
        result[at + channel] = pixels[at + channel] + weight * changeRow[column * 3 + channel];
      }
    }
  }
  return result;
}

/**
 * How much of a change is left in each row, or column, of a square.
 * @param {number} side
 * @param {number} start the square's first row in the picture
 * @param {number} length rows of the picture
 */
function faded(side, start, length) {
  return Array.from({ length: side }, (_, row) => {
    const before = start > 0 ? (row + 0.5) / (FADED * side) : 1;
    const after = start + side < length ? (side - row - 0.5) / (FADED * side) : 1;
    return Math.min(1, before, after);
  });
}

/**
 * Whether there is anything to see of an edit.
 * @param {Float32Array} input signed [S, S, 3]
 * @param {Float32Array} edited signed [S, S, 3]
 */
export function shows(input, edited) {
  let seen = 0;
  for (let at = 0; at < input.length; at += 3) {
    const change = [0, 1, 2].map((channel) => Math.abs(edited[at + channel] - input[at + channel]));
    if (Math.max(...change) * HALF_RANGE > SEEN_LEVELS) seen += 1;
  }
  return seen > (SEEN_SHARE * input.length) / 3;
}

/**
 * A signed square as RGBA bytes.
 * @param {Float32Array} signed [side, side, 3]
 * @param {number} side
 * @returns {Picture}
 */
export function toPicture(signed, side) {
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let place = 0; place < side * side; place++) {
    for (let channel = 0; channel < 3; channel++) {
      pixels[place * 4 + channel] = (signed[place * 3 + channel] + 1) * HALF_RANGE;
    }
  }
  return { width: side, height: side, pixels };
}

/**
 * Enlarge a square along x: [S, S, C] to [S, side, C].
 * @param {Float32Array} square
 * @param {number} size S
 * @param {number} channels C
 * @param {{start: number, weights: Float32Array}[]} taps one for each column of the result
 */
function widen(square, size, channels, taps) {
  const result = new Float32Array(size * taps.length * channels);
  let to = 0;
  for (let row = 0; row < size; row++) {
    for (const { start, weights } of taps) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let tap = 0; tap < weights.length; tap++) {
          sum += weights[tap] * square[(row * size + start + tap) * channels + channel];
        }
        result[to++] = sum;
      }
    }
  }
  return result;
}

/**
 * One row of the result as the weighted sum of rows.
 * @param {Float32Array} rows
 * @param {number} length of a row
 * @param {{start: number, weights: Float32Array}} span
 * @param {Float32Array} result
 */
function combineRows(rows, length, { start, weights }, result) {
  result.fill(0);
  for (let tap = 0; tap < weights.length; tap++) {
    const begin = (start + tap) * length;
    for (let index = 0; index < length; index++) {
      result[index] += weights[tap] * rows[begin + index];
    }
  }
}
