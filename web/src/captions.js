/**
 * Check a caption before it is used for an edit: the same function as `mim_tf/captions.py`.
 *
 * `tests/captions.json` holds captions with the messages that both must give. Strings are compared
 * letter by letter in Unicode code points, as Python does, not in UTF-16 units.
 */

const WORD = /[\p{L}\p{N}_]+/gu;
const NEGATIONS = new Set(
  "not no without never neither nor none nothing cannot except instead".split(" "),
);
// Words that name nothing: where one is unknown, nothing is said about it.
const FILLERS = new Set(
  (
    "a an and are as at be but by from had has have he her him his i in is it its me my of " +
    "on our please she that the their them these they this those to was we were with you " +
    "your"
  ).split(" "),
);
const NEAREST = 3; // known words that a message suggests
const LISTED = 24; // known words that a message lists as examples
const SHORTEST = 3; // letters of a word that is suggested, or that gets suggestions

export const HARDLY_CHANGED =
  "Hardly anything was changed: the model found no place for this caption, or it is true already.";

/**
 * @typedef {object} Word one word of a caption
 * @property {string} text in lower case, as the vocabulary has it
 * @property {boolean} suffix whether an apostrophe stands right before it: the "s" of "bird's"
 *
 * @typedef {object} Message one thing that the user should know about a caption
 * @property {string} kind "empty", "no known word", "undecided", "negation", "unknown" or "cut"
 * @property {string} text one sentence for the user
 * @property {string[]} words the words of the caption that it is about, in lower case
 * @property {string[]} nearest known words that may have been meant, the nearest first
 * @property {boolean} refuses whether an edit would show nothing that was asked for
 */

/**
 * The words of a caption.
 * @param {string} caption
 * @returns {Word[]}
 */
export function splitWords(caption) {
  const text = caption.replaceAll("\ufffd", " ").toLowerCase();
  return [...text.matchAll(WORD)].map((match) => ({
    text: match[0],
    suffix: ["'", "\u2019"].includes(text[match.index - 1]),
  }));
}

/**
 * Where the words stand in the caption as it was typed, for marking them.
 * @param {string} caption
 * @returns {{start: number, end: number, text: string}[]}
 */
export function wordPlaces(caption) {
  return [...caption.matchAll(WORD)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    text: match[0].toLowerCase(),
  }));
}

/**
 * Token ids of a caption: 0 pads, 1 is every unknown word, the vocabulary's first word is 2.
 * @param {string} caption
 * @param {readonly string[]} vocabulary
 * @param {number} maxWords how many ids
 */
export function encode(caption, vocabulary, maxWords) {
  const ids = new Map(vocabulary.map((word, index) => [word, index + 2]));
  const tokens = new Int32Array(maxWords);
  for (const [index, word] of splitWords(caption).slice(0, maxWords).entries()) {
    tokens[index] = ids.get(word.text) ?? 1;
  }
  return tokens;
}

/**
 * What the user should know about a caption before it is used; nothing if all is well.
 * @param {string} caption what somebody typed
 * @param {readonly string[]} vocabulary the words that training knew, the most frequent first
 * @param {number} maxWords how many words of a caption the model reads
 * @param {readonly string[]} decidingWords words that say what to change to, such as colours
 * @returns {Message[]} the refusal, if any, first
 */
export function checkCaption(caption, vocabulary, maxWords, decidingWords = []) {
  const words = splitWords(caption);
  if (words.length === 0) {
    return [message("empty", "The caption has no words; say what to change.", { refuses: true })];
  }
  const read = words.slice(0, maxWords);
  const cut = words.slice(maxWords).map((word) => word.text);
  const negations = findNegations(read);
  const unknown = findUnknown(read, new Set(vocabulary), negations);
  const messages = [];
  const refusal = refusalOf(read, vocabulary, decidingWords, unknown.length + negations.size > 0);
  if (refusal) messages.push(refusal);
  if (negations.size > 0) messages.push(negationMessage(negations));
  messages.push(...unknownMessages(unknown, vocabulary, decidingWords));
  if (cut.length > 0) {
    const text =
      `The model reads the first ${maxWords} words of a caption; ` +
      `it leaves out '${cut.join(" ")}'.`;
    messages.push(message("cut", text, { words: cut }));
  }
  return messages;
}

/**
 * Known words that may have been meant by an unknown one, the nearest first, at most three.
 * @param {string} word
 * @param {readonly string[]} vocabulary
 * @param {readonly string[]} decidingWords
 */
