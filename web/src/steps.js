/** The history on the page: undo, redo, and a button for each step. */

import { byId, element } from "./elements.js";

/** @param {(way: -1 | 1) => void} go called to undo a step (-1) or redo one (1) */
export function listenToSteps(go) {
  byId("undo", HTMLButtonElement).addEventListener("click", () => go(-1));
  byId("redo", HTMLButtonElement).addEventListener("click", () => go(1));
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLTextAreaElement; // which undoes by itself
    if (typing || !(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    go(key === "y" || event.shiftKey ? 1 : -1);
  });
}

/** @param {import("./history.js").History} history whose current step may not be shown yet */
export function offerSteps(history) {
  const [undo, redo] = [byId("undo", HTMLButtonElement), byId("redo", HTMLButtonElement)];
  const focused = document.activeElement;
  undo.disabled = !history.canUndo;
  redo.disabled = !history.canRedo;
  // A button that can do no more gives the focus to the other.
  if (focused === undo && undo.disabled) redo.focus();
  if (focused === redo && redo.disabled) undo.focus();
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
  const focused = [...steps.querySelectorAll("button")].findIndex((button) =>
    button.matches(":focus"),
  );
  steps.replaceChildren(...buttons.map((button) => element("li", {}, button)));
  buttons[Math.min(focused, buttons.length - 1)]?.focus({ preventScroll: true });
  const current = buttons[history.at]?.parentElement;
  if (current) steps.scrollLeft = current.offsetLeft + current.offsetWidth - steps.clientWidth;
}
