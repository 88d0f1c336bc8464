/** Where the networks run: the choice, and what it means for the picture. */

import { byId, messageOf, toast } from "./elements.js";
import { placesOf } from "./places.js";

/** @typedef {import("./places.js").Place} Place */

/** @type {Record<Place, string>} */
const NAMES = { wasm: "CPU", webgpu: "GPU", server: "server" };

const choice = byId("runs-on", HTMLSelectElement);
const [cpu, gpu] = choice.options;
const server = new Option("the server, which gets the picture", "server");

export class RunsOn {
  /** @type {Place} */
  #place = "wasm";
  #size = 0;
  /** @type {Place | undefined} what the user chose, for all models */
  wanted;

  /**
   * @param {import("./engine.js").Engine} engine
   * @param {import("./stage.js").Stage} stage
   * @param {object} edits
   * @param {() => void} edits.drop called before the place changes: edits on their way are not shown
   * @param {() => Promise<void>} edits.again called to edit at the new place
   */
  constructor(engine, stage, edits) {
    this.engine = engine;
    this.stage = stage;
    this.edits = edits;
    choice.addEventListener("change", () => this.#take(/** @type {Place} */ (choice.value)));
    this.#offerGpu();
  }

  /**
   * Tell where a model that was just loaded runs, and offer the other places.
   * @param {import("./model.js").Metadata} metadata
   * @param {Place} place where it runs
   * @param {string} [refusal] why not where it was wanted
   */
  offer(metadata, place, refusal) {
    this.#size = metadata.size;
    const offered = placesOf(metadata);
    choice.replaceChildren(
      ...(offered.includes("wasm") ? [cpu, gpu] : []),
      ...(offered.includes("server") ? [server] : []),
    );
    this.#tell(place);
    if (refusal && this.wanted) this.#refuse(this.wanted, refusal);
  }

  async #offerGpu() {
    // @ts-expect-error: not in every browser, nor in TypeScript's own list
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    if (!adapter) return;
    gpu.disabled = false;
    gpu.textContent = "this browser, GPU";
  }

  /** @param {Place} place */
  async #take(place) {
    this.edits.drop();
    this.stage.wait("Preparing");
    const before = this.wanted;
    this.wanted = place;
    try {
      await this.engine.runOn(place);
      this.#tell(place);
    } catch (error) {
      this.wanted = before;
      this.#tell(this.#place);
      this.#refuse(place, messageOf(error));
    }
    await this.edits.again();
    this.stage.wait("");
  }

  /** @param {Place} place @param {string} reason */
  #refuse(place, reason) {
    const running = NAMES[this.#place];
    toast(`The ${NAMES[place]} cannot run this model (${reason}); the ${running} goes on.`);
  }

  /** @param {Place} place where edits run from now on */
  #tell(place) {
    this.#place = place;
    choice.value = place;
    const away = place === "server";
    byId("private", HTMLElement).classList.toggle("away", away);
    byId("private-text", HTMLElement).textContent = away
      ? `Each edit sends the picture’s square, shrunk to ${this.#size} × ${this.#size}, and the sentence` +
        ` to ${location.host}`
      : "Your picture stays on this device";
  }
}
