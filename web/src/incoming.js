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
    if (!pasted || isText(event, event.clipboardData)) return;
    event.preventDefault();
    take(pasted, pasted.name || "The pasted picture");
  });
  document.addEventListener("dragover", (event) => {
    const data = event.dataTransfer;
    drop.hidden = !hasFiles(data) || isText(event, data);
    if (isText(event, data)) return;
    event.preventDefault(); // the browser would open what is dropped, and leave the page
    if (data && drop.hidden) data.dropEffect = "none";
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    drop.hidden = true;
    if (isText(event, event.dataTransfer)) return;
    event.preventDefault();
    const dropped = event.dataTransfer?.files[0];
    if (dropped) take(dropped, dropped.name);
  });
}

/** @param {DataTransfer | null} data */
function hasFiles(data) {
  return data?.types.includes("Files") ?? false;
}

/**
 * Whether text comes to a field for it, which then gets that; cells of a spreadsheet come as text
 * and as a picture.
 * @param {Event} event
 * @param {DataTransfer | null} data
 */
function isText({ target }, data) {
  return target instanceof HTMLTextAreaElement && (data?.types.includes("text/plain") ?? false);
}
