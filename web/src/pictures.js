/** Picture files in and out. */

const MAX_PIXELS = 64_000_000; // as `mim_tf/pictures/files.py`

let count = 0;

/**
 * @typedef {import("./pixels.js").Picture & {id: number, name: string}} NamedPicture
 */

/**
 * A picture with an id of its own, by which the engine knows it.
 * @param {string} name of its file
 * @param {import("./pixels.js").Picture} picture
 * @returns {NamedPicture}
 */
export function named(name, { width, height, pixels }) {
  return { id: ++count, name, width, height, pixels };
}

/**
 * Decode a file: upright, over white where it is transparent, colour profiles ignored.
 * @param {Blob} file
 * @param {string} name
 * @returns {Promise<NamedPicture>}
 * @throws {Error} one line for the user: empty, no picture, or too large
 */
export async function decode(file, name) {
  if (file.size === 0) throw new Error(`${name} is empty; choose a PNG, JPEG or WebP picture.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error(
      `${name} is not a picture that this browser can read, or a broken one; ` +
        "choose a PNG, JPEG or WebP picture.",
    );
  }
  const { width, height } = bitmap;
  try {
    if (width * height > MAX_PIXELS) {
      throw new Error(
        `${name} has ${width} x ${height} pixels, the limit is ${MAX_PIXELS / 1e6} million; ` +
          "make it smaller.",
      );
    }
    const context = contextOf(new OffscreenCanvas(width, height));
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    return named(name, { width, height, pixels: context.getImageData(0, 0, width, height).data });
  } finally {
    bitmap.close();
  }
}

/**
 * Draw a picture on a canvas, which takes the picture's size.
 * @param {HTMLCanvasElement} canvas
 * @param {import("./pixels.js").Picture} picture
 */
export function draw(canvas, { width, height, pixels }) {
  canvas.width = width;
  canvas.height = height;
  const bytes = /** @type {Uint8ClampedArray<ArrayBuffer>} */ (pixels);
  canvas.getContext("2d")?.putImageData(new ImageData(bytes, width, height), 0, 0);
}

/**
 * A small copy of a picture, for the history.
 * @param {import("./pixels.js").Picture} picture
 * @param {number} side of the square that holds it
 */
export function thumbnail(picture, side) {
  const whole = document.createElement("canvas");
  draw(whole, picture);
  const scale = side / Math.min(picture.width, picture.height);
  const small = document.createElement("canvas");
  small.width = small.height = side;
  const [width, height] = [picture.width * scale, picture.height * scale];
  small.getContext("2d")?.drawImage(whole, (side - width) / 2, (side - height) / 2, width, height);
  return small;
}

/**
 * Offer a picture as a PNG file.
 * @param {import("./pixels.js").Picture} picture
 * @param {string} name
 */
export async function download(picture, name) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const bytes = /** @type {Uint8ClampedArray<ArrayBuffer>} */ (picture.pixels);
  contextOf(canvas).putImageData(new ImageData(bytes, picture.width, picture.height), 0, 0);
  const address = URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** @param {OffscreenCanvas} canvas */
function contextOf(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser gives no canvas of that size; make it smaller.");
  return context;
}