export function nearestWords(word, vocabulary, decidingWords = []) {
  const letters = [...word].length;
  if (letters < SHORTEST) return [];
  /** @type {{distance: number, position: number, candidate: string}[]} */
  const ranked = [];
  for (const [position, candidate] of vocabulary.entries()) {
    const length = [...candidate].length;
    if (length < SHORTEST) continue;
    // Hands seldom slip on the first letter: "orange" is not meant to be "change".
    const allowed = letters > 5 && [...word][0] === [...candidate][0] ? 2 : 1;
    const distance = editDistance(word, candidate);
    const [shorter, longer] = letters <= length ? [word, candidate] : [candidate, word];
    const begins =
      longer.startsWith(shorter) &&
      (Math.min(letters, length) >= 4 ||
        (decidingWords.includes(candidate) && shorter === candidate));
    if (distance <= allowed || begins) ranked.push({ distance, position, candidate });
  }
  ranked.sort((a, b) => a.distance - b.distance || a.position - b.position);
  return ranked.slice(0, NEAREST).map((entry) => entry.candidate);
}

/**
 * Fewest letters to insert, delete, replace, or swap with their neighbour.
 * @param {string} first
 * @param {string} second
 */
export function editDistance(first, second) {
  const a = [...first];
  const b = [...second];
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const above = rows[i - 1];
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      let best = Math.min(
        above[j] + 1,
        row[j - 1] + 1,
        above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, rows[i - 2][j - 2] + 1);
      }
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}

/**
 * @param {string} kind
 * @param {string} text
 * @param {Partial<Message>} more
 * @returns {Message}
 */
function message(kind, text, more) {
  return { kind, text, words: [], nearest: [], refuses: false, ...more };
}

/**
 * Position -> negation as it was typed; both positions of "don't" have the whole of it.
 * @param {Word[]} words
 */
function findNegations(words) {
  /** @type {Map<number, string>} */
  const found = new Map();
  for (const [index, word] of words.entries()) {
    if (NEGATIONS.has(word.text)) {
      found.set(index, word.text);
    } else if (word.suffix && word.text === "t" && words[index - 1]?.text.endsWith("n")) {
      const whole = `${words[index - 1].text}'t`;
      found.set(index - 1, whole).set(index, whole);
    }
  }
  return found;
}

/**
 * @param {Word[]} words
 * @param {Set<string>} known
 * @param {Map<number, string>} negations
 */
function findUnknown(words, known, negations) {
  const found = words.filter(
    (word, index) =>
      !known.has(word.text) &&
      !FILLERS.has(word.text) &&
      !negations.has(index) &&
      !(word.suffix && word.text === "s"),
  );
  return [...new Set(found.map((word) => word.text))];
}

/**
 * @param {Word[]} words
 * @param {readonly string[]} vocabulary
 * @param {readonly string[]} decidingWords
 * @param {boolean} misread whether a word is unknown or a negation
 */
function refusalOf(words, vocabulary, decidingWords, misread) {
  const texts = [...new Set(words.map((word) => word.text))];
  const deciding = vocabulary.filter((word) => decidingWords.includes(word));
  const examples = deciding.length > 0 ? deciding : vocabulary;
  const listed =
    examples.slice(0, LISTED).join(", ") + (examples.length > LISTED ? ", ..." : "");
  if (!texts.some((text) => vocabulary.includes(text))) {
    const text = `The model knows no word of this caption. Words that it knows: ${listed}.`;
    return message("no known word", text, { words: texts, refuses: true });
  }
  if (decidingWords.length > 0 && !texts.some((text) => decidingWords.includes(text))) {
    const text = `No word that the model knows says what to change to. Such words are: ${listed}.`;
    return message("undecided", text, { words: texts, refuses: misread });
  }
  return null;
}

/** @param {Map<number, string>} negations */
function negationMessage(negations) {
  const words = [...new Set(negations.values())];
  const text =
    `The model does not understand ${quoted(words, "and")}; ` +
    "say what the picture should show instead.";
  return message("negation", text, { words });
}

/**
 * @param {string[]} unknown
 * @param {readonly string[]} vocabulary
 * @param {readonly string[]} decidingWords
 */
function unknownMessages(unknown, vocabulary, decidingWords) {
  const messages = [];
  const unlike = [];
  for (const word of unknown) {
    const nearest = nearestWords(word, vocabulary, decidingWords);
    if (nearest.length > 0) {
      const text = `The model does not know '${word}'; did you mean ${quoted(nearest, "or")}?`;
      messages.push(message("unknown", text, { words: [word], nearest }));
    } else {
      unlike.push(word);
    }
  }
  if (unlike.length > 0) {
    const text = `The model does not know ${quoted(unlike, "and")}; such a word may change nothing.`;
    messages.push(message("unknown", text, { words: unlike }));
  }
  return messages;
}

/**
 * @param {string[]} words
 * @param {string} joint
 */
function quoted(words, joint) {
  const all = words.map((word) => `'${word}'`);
  if (all.length === 1) return all[0];
  return `${all.slice(0, -1).join(", ")} ${joint} ${all[all.length - 1]}`;
}
