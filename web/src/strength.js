/** How much of the change is made: 0 leaves the picture, 1 is the model's own. */

import { byId } from "./elements.js";

const slider = byId("strength", HTMLInputElement);

export class Strength {
  /**
   * @param {(value: number) => void} changed called while the user drags
   * @param {() => void} closed called when the user is done with it
   */
  constructor(changed, closed) {
    slider.addEventListener("input", () => {
      this.value = Number(slider.value);
      changed(this.value);
    });
    slider.addEventListener("change", closed);
  }

  get value() {
    return Number(slider.value);
  }

  set value(value) {
    slider.value = String(value);
    byId("strength-value", HTMLOutputElement).value = value.toFixed(2);
  }
}
