/** The history on the page: undo, redo, and a button for each step. */

import { byId, element } from "./elements.js";

/** @param {import("./history.js").History} history whose current step may not be shown yet */
export function offerSteps(history) {
  byId("undo", HTMLButtonElement).disabled = !history.canUndo;
  byId("redo", HTMLButtonElement).disabled = !history.canRedo;
}

/**
 * @param {import("./history.js").History} history
 * @param {(index: number) => void} jump called with the step that the user wants
 */
export function showSteps(history, jump) {
  offerSteps(history);
  byId("history-part", HTMLElement).hidden = history.steps.length < 2;
  const buttons = history.steps.map((step, index) => {
    const picture = step.thumbnail ?? element("i", { className: "blank" });
    const text = step.caption || step.picture.name;
    const button = element("button", { type: "button", onclick: () => jump(index) },
      picture, element("span", {}, text));
    if (index === history.at) button.setAttribute("aria-current", "step");
    return button;
  });
  const steps = byId("steps", HTMLElement);
  steps.replaceChildren(...buttons.map((button) => element("li", {}, button)));
  const current = buttons[history.at]?.parentElement;
  if (current) steps.scrollLeft = current.offsetLeft + current.offsetWidth - steps.clientWidth;
}
