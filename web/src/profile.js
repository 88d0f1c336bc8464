/** The ICC profile of RGB pixels, which says how their numbers look: read from a file, put into PNG. */

const TITLE = "ICC_PROFILE\0";
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const COLOURS = ["iCCP", "sRGB", "gAMA", "cHRM", "cICP"]; // chunks that say how colours look

/**
 * @param {Uint8Array<ArrayBuffer>} file JPEG, PNG or WebP; of any other no profile is known
 * @returns {Promise<Uint8Array<ArrayBuffer> | null>} null where there is none of RGB, or a broken one
 */
export async function profileOf(file) {
  const found = fromJpeg(file) ?? fromWebp(file) ?? (await fromPng(file));
  return found && letters(found, 16, 4) === "RGB " ? found : null;
}

/**
 * @param {Uint8Array<ArrayBuffer>} png
 * @param {Uint8Array<ArrayBuffer>} profile of its pixels
 * @returns {Promise<Blob>} the same picture with the profile
 */
export async function withProfile(png, profile) {
  const packed = await through(new CompressionStream("deflate"), profile);
  const content = new Uint8Array([..."ICC profile\0\0"].map((letter) => letter.charCodeAt(0)));
  const [header, ...others] = chunksOf(png).map(({ name, start, end }) => ({
    name,
    bytes: png.subarray(start - 8, end + 4),
  }));
  const kept = others.filter(({ name }) => !COLOURS.includes(name)).map(({ bytes }) => bytes);
  const chunk = await chunkOf("iCCP", new Blob([content, packed]));
  return new Blob([png.subarray(0, 8), header.bytes, chunk, ...kept], { type: "image/png" });
}

/** @param {Uint8Array<ArrayBuffer>} file */
function fromJpeg(file) {
  if (file[0] !== 0xff || file[1] !== 0xd8) return null;
  const view = viewOf(file);
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  for (let at = 2; at + 4 <= file.length && file[at] === 0xff && file[at + 1] !== 0xda; ) {
    const end = at + 2 + view.getUint16(at + 2);
    if (file[at + 1] === 0xe2 && letters(file, at + 4, 12) === TITLE) {
      parts[file[at + 16]] = file.subarray(at + 18, end); // by its number, from 1
    }
    at = end;
  }
  return joined(Object.values(parts));
}

/** @param {Uint8Array<ArrayBuffer>} file */
function fromWebp(file) {
  if (letters(file, 0, 4) !== "RIFF" || letters(file, 8, 4) !== "WEBP") return null;
  const view = viewOf(file);
  for (let at = 12; at + 8 <= file.length; ) {
    const length = view.getUint32(at + 4, true);
    if (letters(file, at, 4) === "ICCP") return file.subarray(at + 8, at + 8 + length);
    at += 8 + length + (length % 2);
  }
  return null;
}

/** @param {Uint8Array<ArrayBuffer>} file */
async function fromPng(file) {
  if (!SIGNATURE.every((byte, place) => file[place] === byte)) return null;
  const chunk = chunksOf(file).find(({ name }) => name === "iCCP");
  if (!chunk) return null;
  const content = file.subarray(chunk.start, chunk.end);
  try {
    const packed = content.subarray(content.indexOf(0) + 2); // after its name and how it is packed
    return await through(new DecompressionStream("deflate"), packed);
  } catch {
    return null;
  }
}

/** @param {Uint8Array<ArrayBuffer>} png @returns where the contents of its chunks stand */
function chunksOf(png) {
  const view = viewOf(png);
  const chunks = [];
  for (let at = 8; at + 12 <= png.length; ) {
    const start = at + 8;
    const end = start + view.getUint32(at);
    chunks.push({ name: letters(png, at + 4, 4), start, end });
    at = end + 4;
  }
  return chunks;
}

/** @param {string} name @param {Blob} content */
async function chunkOf(name, content) {
  const bytes = new Uint8Array(12 + content.size);
  const view = viewOf(bytes);
  view.setUint32(0, content.size);
  bytes.set([...name].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(new Uint8Array(await content.arrayBuffer()), 8);
  view.setUint32(8 + content.size, crc(bytes.subarray(4, 8 + content.size)));
  return bytes;
}

/** @param {Uint8Array} bytes */
function crc(bytes) {
  let rest = ~0;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0);
  }
  return ~rest >>> 0;
}

/** @param {GenericTransformStream} stream @param {Uint8Array<ArrayBuffer>} bytes */
async function through(stream, bytes) {
  const out = new Blob([bytes]).stream().pipeThrough(/** @type {any} */ (stream));
  return new Uint8Array(await new Response(out).arrayBuffer());
}

/** @param {Uint8Array<ArrayBuffer>[]} parts */
function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {Uint8Array} bytes @param {number} at @param {number} count */
function letters(bytes, at, count) {
  return String.fromCharCode(...bytes.subarray(at, at + count));
}

/** @param {Uint8Array} bytes */
function viewOf({ buffer, byteOffset, byteLength }) {
  return new DataView(buffer, byteOffset, byteLength);
}
