// The study page: shows one pair after the other, keeps the answers in the browser's storage, and
// saves them as a JSON file. `study` is what mim_tf/pages/study.py wrote into the page.
"use strict";
const study = JSON.parse(document.getElementById("data").textContent);
const store = "study-" + study.study;
const byId = (id) => document.getElementById(id);

// A fair random whole number from 0 to below - 1: values of the incomplete last range are redrawn.
function randomBelow(below) {
  const limit = Math.floor(2 ** 32 / below) * below, box = new Uint32Array(1);
  do crypto.getRandomValues(box); while (box[0] >= limit);
  return box[0] % below;
}
function shuffled(count) {
  const order = [...Array(count).keys()];
  for (let i = count - 1; i > 0; i--) {
    const j = randomBelow(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// Every rater sees the pairs, and the methods within each pair, in an order of their own.
function newState() {
  return {
    rater: [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16)).join(""),
    order: shuffled(study.items.length),
    within: study.items.map((item) => shuffled(item.pictures.length)),
    answers: {}, place: 0,
  };
}

// A reloaded page goes on with the answers given before.
let state = null;
try { state = JSON.parse(localStorage.getItem(store)); } catch (error) { /* storage is off */ }
state = state || newState();

function saveState() {
  try { localStorage.setItem(store, JSON.stringify(state)); } catch (error) { /* storage is off */ }
}

const questions = Object.entries(study.questions);

// How many questions of a pair have no answer yet.
function countOpen(index) {
  let open = 0;
  for (const picture of study.items[index].pictures)
    for (const [name] of questions) if (!state.answers[picture.code + " " + name]) open++;
  return open;
}

function answer(fieldset, rank) {
  state.answers[fieldset.dataset.key] = rank;
  fieldset.querySelector(`input[value="${rank}"]`).checked = true;
  fieldset.classList.add("answered");
  saveState();
}

function showPage() {
  const index = state.order[state.place], item = study.items[index];
  byId("place").textContent = `Page ${state.place + 1} of ${study.items.length}`;
  byId("caption").textContent = item.caption;
  byId("input").src = item.input;
  byId("pictures").replaceChildren();
  state.within[index].forEach((which, position) => {
    const picture = item.pictures[which], box = document.createElement("section");
    const image = document.createElement("img");
    image.src = picture.src;
    image.alt = "result " + (position + 1);
    const title = document.createElement("h2");
    title.textContent = "Result " + (position + 1);
    box.append(title, image);
    for (const [name, text] of questions) {
      const fieldset = document.createElement("fieldset"), key = picture.code + " " + name;
      fieldset.dataset.key = key;
      const legend = document.createElement("legend"), ranks = document.createElement("div");
      legend.textContent = text;
      ranks.className = "ranks";
      for (let rank = 1; rank <= 5; rank++) {
        const label = document.createElement("label"), radio = document.createElement("input");
        radio.type = "radio";
        radio.name = key;
        radio.value = rank;
        radio.checked = state.answers[key] === rank;
        radio.addEventListener("change", () => answer(fieldset, rank));
        label.append(radio, String(rank));
        ranks.append(label);
      }
      if (state.answers[key]) fieldset.classList.add("answered");
      fieldset.append(legend, ranks);
      box.append(fieldset);
    }
    byId("pictures").append(box);
  });
  byId("back").disabled = state.place === 0;
  byId("next").disabled = state.place === study.items.length - 1;
  byId("message").textContent = "";
  focusNextOpen(null);
  scrollTo(0, 0);  // the focus may have moved the sentence out of sight
}

// Focus the first question without an answer that follows `after`, else the button to press next.
function focusNextOpen(after) {
  const all = [...document.querySelectorAll("fieldset")];
  const rest = all.slice(after ? all.indexOf(after) + 1 : 0);
  const next = [...rest, ...all].find((fieldset) => !fieldset.classList.contains("answered"));
  if (next) next.querySelector("input").focus();
  else if (!byId("next").disabled) byId("next").focus();
  else byId("save").focus();
}

function turnPage(step) {
  state.place = Math.min(Math.max(state.place + step, 0), study.items.length - 1);
  saveState();
  showPage();
}

byId("back").addEventListener("click", () => turnPage(-1));
byId("next").addEventListener("click", () => {
  const open = countOpen(state.order[state.place]);
  if (open) {
    byId("message").textContent = `${open} questions of this page are still open.`;
    focusNextOpen(null);
  } else turnPage(1);
});
byId("save").addEventListener("click", () => {
  const answers = Object.entries(state.answers).map(([key, rank]) => {
    const [picture, question] = key.split(" ");
    return { picture, question, rank };
  });
  const total = study.items.reduce((sum, item) => sum + item.pictures.length, 0) * questions.length;
  const text = JSON.stringify({ study: study.study, rater: state.rater, answers }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `answers-${state.rater}.json`;
  link.click();
  byId("message").textContent = `Saved ${answers.length} of ${total} answers. ` +
    "Please send the file to whoever asked you.";
});

// Keys 1 to 5 answer the focused question.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const fieldset = document.activeElement && document.activeElement.closest("fieldset");
  if (fieldset && event.key >= "1" && event.key <= "5") {
    event.preventDefault();
    answer(fieldset, Number(event.key));
    focusNextOpen(fieldset);
  }
});
showPage();
