/** The page: picture and sentence in, edited picture out. */

import { Address } from "./address.js";
import { HARDLY_CHANGED } from "./captions.js";
import { byId, element, messageOf, toast } from "./elements.js";
import { Engine } from "./engine.js";
import { Examples, fileOf } from "./examples.js";
import { History } from "./history.js";
import { listenToFiles } from "./incoming.js";
import { Memories } from "./memories.js";
import { Models } from "./models.js";
import { decode, thumbnail } from "./pictures.js";
import { Result } from "./result.js";
import { RunsOn } from "./runs-on.js";
import { Sentence } from "./sentence.js";
import { Several } from "./several.js";
import { fromHash } from "./share.js";
import { Stage } from "./stage.js";
import { listenToSteps, offerSteps, showSteps } from "./steps.js";
import { Strength } from "./strength.js";

/**
 * @typedef {import("./examples.js").Example} Example
 * @typedef {import("./history.js").Step} Step
 */

const THUMBNAIL = 96; // pixels
const PAUSE = 120; // milliseconds without a key before an edit runs

const settings = fromHash(location.hash);
const engine = new Engine();
const history = new History((ids) => engine.forget(ids));
const result = new Result();
const stage = new Stage(() => writeAddress());
const sentence = new Sentence(
  () => changed({ caption: sentence.text }),
  () => history.close(),
);
const strength = new Strength(
  (value) => changed({ strength: value }),
  () => history.close(),
);
const several = new Several(
  engine,
  sentence,
  () => history.current,
  (caption) => {
    sentence.text = caption;
    history.close();
    changed({ caption });
    byId("caption", HTMLTextAreaElement).focus();
  },
);
const memories = new Memories(engine);
const models = new Models(changeModel, fetchModel);
const examples = new Examples((example) => takeExample(example, () => captionFor(example)));
const address = new Address(follow);
const runsOn = new RunsOn(engine, stage, { drop, again: refresh });
let loaded = false;
let newest = 0; // number of the edit asked for last; answers to earlier ones are dropped
/** @type {Promise<unknown>} the last edit that was asked for */
let painting = Promise.resolve();
let taking = 0; // pictures and models on their way: what is typed meanwhile is for them
let chosen = 0; // number of the picture that was chosen last; earlier ones that arrive later are dropped
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {Partial<Step>} change */
function changed(change) {
  if (!history.current || taking > 0) return;
  history.change(change);
  drop();
  timer = setTimeout(refresh, PAUSE);
}

/** Show nothing of what was asked until now, nor save what stands there: another edit follows. */
function drop() {
  clearTimeout(timer);
  newest += 1;
  result.drop();
}

/**
 * Edit what the history's current step says, by the step's own model, and show it.
 * @param {number} before index of the step to go back to where that model cannot be loaded
 */
async function refresh(before = history.at) {
  const step = history.current;
  if (!step || !loaded) return;
  drop();
  several.keep(step);
  const number = newest;
  const there = await loadModel(step.model);
  if (number !== newest) return;
  if (there) await paint(step, number);
  else if (history.goBack(before, models.name)) await jump(history.at);
}

/** @param {Step} step @param {number} number of the edit */
async function paint(step, number) {
  sentence.check();
  strength.value = step.strength;
  examples.mark(step.picture.name);
  if (!sentence.ready) {
    show(step, null);
    return;
  }
  const slow = setTimeout(() => stage.wait("Painting"), 150);
  // One at a time, and what nobody waits for any more not at all.
  const ask = () =>
    number === newest ? engine.edit(step.picture.id, step.caption, step.strength) : null;
  const asked = painting.then(ask, ask);
  painting = asked;
  try {
    const edit = await asked;
    if (edit && number === newest) {
      show(step, edit);
      if (!edit.shows && step.strength > 0) note(HARDLY_CHANGED);
    }
  } catch (error) {
    if (number === newest) {
      show(step, null);
      note(messageOf(error), "note error");
    }
  } finally {
    clearTimeout(slow);
    if (number === newest) stage.wait("");
  }
}

/**
 * @param {Step} step
 * @param {import("./engine.js").Edit | null} edit
 */
function show(step, edit) {
  const painted = edit ? { ...step.picture, pixels: edit.pixels } : step.picture;
  step.thumbnail = thumbnail(painted, THUMBNAIL);
  stage.show(step.picture, edit);
  stage.wait("");
  memories.show(step.picture.id, sentence.read, edit?.attention ?? null);
  result.hold(step, edit);
  showSteps(history, jump);
  writeAddress();
}

/** @param {string} text about the edit that was just made, or was not */
function note(text, className = "note") {
  byId("messages", HTMLElement).append(element("p", { className }, text));
}

/** @param {number} index of the step to go to */
async function jump(index) {
  const before = history.at;
  history.jump(index);
  if (!history.current) return;
  offerSteps(history);
  sentence.text = history.current.caption;
  await refresh(before);
}

/** @param {string} name of the model that the user wants */
async function changeModel(name) {
  drop();
  taking += 1;
  await loadModel(name);
  taking -= 1;
  if (models.loading) return; // that of a step which was asked for meanwhile
  // The sentence is replaced only where it was the page's own, and not for this model.
  const own = models.suggested(sentence.text) || examples.say(sentence.text);
  if (own && !understood(sentence.text)) sentence.text = models.captions[0] ?? sentence.text;
  if (!history.current) return;
  history.close();
  const settings = { caption: sentence.text, strength: strength.value };
  history.change({ model: models.name, ...settings });
  history.close();
  await refresh();
}

