/** The large picture: before and after, alpha as an overlay, the coarse and the fine stage. */

import { byId } from "./elements.js";
import { draw } from "./pictures.js";

const OVERLAY = [217, 0, 137]; // a colour that few pictures hold

const frame = byId("frame", HTMLElement);
const before = byId("before", HTMLCanvasElement);
const after = byId("after", HTMLCanvasElement);
const overlay = byId("overlay", HTMLCanvasElement);
const split = byId("split", HTMLInputElement);
const views = byId("views", HTMLElement);
const busy = byId("busy", HTMLElement);

export class Stage {
  view = "compare";
  /** @type {import("./pixels.js").Picture | null} */
  #picture = null;
  /** @type {import("./engine.js").Edit | null} */
  #edit = null;

  /** @param {(view: string) => void} onView called when the user takes another view */
  constructor(onView) {
    split.addEventListener("input", () => this.#place());
    views.addEventListener("change", (event) => {
      this.setView(/** @type {HTMLInputElement} */ (event.target).value);
      onView(this.view);
    });
    this.#place();
  }

  /** @param {string} view one of `VIEWS` in `share.js` */
  setView(view) {
    this.view = view;
    for (const input of views.querySelectorAll("input")) input.checked = input.value === view;
    this.#show();
  }

  /** Ask for a picture, as there is none yet. */
  invite() {
    frame.classList.add("inviting");
  }

  /**
   * @param {import("./pixels.js").Picture} picture
   * @param {import("./engine.js").Edit | null} edit of that picture, if it is edited
   */
  show(picture, edit) {
    frame.classList.remove("inviting");
    this.#picture = picture;
    this.#edit = edit;
    this.#show();
  }

  /** @param {string} text what is being done; empty when nothing is */
  wait(text) {
    busy.hidden = !text;
    busy.classList.remove("failed");
    byId("busy-text", HTMLElement).textContent = text;
  }

  /** @param {string} text why nothing works */
  fail(text) {
    busy.setAttribute("role", "alert"); // which is read out, as the lines of progress are not
    this.wait(text);
    busy.classList.add("failed");
  }

  #place() {
    for (const part of [frame, byId("handle", HTMLElement)]) {
      part.style.setProperty("--split", `${split.value}%`);
    }
  }

  #show() {
    const picture = this.#picture;
    if (!picture) return;
    const edit = this.#edit;
    const stages = { coarse: edit?.coarse, fine: edit?.fine };
    const stage = this.view === "coarse" || this.view === "fine" ? stages[this.view] : undefined;
    const comparing = this.view === "compare" && edit !== null;
    frame.dataset.view = this.view;
    frame.classList.toggle("pixelated", Math.max(picture.width, picture.height) < 200);
    draw(before, stage ?? picture);
    const shown = stage ? `The ${this.view} stage of the edit` : "The picture before the edit";
    before.setAttribute("aria-label", shown);
    after.hidden = stage !== undefined || edit === null;
    if (edit) draw(after, { ...picture, pixels: edit.pixels });
    overlay.hidden = !(this.view === "alpha" && edit);
    if (this.view === "alpha" && edit) drawAlpha(picture, edit);
    for (const id of ["split", "handle", "tag-before", "tag-after"]) {
      byId(id, HTMLElement).hidden = !comparing;
    }
    this.#tell(picture);
  }

  /** @param {import("./pixels.js").Picture} picture */
  #tell(picture) {
    const size = `${picture.width} × ${picture.height} pixels`;
    const edit = this.#edit;
    const facts = byId("facts", HTMLElement);
    facts.textContent = size;
    if (!edit) return;
    /** @type {Record<string, string>} */
    const told = {
      compare: `${size}, edited in ${Math.max(1, Math.round(edit.milliseconds))} ms`,
      alpha: "Alpha: the stronger the colour, the more is newly painted",
      coarse: `First stage: ${edit.coarse.width} × ${edit.coarse.height} pixels`,
      fine: `Second stage: ${edit.fine.width} × ${edit.fine.height} pixels`,
    };
    facts.textContent = told[this.view];
  }
}

/**
 * Alpha over the picture, where the model's square lies.
 * @param {import("./pixels.js").Picture} picture
 * @param {import("./engine.js").Edit} edit
 */
function drawAlpha({ width, height }, { alpha, size, crop }) {
  const map = document.createElement("canvas");
  const pixels = new Uint8ClampedArray(size * size * 4);
  for (let place = 0; place < size * size; place++) {
    pixels.set([...OVERLAY, alpha[place] * 200], place * 4);
  }
  draw(map, { width: size, height: size, pixels });
  overlay.width = width;
  overlay.height = height;
  const context = overlay.getContext("2d");
  if (!context) return;
  context.drawImage(map, crop.x, crop.y, crop.side, crop.side);
  if (width === height) return;
  context.strokeStyle = `rgb(${OVERLAY})`;
  context.lineWidth = Math.max(1, crop.side / 200);
  context.strokeRect(crop.x, crop.y, crop.side, crop.side); // what the model saw
}
