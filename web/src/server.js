/** The networks of a model, run by the server of the page: `mim_tf.serve`, TensorFlow Serving's REST. */

/** @typedef {Record<string, Float32Array>} Arrays */

const SIGNATURE = "edit_tokens";
const PATIENCE = 70_000; // milliseconds; the server itself gives up after 60 s
const DIGITS = 9; // as many keep every float32 exactly; all of a double's would be twice the bytes

export class Server {
  #asking = new AbortController();

  /**
   * @param {URL} address of the model's `:predict`
   * @param {{size: number, coarse_size: number}} metadata
   */
  constructor(address, { size, coarse_size: coarseSize }) {
    this.address = address;
    this.size = size;
    this.lengths = { coarse: coarseSize ** 2 * 3, fine: size ** 2 * 3, alpha: size ** 2 };
  }

  /**
   * @param {Float32Array} image signed [S, S, 3]
   * @param {Int32Array} tokens [T]
   * @returns {Promise<Arrays>} `fine` [S, S, 3] and `coarse` [C, C, 3], signed; `alpha` [S, S, 1]
   * @throws {Error} whose message is one line: not reached, refused, or no answer of this model
   */
  async edit(image, tokens) {
    const body = requestOf(image, tokens, this.size);
    const asking = (this.#asking = new AbortController());
    const timer = setTimeout(() => asking.abort(), PATIENCE);
    let answer, text;
    try {
      answer = await fetch(this.address, { method: "POST", body, signal: asking.signal });
      text = await answer.text();
    } catch {
      throw new Error("The server cannot be reached; nothing was edited.");
    } finally {
      clearTimeout(timer);
    }
    const content = parsed(text);
    if (!answer.ok) throw new Error(refusalOf(answer.status, content));
    return arraysOf(content, this.lengths);
  }

  /** Wait no longer for the answer to the last request. */
  stop() {
    this.#asking.abort();
  }
}

/** @param {string} text of an answer; that of a proxy may be no JSON */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * The body of a request for one edit.
 * @param {Float32Array} image signed [S, S, 3]
 * @param {Int32Array} tokens [T]
 * @param {number} size S
 */
export function requestOf(image, tokens, size) {
  const values = Array.from(image, (value) => Number(value.toPrecision(DIGITS)));
  const pixels = chunks(values, 3);
  const instance = { images: chunks(pixels, size), tokens: Array.from(tokens) };
  return JSON.stringify({ signature_name: SIGNATURE, instances: [instance] });
}

/**
 * @param {any} content the answer's JSON
 * @param {Record<string, number>} lengths of the arrays that it must hold
 * @returns {Arrays}
 */
export function arraysOf(content, lengths) {
  const found = content?.predictions?.[0];
  /** @type {Arrays} */
  const arrays = {};
  for (const [name, length] of Object.entries(lengths)) {
    const values = Array.isArray(found?.[name]) ? found[name].flat(3) : [];
    if (values.length !== length || !values.every(Number.isFinite)) {
      throw new Error("The server's answer is not that of this model; load the page again.");
    }
    arrays[name] = Float32Array.from(values);
  }
  return arrays;
}

/**
 * @param {number} status of HTTP
 * @param {any} content the answer's JSON, if it is some
 */
export function refusalOf(status, content) {
  if (status === 404) return "The server has another version of the model now; load the page again.";
  const [line] = String(content?.error ?? "").split("\n");
  const reason = line ? line.slice(0, 200) : "it says no reason";
  return `The server refused the edit (${status}): ${reason}`;
}

/**
 * @template T
 * @param {T[]} values
 * @param {number} length of each part
 */
function chunks(values, length) {
  return Array.from({ length: values.length / length }, (_, index) =>
    values.slice(index * length, (index + 1) * length),
  );
}