/** @param {string} name @returns {Promise<boolean>} whether this model edits from now on */
async function loadModel(name) {
  if (name === models.name && !models.loading) return true;
  stage.wait("Loading the model");
  const there = await models.load(name);
  if (!models.loading) stage.wait("");
  return there;
}

/** @param {string} name of the model that edits from now on; where that fails, it is the one before */
async function fetchModel(name) {
  const { metadata, words, place, refusal } = await engine.load(name, runsOn.wanted);
  models.use(name);
  runsOn.offer(metadata, place, refusal);
  memories.know(metadata);
  sentence.know(metadata, words, models.captions[0] ?? "");
  several.suggest(models.captions);
  examples.show(examples.usable(understood), history.current?.picture.name ?? "");
}

function understood(/** @type {string} */ caption) {
  return sentence.messagesOf(caption).length === 0;
}

/**
 * Take another picture, with the sentence that stands there once the model has seen it.
 * @param {import("./pictures.js").NamedPicture} picture
 */
async function take(picture) {
  taking += 1;
  clearTimeout(timer); // an edit of the picture before, whose sentence may be gone from the box
  try {
    await engine.see(picture);
  } finally {
    taking -= 1;
  }
  const settings = { caption: sentence.text, strength: strength.value };
  const step = { picture, model: models.wanted, ...settings };
  history.push(step);
  await refresh();
}

/** @param {Blob} file @param {string} name */
async function takeFile(file, name) {
  if (!loaded) {
    toast("The model is still loading; try again in a moment.");
    return;
  }
  const number = ++chosen;
  stage.wait(`Reading ${name}`);
  try {
    const picture = await decode(file, name);
    if (number === chosen) await take(picture);
  } catch (error) {
    toast(messageOf(error));
  } finally {
    if (number === chosen) stage.wait("");
  }
}

/** @param {Example} example @param {() => string} caption asked once the picture is here */
async function takeExample(example, caption) {
  const number = ++chosen;
  try {
    const picture = await decode(await fileOf(example), example.name);
    if (number !== chosen) return;
    sentence.text = caption();
    await take(picture);
  } catch (error) {
    toast(messageOf(error));
  }
}

/** The sentence is replaced only where it was an example's own. */
function captionFor(/** @type {Example} */ example) {
  const own = examples.say(sentence.text) || sentence.text.trim() === "";
  return own ? example.caption : sentence.text;
}

/** What a link to the page as it stands says. */
function settingsNow() {
  const { caption = "", strength = 1, picture } = history.current ?? {};
  return {
    model: models.name === models.first ? "" : models.name,
    caption,
    example: picture && examples.has(picture.name) ? picture.name : "",
    strength,
    view: stage.view,
    sentences: several.text,
  };
}

function writeAddress() {
  if (history.current) address.write(settingsNow());
}

/** Make the result the picture that is edited next. */
async function editResult() {
  const picture = result.picture;
  if (!picture) return;
  drop();
  chosen += 1;
  sentence.text = "";
  await take(picture);
  byId("caption", HTMLTextAreaElement).focus();
}

function listenToControls() {
  byId("continue", HTMLButtonElement).addEventListener("click", editResult);
  byId("download", HTMLButtonElement).addEventListener("click", () => result.save());
  byId("share", HTMLButtonElement).addEventListener("click", () => address.copy(settingsNow()));
  byId("sentences", HTMLTextAreaElement).addEventListener("change", writeAddress);
}

/**
 * Do what a link says that was opened in this page; what it does not say stays.
 * @param {import("./share.js").Settings} settings
 */
async function follow(settings) {
  await started;
  if (!loaded) return;
  stage.setView(settings.view);
  several.text = settings.sentences;
  const model = models.known(settings.model);
  if (model !== models.wanted) await changeModel(model);
  sentence.text = settings.caption || sentence.text;
  strength.value = settings.strength;
  history.close();
  const example = examples.usable(understood).find(({ name }) => name === settings.example);
  if (example && example.name !== history.current?.picture.name) {
    await takeExample(example, () => settings.caption || example.caption);
  } else {
    changed({ caption: sentence.text, strength: settings.strength });
    history.close();
  }
}

async function start() {
  listenToFiles(takeFile);
  listenToControls();
  listenToSteps((way) => jump(history.at + way));
  stage.setView(settings.view);
  sentence.text = settings.caption;
  several.text = settings.sentences;
  strength.value = settings.strength;
  try {
    await examples.list();
    await models.list();
    await loadModel(models.known(settings.model));
  } catch (error) {
    stage.fail(`The model cannot be loaded: ${messageOf(error)}. Load the page again.`);
    return;
  }
  loaded = true;
  document.body.dataset.loaded = "true";
  several.enable();
  const usable = examples.usable(understood);
  const first = usable.find(({ name }) => name === settings.example) ?? usable[0];
  if (first) {
    sentence.text ||= first.caption;
    await takeExample(first, () => sentence.text);
  } else {
    sentence.text ||= models.captions[0] ?? "";
    stage.invite();
  }
}

const started = start();
