/** Picture files in and out. */

import { profileOf, withProfile } from "./profile.js";

const MAX_PIXELS = 64_000_000; // as `mim_tf/pictures/files.py`

/** @type {ImageBitmapOptions} */
const NUMBERS = { colorSpaceConversion: "none" };

let count = 0;

/**
 * @typedef {import("./pixels.js").Picture} Picture
 * @typedef {Uint8Array<ArrayBuffer> | null} Profile ICC profile of a picture, null where it has none
 * @typedef {Picture & {id: number, name: string, profile: Profile}} NamedPicture
 */

/**
 * A picture with an id of its own, by which the engine knows it.
 * @param {string} name of its file
 * @param {Picture & {profile: Profile}} picture
 * @returns {NamedPicture}
 */
export function named(name, { width, height, pixels, profile }) {
  return { id: ++count, name, width, height, pixels, profile };
}

/**
 * Decode a file: upright, over white where it is transparent. The pixels are the file's numbers,
 * whose colour profile stays with them.
 * @param {Blob} file
 * @param {string} name
 * @returns {Promise<NamedPicture>}
 * @throws {Error} one line for the user: empty, no picture, or too large
 */
export async function decode(file, name) {
  if (file.size === 0) throw new Error(`${name} is empty; choose a PNG, JPEG or WebP picture.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, NUMBERS);
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
    const pixels = context.getImageData(0, 0, width, height).data;
    return named(name, { width, height, pixels, profile: await profileIn(file) });
  } finally {
    bitmap.close();
  }
}

/**
 * Draw a picture on a canvas, which takes the picture's size.
 * @param {HTMLCanvasElement} canvas
 * @param {Picture} picture
 */
export function draw(canvas, { width, height, pixels }) {
  canvas.width = width;
  canvas.height = height;
  const bytes = /** @type {Uint8ClampedArray<ArrayBuffer>} */ (pixels);
  canvas.getContext("2d")?.putImageData(new ImageData(bytes, width, height), 0, 0);
}

/**
 * A small copy of a picture's middle square, for the history.
 * @param {Picture} picture
 * @param {number} side of the square
 */
export function thumbnail(picture, side) {
  const scale = side / Math.min(picture.width, picture.height);
  return scaled(picture, scale, side, side);
}

/**
 * A copy of a whole picture, small enough to keep many of them.
 * @param {Picture} picture
 * @param {number} most pixels of its longer side
 */
export function preview(picture, most) {
  const { width, height } = picture;
  const scale = Math.min(1, most / Math.max(width, height));
  return scaled(picture, scale, Math.ceil(width * scale), Math.ceil(height * scale));
}

/**
 * The middle of a picture in another size.
 * @param {Picture} picture
 * @param {number} scale
 * @param {number} width of the new canvas
 * @param {number} height
 */
function scaled(picture, scale, width, height) {
  const whole = document.createElement("canvas");
  draw(whole, picture);
  const small = document.createElement("canvas");
  small.width = width;
  small.height = height;
  const [w, h] = [picture.width * scale, picture.height * scale];
  small.getContext("2d")?.drawImage(whole, (width - w) / 2, (height - h) / 2, w, h);
  whole.width = whole.height = 0; // frees its memory at once
  return small;
}

/**
 * Offer a picture as a PNG file.
 * @param {NamedPicture} picture
 * @param {string} name
 */
export async function download(picture, name) {
  const address = URL.createObjectURL(await pngOf(picture, picture.profile));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** @param {Picture} picture @param {Profile} profile */
async function pngOf({ width, height, pixels }, profile) {
  const canvas = new OffscreenCanvas(width, height);
  const bytes = /** @type {Uint8ClampedArray<ArrayBuffer>} */ (pixels);
  contextOf(canvas).putImageData(new ImageData(bytes, width, height), 0, 0);
  const png = await canvas.convertToBlob({ type: "image/png" });
  return profile ? withProfile(new Uint8Array(await png.arrayBuffer()), profile) : png;
}

/** @param {Blob} file @returns {Promise<Profile>} of the numbers that the browser reads in it */
async function profileIn(file) {
  const profile = await profileOf(new Uint8Array(await file.arrayBuffer()));
  return profile && (await readsNumbers(profile)) ? profile : null;
}

/**
 * Whether this browser gives a picture's numbers as they are: one that converts its colours all the
 * same gives numbers that the profile is not true for.
 * @param {Uint8Array<ArrayBuffer>} profile
 */
async function readsNumbers(profile) {
  const levels = [200, 40, 20, 255, 30, 180, 60, 255, 50, 20, 220, 255, 128, 128, 128, 255];
  const patches = { width: 4, height: 1, pixels: new Uint8ClampedArray(levels) };
  const bitmap = await createImageBitmap(await pngOf(patches, profile), NUMBERS);
  const context = contextOf(new OffscreenCanvas(4, 1));
  context.drawImage(bitmap, 0, 0);
  const found = context.getImageData(0, 0, 4, 1).data;
  return levels.every((level, place) => Math.abs(found[place] - level) <= 1);
}

/** @param {OffscreenCanvas} canvas */
function contextOf(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser gives no canvas of that size; make it smaller.");
  return context;
}
