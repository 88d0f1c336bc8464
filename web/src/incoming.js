/** Picture files that the user chooses, pastes or drops. */

import { byId } from "./elements.js";

/** @param {(file: File, name: string) => void} take called with each one */
export function listenToFiles(take) {
  const file = byId("file", HTMLInputElement);
  const drop = byId("drop", HTMLElement);
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    if (chosen) take(chosen, chosen.name);
    file.value = ""; // the same file may be chosen again
  });
  document.addEventListener("paste", (event) => {
    const pasted = event.clipboardData?.files[0];
    if (!pasted) return; // text goes to the field it is pasted into
    event.preventDefault();
    take(pasted, pasted.name || "The pasted picture");
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.hidden = !event.dataTransfer?.types.includes("Files");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.hidden = true;
    const dropped = event.dataTransfer?.files[0];
    if (dropped) take(dropped, dropped.name);
  });
}
