/**
 * Settings in the address, behind the `#`, which no browser sends to a server. Never the picture.
 *
 * @typedef {object} Settings
 * @property {string} model name of the model; empty for the first
 * @property {string} caption
 * @property {number} strength
 * @property {string} view
 * @property {string} example name of a shipped example picture; empty for a picture of the user's
 * @property {string} sentences one a line
 */

export const MOST_STRENGTH = 1.5;
export const VIEWS = ["compare", "alpha", "coarse", "fine"];

/** @param {Settings} settings */
export function toHash({ model, caption, strength, view, example, sentences }) {
  const fields = new URLSearchParams();
  if (model) fields.set("model", model);
  if (caption) fields.set("text", caption);
  if (strength !== 1) fields.set("strength", String(strength));
  if (view !== VIEWS[0]) fields.set("view", view);
  if (example) fields.set("example", example);
  if (sentences) fields.set("sentences", sentences);
  return `#${fields}`;
}

/**
 * What an address asks for; what makes no sense in it is left out.
 * @param {string} hash
 * @returns {Settings}
 */
export function fromHash(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const strength = Number(fields.get("strength") ?? 1);
  const view = fields.get("view") ?? "";
  return {
    model: fields.get("model") ?? "",
    caption: (fields.get("text") ?? "").slice(0, 500),
    strength: Number.isFinite(strength) ? Math.min(MOST_STRENGTH, Math.max(0, strength)) : 1,
    view: VIEWS.includes(view) ? view : VIEWS[0],
    example: fields.get("example") ?? "",
    sentences: (fields.get("sentences") ?? "").slice(0, 2000),
  };
}
